// SPDX-License-Identifier: Apache-2.0
//
// What a module is told by the configuration.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "onward/export.h"
#include "onward/status.h"

namespace onward {

// One value of a module's configuration and where it stands, for messages: "node.toml:12".
struct Setting {
  using Scalar =
      std::variant<bool, std::int64_t, double, std::string, std::vector<std::string>, std::vector<std::int64_t>>;
  Scalar value;
  std::string origin;
};

// A module's arguments from the configuration. Reading one marks it as known; the node refuses to start
// when any was never read, so that a misspelt key is an error and not a surprise.
class ONWARD_API ModuleArguments {
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
