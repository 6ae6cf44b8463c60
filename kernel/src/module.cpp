// SPDX-License-Identifier: Apache-2.0
#include "onward/module.h"

#include <algorithm>

#include "onward/node.h"

namespace onward {

static_assert(std::string_view(ONWARD_VERSION) == kRelease, "version.h and meson.build name different releases");

extern const char module_runtime = 0;

namespace {

std::string describe(const ModuleAbi& abi) {
  return "Onward " + std::string(abi.onward) + " (module interface " + std::to_string(abi.version) + "; " +
         abi.toolchain + ")";
}

bool has(const ModuleNames& names, std::string_view name) { return std::ranges::find(names, name) != names.end(); }

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

Arguments check_module_arguments(const ModuleDescriptor& descriptor, Settings settings,
                                 std::vector<SettingError>& errors, std::string owner) {
  if (owner.empty()) owner = "module \"" + std::string(descriptor.name()) + "\":";
  const std::size_t before = errors.size();
  Arguments arguments = Arguments::check(owner, descriptor.parameters, std::move(settings), errors);
  if (errors.size() > before || descriptor.check == nullptr) return arguments;
  Status wrong;
  try {
    wrong = descriptor.check(arguments);
  } catch (...) {
    wrong = status_from_current_exception();
  }
  if (!wrong.ok()) errors.push_back({{}, owner + (owner.ends_with(':') ? " " : ": ") + wrong.message()});
  return arguments;
}

FunctionTable& ModuleContext::functions() const noexcept { return node_.functions(); }
Pool& ModuleContext::pool() const noexcept { return node_.pool(); }

Status ModuleContext::provide_object(const ServiceName& service, void* object) const {
  if (!has(descriptor_.provides, service.name)) {
    return {StatusCode::kFailedPrecondition, "it provides the service \"" + std::string(service.name) +
                                                 "\", which it does not declare: add it to the module's .provides"};
  }
  return services_.provide(service, object, descriptor_.name());
}

void* ModuleContext::require(const ServiceName& service, Presence presence) const {
  const bool declared = has(descriptor_.needs, service.name) || has(descriptor_.wants, service.name);
  if (!declared) {
    throw RpcError(StatusCode::kFailedPrecondition, "it uses the service \"" + std::string(service.name) +
                                                        "\", which it does not declare: add it to the module's .needs "
                                                        "or .wants, so that who provides it starts before");
  }
  const Result<void*> found = services_.find(service);
  if (found) return *found;
  if (presence == Presence::kOptional && found.error().code() == StatusCode::kNotFound) return nullptr;
  throw RpcError(found.error());
}

}  // namespace onward
