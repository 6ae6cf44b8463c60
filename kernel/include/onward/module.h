// SPDX-License-Identifier: Apache-2.0
//
// A module is a unit that a node is built from: it registers functions, gives the node a transport or a codec, or
// gives other modules a service. It owns no globals: what it needs it gets through ModuleContext.
//
//   class Greeter final : public onward::Module {
//    public:
//     onward::Status start(onward::ModuleContext& context) override {
//       greeting_ = context.arguments().get<std::string>("greeting");
//       return context.functions().add("greet", [this](std::string name) { return greeting_ + ", " + name; });
//     }
//    private:
//     std::string greeting_;
//   };
//   constexpr onward::Parameter kParameters[] = {
//       onward::parameter("greeting", "Hello", "what stands before the name"),
//   };
//   ONWARD_MODULE(greeter, .version = "1.0", .summary = "greets", .create = onward::make_module<Greeter>,
//                 .parameters = kParameters);
//
// The same source, without a change, is linked into a node binary, which names it with ONWARD_LINKED_MODULE(greeter),
// or becomes greeter.so, which a node loads; see onward/module_library.h.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "onward/arguments.h"
#include "onward/export.h"
#include "onward/future.h"
#include "onward/module_abi.h"
#include "onward/services.h"
#include "onward/status.h"

namespace onward {

class Codec;
class EventLoop;
class FunctionTable;
class Node;
class Pool;
class Transport;
struct MessageLimits;
struct ModuleDescriptor;

// What a node gives its modules. Valid until the module has stopped. Kernel thread, unless said.
class ONWARD_API ModuleContext {
 public:
  ModuleContext(Node& node, const ModuleDescriptor& descriptor, const Arguments& arguments, Services& services)
      : node_(node), descriptor_(descriptor), arguments_(arguments), services_(services) {}
  [[nodiscard]] Node& node() const noexcept { return node_; }
  // Checked against what the module declares. Any thread.
  [[nodiscard]] const Arguments& arguments() const noexcept { return arguments_; }
  [[nodiscard]] FunctionTable& functions() const noexcept;
  [[nodiscard]] Pool& pool() const noexcept;

  // Lends `object`, whose class names its kService, to modules that start later; they stop earlier. Within start().
  // FAILED_PRECONDITION for a name that is not among the module's `provides`; ALREADY_EXISTS.
  template <class T>
  Status provide(T& object) const {
    return provide_object(T::kService, &object);
  }
  // The service of a module that this one needs or wants. Throws RpcError: FAILED_PRECONDITION for a name that is not
  // among these, or for another version; NOT_FOUND where nobody provides it.
  template <class T>
  [[nodiscard]] T& service() const {
    return *static_cast<T*>(require(T::kService, Presence::kRequired));
  }
  // The same; null where nobody provides it.
  template <class T>
  [[nodiscard]] T* find_service() const {
    return static_cast<T*>(require(T::kService, Presence::kOptional));
  }

 private:
  enum class Presence : std::uint8_t { kRequired, kOptional };
  Status provide_object(const ServiceName& service, void* object) const;
  [[nodiscard]] void* require(const ServiceName& service, Presence presence) const;

  Node& node_;
  const ModuleDescriptor& descriptor_;
  const Arguments& arguments_;
  Services& services_;
};

class ONWARD_API Module {
 public:
  virtual ~Module() = default;
  // On the kernel thread, before the node listens, behind the modules that it needs and wants, else in the order of
  // the configuration. An error, returned or thrown, stops the node with it, after what had started has stopped; of
  // an optional module, what it had registered is taken back, and the node goes on without.
  virtual Status start(ModuleContext& context) = 0;
  // On the kernel thread, in reverse order, once no more calls come in. The node waits for the Future, within
  // its deadline. Called only after a start() that succeeded.
  virtual Future<void> stop() { return Future<void>::of(); }
};

template <class M>
[[nodiscard]] std::unique_ptr<Module> make_module() {
  return std::make_unique<M>();
}

// How a module presents itself. A constant: nothing of the module runs before the node has looked at it.
struct ModuleDescriptor {
  ModuleAbi abi;
  const char* version = "";
  const char* summary = "";  // half a line, for `onward list`
  // Makes the module; null for one that is but a transport or a codec. May throw.
  std::unique_ptr<Module> (*create)() = nullptr;
  // The arguments that it takes; static, as kParameters above.
  std::span<const Parameter> parameters = {};
  // What is wrong with arguments that are right one by one: OK, or INVALID_ARGUMENT with what to do about it. Called
  // before the node starts, and by `onward node --check`; must change nothing. May throw.
  Status (*check)(const Arguments& arguments) = nullptr;
  // Modules, or services, without which it cannot start; that it uses if they are there; and the services that
  // it gives others.
  ModuleNames needs = {};
  ModuleNames wants = {};
  ModuleNames provides = {};
  // A transport, or a codec, that it gives the node; made before modules start, and by `--check`. May throw.
  std::unique_ptr<Transport> (*make_transport)(EventLoop& loop, const MessageLimits& limits,
                                               const Arguments& arguments) = nullptr;
  std::shared_ptr<const Codec> (*make_codec)(const Arguments& arguments) = nullptr;

  [[nodiscard]] constexpr std::string_view name() const noexcept { return abi.name; }
};

// What the configuration says to a module, checked; what is wrong goes to `errors`, where `owner` is what it stands in,
// "[tls]"; the module's name, if it is empty. Any thread.
[[nodiscard]] ONWARD_API Arguments check_module_arguments(const ModuleDescriptor& descriptor, Settings settings,
                                                          std::vector<SettingError>& errors, std::string owner = {});

}  // namespace onward

// Defines a module: its name, which is an identifier and, of a loaded one, that of the file; then members of
// ModuleDescriptor. Once for a module, in any namespace, in a source file.
#define ONWARD_MODULE(NAME, ...)                                                                                    \
  extern "C" __attribute__((visibility("default"))) const ::onward::ModuleDescriptor onward_module_##NAME;          \
  constinit const ::onward::ModuleDescriptor onward_module_##NAME = {                                               \
      .abi = {::onward::kModuleAbiVersion, ::onward::kRelease, ONWARD_TOOLCHAIN, #NAME, &::onward::module_runtime}, \
      __VA_ARGS__}

// Declares a module that is linked in, so that `&onward_module_NAME` can be given to a node. At namespace scope.
#define ONWARD_LINKED_MODULE(NAME) extern "C" const ::onward::ModuleDescriptor onward_module_##NAME
