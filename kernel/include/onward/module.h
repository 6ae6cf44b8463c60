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
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "onward/future.h"
#include "onward/status.h"

namespace onward {

class FunctionTable;
class Node;
class Pool;

// One value of a module's configuration and where it stands, for messages: "node.toml:12".
struct Setting {
  using Scalar =
      std::variant<bool, std::int64_t, double, std::string, std::vector<std::string>, std::vector<std::int64_t>>;
  Scalar value;
  std::string origin;
};

// A module's arguments from the configuration. Reading one marks it as known; the node refuses to start
// when any was never read, so that a misspelt key is an error and not a surprise.
class ModuleArguments {
 public:
  ModuleArguments() = default;
  ModuleArguments(std::string module, std::map<std::string, Setting> settings)
      : module_(std::move(module)), settings_(std::move(settings)) {}

  // T is bool, std::int64_t, double, std::string or a std::vector of std::string or std::int64_t. Throws
  // RpcError(INVALID_ARGUMENT), with file and line, if the value has another type; get(key) also if it is
  // not there.
  template <class T>
  [[nodiscard]] T get(const std::string& key) const;
  template <class T>
  [[nodiscard]] T get(const std::string& key, T otherwise) const {
    return settings_.contains(key) ? get<T>(key) : (read_.insert(key), std::move(otherwise));
  }
  [[nodiscard]] bool contains(const std::string& key) const { return settings_.contains(key); }
  // "node.toml:12: module \"search\" has no argument \"foldr\"; …", one a line; empty when all were read.
  [[nodiscard]] std::string unread() const;

 private:
  const Setting& require(const std::string& key) const;
  [[noreturn]] void wrong_type(const std::string& key, const Setting& setting, std::string_view wanted) const;

  std::string module_;
  std::map<std::string, Setting> settings_;
  mutable std::set<std::string> read_;
};

// What a node gives its modules. Valid until the module has stopped.
class ModuleContext {
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

class Module {
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

template <class T>
T ModuleArguments::get(const std::string& key) const {
  const Setting& setting = require(key);
  if (const T* value = std::get_if<T>(&setting.value)) return *value;
  if constexpr (std::is_same_v<T, double>) {
    if (const auto* integer = std::get_if<std::int64_t>(&setting.value)) return static_cast<double>(*integer);
  }
  constexpr std::string_view kWanted = std::is_same_v<T, bool>           ? "true or false"
                                       : std::is_same_v<T, std::int64_t> ? "an integer"
                                       : std::is_same_v<T, double>       ? "a number"
                                       : std::is_same_v<T, std::string>  ? "a string"
                                                                         : "an array";
  wrong_type(key, setting, kWanted);
}

}  // namespace onward
