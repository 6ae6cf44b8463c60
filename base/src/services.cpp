// SPDX-License-Identifier: Apache-2.0
#include "onward/services.h"

namespace onward {

Status Services::provide(const ServiceName& service, void* object, std::string_view module,
                         const ModuleNames& declared) {
  if (!declared.contains(service.name)) {
    return {StatusCode::kFailedPrecondition, "it provides the service \"" + std::string(service.name) +
                                                 "\", which it does not declare: add it to the module's .provides"};
  }
  const auto [entry, added] =
      entries_.try_emplace(std::string(service.name), Entry{service.version, object, std::string(module)});
  if (added) return {};
  return {StatusCode::kAlreadyExists, "the service \"" + entry->first + "\" is provided by module \"" +
                                          entry->second.module + "\" already: a node can use one of them"};
}

Result<void*> Services::find_declared(const ServiceName& service, const ModuleNames& needs,
                                      const ModuleNames& wants) const {
  if (needs.contains(service.name) || wants.contains(service.name)) return find(service);
  return fail(StatusCode::kFailedPrecondition, "it uses the service \"" + std::string(service.name) +
                                                   "\", which it does not declare: add it to the module's .needs or "
                                                   ".wants, so that who provides it starts before");
}

Result<void*> Services::find(const ServiceName& service) const {
  const auto found = entries_.find(service.name);
  const std::string name = "the service \"" + std::string(service.name) + "\"";
  if (found == entries_.end()) {
    return fail(StatusCode::kNotFound, name + " is provided by no module that has started");
  }
  if (found->second.version != service.version) {
    return fail(StatusCode::kFailedPrecondition, name + " is needed in version " + std::to_string(service.version) +
                                                     ", but module \"" + found->second.module + "\" provides version " +
                                                     std::to_string(found->second.version) +
                                                     ": build both modules against one header");
  }
  return found->second.object;
}

void Services::withdraw(std::string_view module) {
  std::erase_if(entries_, [&](const auto& entry) { return entry.second.module == module; });
}

}  // namespace onward
