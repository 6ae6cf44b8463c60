// SPDX-License-Identifier: Apache-2.0
//
// Modules that are not linked into a program: shared objects NAME.so, each with one module, which defines it with
// ONWARD_MODULE(NAME, …). They are linked without libonward, and use the copy of the program that loads them.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "onward/export.h"
#include "onward/module.h"

namespace onward {

// The transports tcp, tls, unix, shm and inproc, and the codecs flex, flatbuffers and raw, as modules.
[[nodiscard]] ONWARD_API std::span<const ModuleDescriptor* const> builtin_modules();
// These, and `modules` behind them.
[[nodiscard]] ONWARD_API std::vector<const ModuleDescriptor*> with_builtin_modules(
    std::span<const ModuleDescriptor* const> modules);

// Loads the module NAME from the file `path`, .../NAME.so; the same one again if it was loaded before. It stays until
// the process ends. Runs none of its functions, but what the file does by itself when it is loaded; so load only what
// you would run. NOT_FOUND where there is no such file; FAILED_PRECONDITION where it is no module, not one of that
// name, or cannot be used by this program, with both sides; see check_module_abi(). Any thread.
[[nodiscard]] ONWARD_API Result<const ModuleDescriptor*> load_module(const std::string& path);

// Where modules are looked for that are not linked in, in this order: `configured`, the folders in the environment
// variable ONWARD_MODULE_PATH, separated by colons, and the folder that the installation has for them.
[[nodiscard]] ONWARD_API std::vector<std::string> module_path(std::span<const std::string> configured = {});

struct FoundModule {
  const ModuleDescriptor* descriptor;
  std::string file;  // that it was loaded from; empty if it is linked in
};
// The module of that name: of those that are linked in, else of the first folder that has NAME.so. NOT_FOUND names
// what there is, and where was looked; else as load_module(). INVALID_ARGUMENT for what is no name. Any thread.
[[nodiscard]] ONWARD_API Result<FoundModule> find_module(std::string_view name,
                                                         std::span<const ModuleDescriptor* const> linked,
                                                         std::span<const std::string> folders);

}  // namespace onward
