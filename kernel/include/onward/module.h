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

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "onward/arguments.h"
#include "onward/export.h"
#include "onward/future.h"
#include "onward/services.h"
#include "onward/status.h"
#include "onward/version.h"

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

// Grows with every change of what a module compiles against.
inline constexpr std::uint32_t kModuleAbiVersion = 2;

// What this is the address of is there once in a program: see ModuleAbi.
ONWARD_API extern const char module_runtime;  // NOLINT(readability-identifier-naming): as its descriptors

// The first member of every descriptor, of any version: what must agree before the rest is looked at.
struct ModuleAbi {
  std::uint32_t version = 0;      // kModuleAbiVersion of the headers
  const char* onward = "";        // the release that they are from
  const char* toolchain = "";     // how the compiler was set
  const char* name = "";          // the module's
  const void* runtime = nullptr;  // &module_runtime, as the module sees it
};

// Up to eight names, in braces.
struct ModuleNames {
  static constexpr std::size_t kMax = 8;
  std::array<std::string_view, kMax> names{};
  std::size_t count = 0;

  constexpr ModuleNames() = default;
  constexpr ModuleNames(std::initializer_list<std::string_view> list) {
    for (const std::string_view name : list) names.at(count++) = name;  // does not compile beyond kMax
  }
  [[nodiscard]] constexpr const std::string_view* begin() const { return names.data(); }
  [[nodiscard]] constexpr const std::string_view* end() const { return names.data() + count; }
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

// OK if this program can use what was compiled as `abi` says; else FAILED_PRECONDITION with both sides. Any thread.
[[nodiscard]] ONWARD_API Status check_module_abi(const ModuleAbi& abi);

// What the configuration says to a module, checked; what is wrong goes to `errors`, where `owner` is what it stands in,
// "[tls]"; the module's name, if it is empty. Any thread.
[[nodiscard]] ONWARD_API Arguments check_module_arguments(const ModuleDescriptor& descriptor, Settings settings,
                                                          std::vector<SettingError>& errors, std::string owner = {});

}  // namespace onward

// Of the standard library that a module is compiled with.
#if defined(_LIBCPP_VERSION)
#define ONWARD_STANDARD_LIBRARY "libc++"
#elif defined(_GLIBCXX_DEBUG)
#define ONWARD_STANDARD_LIBRARY "libstdc++ with _GLIBCXX_DEBUG"
#elif defined(_GLIBCXX_USE_CXX11_ABI) && _GLIBCXX_USE_CXX11_ABI
#define ONWARD_STANDARD_LIBRARY "libstdc++ with C++11 strings"
#else
#define ONWARD_STANDARD_LIBRARY "libstdc++ with old strings"
#endif
#if defined(__x86_64__)
#define ONWARD_TOOLCHAIN "x86_64, " ONWARD_STANDARD_LIBRARY
#elif defined(__aarch64__)
#define ONWARD_TOOLCHAIN "aarch64, " ONWARD_STANDARD_LIBRARY
#else
#define ONWARD_TOOLCHAIN "another machine, " ONWARD_STANDARD_LIBRARY
#endif

// Defines a module: its name, which is an identifier and, of a loaded one, that of the file; then members of
// ModuleDescriptor. Once for a module, in any namespace, in a source file.
#define ONWARD_MODULE(NAME, ...)                                                                                    \
  extern "C" __attribute__((visibility("default"))) const ::onward::ModuleDescriptor onward_module_##NAME;          \
  constinit const ::onward::ModuleDescriptor onward_module_##NAME = {                                               \
      .abi = {::onward::kModuleAbiVersion, ::onward::kRelease, ONWARD_TOOLCHAIN, #NAME, &::onward::module_runtime}, \
      __VA_ARGS__}

// Declares a module that is linked in, so that `&onward_module_NAME` can be given to a node. At namespace scope.
#define ONWARD_LINKED_MODULE(NAME) extern "C" const ::onward::ModuleDescriptor onward_module_##NAME
