// SPDX-License-Identifier: Apache-2.0
#include "onward/module_library.h"

#include <dlfcn.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <filesystem>

#include "nearest.h"

namespace onward {
namespace {

bool is_identifier(std::string_view name) {
  const auto is_part = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; };
  return !name.empty() && std::ranges::all_of(name, is_part) && std::isdigit(static_cast<unsigned char>(name[0])) == 0;
}

std::string last_error() {
  const char* error = ::dlerror();
  return error == nullptr ? "unknown error" : error;
}

std::unexpected<Status> refused(const std::string& path, const std::string& why) {
  return fail(StatusCode::kFailedPrecondition, path + ": " + why);
}

// The names of all modules that could be had.
std::vector<std::string> known_modules(std::span<const ModuleDescriptor* const> linked,
                                       std::span<const std::string> folders) {
  std::vector<std::string> names;
  for (const ModuleDescriptor* descriptor : linked) names.emplace_back(descriptor->name());
  for (const std::string& folder : folders) {
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
      if (entry.path().extension() == ".so") names.push_back(entry.path().stem().string());
    }
  }
  std::ranges::sort(names);
  names.erase(std::ranges::unique(names).begin(), names.end());
  return names;
}

}  // namespace

Result<const ModuleDescriptor*> load_module(const std::string& path) {
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return fail(StatusCode::kNotFound, "there is no file " + path);
  const std::string name = std::filesystem::path(path).stem().string();
  if (!is_identifier(name)) return refused(path, "a module's file is called by its name, NAME.so, an identifier");
  // With a slash, or the system would look in its own folders.
  const std::string whole = std::filesystem::absolute(path, ignored).string();
  void* library = ::dlopen(whole.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    return refused(path, "cannot be loaded: " + last_error() +
                             "; if a symbol of Onward is missing, it was built against another version");
  }
  const std::string symbol = "onward_module_" + name;
  const void* found = ::dlsym(library, symbol.c_str());
  if (found == nullptr) {
    return refused(path, "is not the module " + name + ": it has no " + symbol + ", which ONWARD_MODULE(" + name +
                             ", …) defines; is the file named like the module?");
  }
  const auto* descriptor = static_cast<const ModuleDescriptor*>(found);
  if (const Status wrong = check_module_abi(descriptor->abi); !wrong.ok()) return refused(path, wrong.message());
  return descriptor;
}

std::vector<std::string> module_path(std::span<const std::string> configured) {
  std::vector<std::string> folders(configured.begin(), configured.end());
  if (const char* variable = std::getenv("ONWARD_MODULE_PATH"); variable != nullptr) {
    const std::string_view text = variable;
    for (std::size_t begin = 0; begin <= text.size();) {
      const std::size_t end = std::min(text.find(':', begin), text.size());
      if (end > begin) folders.emplace_back(text.substr(begin, end - begin));
      begin = end + 1;
    }
  }
  folders.emplace_back(ONWARD_MODULE_FOLDER);
  return folders;
}

Result<FoundModule> find_module(std::string_view name, std::span<const ModuleDescriptor* const> linked,
                                std::span<const std::string> folders) {
  const std::string text(name);
  if (!is_identifier(name)) {
    return fail(StatusCode::kInvalidArgument, "\"" + text +
                                                  "\" is no module's name: that is made of letters, digits "
                                                  "and _");
  }
  const auto found = std::ranges::find(linked, name, &ModuleDescriptor::name);
  if (found != linked.end()) return FoundModule{.descriptor = *found, .file = {}};
  for (const std::string& folder : folders) {
    const std::string path = (std::filesystem::path(folder) / (text + ".so")).string();
    Result<const ModuleDescriptor*> loaded = load_module(path);
    if (loaded) return FoundModule{.descriptor = *loaded, .file = path};
    if (loaded.error().code() != StatusCode::kNotFound) return std::unexpected(loaded.error());
  }
  const std::vector<std::string> known = known_modules(linked, folders);
  const std::string near = nearest(name, known);
  return fail(StatusCode::kNotFound, "the module \"" + text + "\" is not known; " +
                                         (near.empty() ? "there" : "did you mean \"" + near + "\"? There") + " are " +
                                         (known.empty() ? "none" : join(known)) + "; " + text +
                                         ".so was looked for in " + (folders.empty() ? "none" : join(folders)));
}

}  // namespace onward
