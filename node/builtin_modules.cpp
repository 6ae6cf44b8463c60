// SPDX-License-Identifier: Apache-2.0
//
// A file of its own: who links with it has all transports and codecs, and what they need.
#include <algorithm>
#include <array>

#include "onward/module_library.h"

ONWARD_LINKED_MODULE(flatbuffers);
ONWARD_LINKED_MODULE(flex);
ONWARD_LINKED_MODULE(inproc);
ONWARD_LINKED_MODULE(raw);
ONWARD_LINKED_MODULE(shm);
ONWARD_LINKED_MODULE(tcp);
ONWARD_LINKED_MODULE(tls);
ONWARD_LINKED_MODULE(unix);

namespace onward {

std::span<const ModuleDescriptor* const> builtin_modules() {
  static constexpr std::array kModules{&onward_module_tcp,         &onward_module_tls,    &onward_module_unix,
                                       &onward_module_shm,         &onward_module_inproc, &onward_module_flex,
                                       &onward_module_flatbuffers, &onward_module_raw};
  return kModules;
}

std::vector<const ModuleDescriptor*> with_builtin_modules(std::span<const ModuleDescriptor* const> modules) {
  const auto builtin = builtin_modules();
  std::vector<const ModuleDescriptor*> all(builtin.begin(), builtin.end());
  for (const ModuleDescriptor* module : modules) {
    if (std::ranges::find(all, module) == all.end()) all.push_back(module);
  }
  return all;
}

}  // namespace onward
