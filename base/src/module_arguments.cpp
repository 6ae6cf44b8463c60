// SPDX-License-Identifier: Apache-2.0
#include "onward/module_arguments.h"

namespace onward {

std::string ModuleArguments::unread() const {
  std::string text;
  std::string known;
  for (const std::string& key : read_) known += (known.empty() ? "" : ", ") + key;
  for (const auto& [key, setting] : settings_) {
    if (read_.contains(key)) continue;
    text += (text.empty() ? "" : "\n") + setting.origin + ": module \"" + module_ + "\" has no argument \"" + key +
            "\"; it has " + (known.empty() ? "none" : known);
  }
  return text;
}

const Setting& ModuleArguments::require(const std::string& key) const {
  read_.insert(key);
  const auto found = settings_.find(key);
  if (found == settings_.end()) {
    throw RpcError(StatusCode::kInvalidArgument, "module \"" + module_ + "\" needs the argument \"" + key + "\"");
  }
  return found->second;
}

void ModuleArguments::wrong_type(const std::string& key, const Setting& setting, std::string_view wanted) const {
  throw RpcError(StatusCode::kInvalidArgument, setting.origin + ": argument \"" + key + "\" of module \"" + module_ +
                                                   "\" must be " + std::string(wanted));
}

}  // namespace onward
