// SPDX-License-Identifier: Apache-2.0
#include "onward/module_abi.h"

#include <string>

namespace onward {

static_assert(std::string_view(ONWARD_VERSION) == kRelease, "version.h and meson.build name different releases");

extern const char module_runtime = 0;

namespace {

std::string describe(const ModuleAbi& abi) {
  return "Onward " + std::string(abi.onward) + " (module interface " + std::to_string(abi.version) + "; " +
         abi.toolchain + ")";
}

}  // namespace

Status check_module_abi(const ModuleAbi& abi) {
  const ModuleAbi ours{kModuleAbiVersion, kRelease, ONWARD_TOOLCHAIN, abi.name, &module_runtime};
  if (abi.version != ours.version || std::string_view(abi.toolchain) != ours.toolchain) {
    return {StatusCode::kFailedPrecondition, "it was built against " + describe(abi) + ", but this program is " +
                                                 describe(ours) + ": build it against this program's headers"};
  }
  if (abi.runtime != ours.runtime) {
    return {StatusCode::kFailedPrecondition,
            "it has brought a second copy of Onward into the process: link a module without libonward (pkg-config "
            "onward-module), as it uses the copy of the program that loads it"};
  }
  return {};
}

}  // namespace onward
