// SPDX-License-Identifier: Apache-2.0
#include "onward/module.h"

#include "onward/node.h"

namespace onward {

Arguments check_module_arguments(const ModuleDescriptor& descriptor, Settings settings,
                                 std::vector<SettingError>& errors, std::string owner) {
  if (owner.empty()) owner = "module \"" + std::string(descriptor.name()) + "\":";
  return Arguments::check(owner, descriptor.parameters, std::move(settings), errors, descriptor.check);
}

FunctionTable& ModuleContext::functions() const noexcept { return node_.functions(); }
Pool& ModuleContext::pool() const noexcept { return node_.pool(); }

Status ModuleContext::provide_object(const ServiceName& service, void* object) const {
  return services_.provide(service, object, descriptor_.name(), descriptor_.provides);
}

void* ModuleContext::require(const ServiceName& service, Presence presence) const {
  const Result<void*> found = services_.find_declared(service, descriptor_.needs, descriptor_.wants);
  if (found) return *found;
  if (presence == Presence::kOptional && found.error().code() == StatusCode::kNotFound) return nullptr;
  throw RpcError(found.error());
}

}  // namespace onward
