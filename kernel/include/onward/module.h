// SPDX-License-Identifier: Apache-2.0
//
// A module is a unit that a node is built from: it registers functions, and may hold state and threads of
// its own. It owns no globals: what it needs it gets through ModuleContext.
//
//   class Greeter final : public onward::Module {
//    public:
//     onward::Status start(onward::ModuleContext& context) override {
//       greeting_ = context.arguments().get<std::string>("greeting", "Hello");
//       return context.functions().add("greet", [this](std::string name) { return greeting_ + ", " + name; });
//     }
//    private:
//     std::string greeting_;
//   };
//   extern const onward::ModuleDescriptor greeter_module = onward::describe_module<Greeter>("greeter", "1.0",
//   "Greets.");
#pragma once

#include <cstdint>
#include <memory>

#include "onward/export.h"
#include "onward/future.h"
#include "onward/module_arguments.h"
#include "onward/status.h"

namespace onward {

class FunctionTable;
class Node;
class Pool;

// What a node gives its modules. Valid until the module has stopped.
class ONWARD_API ModuleContext {
 public:
  ModuleContext(Node& node, const ModuleArguments& arguments) : node_(node), arguments_(arguments) {}
  [[nodiscard]] Node& node() const noexcept { return node_; }
  [[nodiscard]] const ModuleArguments& arguments() const noexcept { return arguments_; }
  [[nodiscard]] FunctionTable& functions() const noexcept;
  [[nodiscard]] Pool& pool() const noexcept;

 private:
  Node& node_;
  const ModuleArguments& arguments_;
};

class ONWARD_API Module {
 public:
  virtual ~Module() = default;
  // On the kernel thread, before the node listens, in the order of the configuration. An error, returned
  // or thrown, stops the node with it, after what had started has stopped.
  virtual Status start(ModuleContext& context) = 0;
  // On the kernel thread, in reverse order, once no more calls come in. The node waits for the Future, within
  // its deadline. Called only after a start() that succeeded.
  virtual Future<void> stop() { return Future<void>::of(); }
};

// How a module presents itself. The same source is linked in, or loaded.
struct ModuleDescriptor {
  std::uint32_t abi_version;
  const char* name;
  const char* version;
  const char* summary;
  std::unique_ptr<Module> (*create)();
};

// Grows with every change of what a module compiles against.
inline constexpr std::uint32_t kModuleAbiVersion = 1;

template <class M>
[[nodiscard]] constexpr ModuleDescriptor describe_module(const char* name, const char* version, const char* summary) {
  return {kModuleAbiVersion, name, version, summary, [] { return std::unique_ptr<Module>(new M); }};
}

}  // namespace onward
