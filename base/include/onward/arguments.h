// SPDX-License-Identifier: Apache-2.0
//
// What a module, or a part of the node, is told by the configuration: values that were checked against the
// parameters that it declares.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "onward/export.h"
#include "onward/parameter.h"
#include "onward/status.h"

namespace onward {

// One value of a configuration and where it stands.
struct ONWARD_API Setting {
  using Scalar =
      std::variant<bool, std::int64_t, double, std::string, std::vector<std::string>, std::vector<std::int64_t>>;
  Scalar value = {};
  std::string origin = {};  // for messages: "node.toml:12"
  std::string folder = {};  // what the names of files are relative to; empty: the working directory
  bool is_default = false;  // the declaration says so, not the configuration
  bool from_text = false;   // a string that may stand for a boolean or a number: from the environment

  // As messages show it, shortened: "\"four\"", "4", "an array".
  [[nodiscard]] std::string describe() const;
};
using Settings = std::map<std::string, Setting>;

// What is wrong with one of them.
struct SettingError {
  std::string origin;  // empty: no value is to blame, but one is missing
  std::string message;
  // "node.toml:12: …"
  [[nodiscard]] std::string text() const { return origin.empty() ? message : origin + ": " + message; }
};

class ONWARD_API Arguments {
 public:
  Arguments() = default;

  // Checks `settings`, and fills in defaults. Adds what is wrong to `errors`: unknown keys, with the nearest that is
  // known, wrong types and ranges, missing keys, files that cannot be read. `owner` is how messages call what the
  // arguments are for: "[pool]", "module \"search\":". `declared` must stay, as constants do.
  [[nodiscard]] static Arguments check(std::string owner, std::span<const Parameter> declared, Settings settings,
                                       std::vector<SettingError>& errors);

  // The same, and then what `also` says of arguments that are right one by one; null says nothing. It may throw.
  [[nodiscard]] static Arguments check(const std::string& owner, std::span<const Parameter> declared, Settings settings,
                                       std::vector<SettingError>& errors, Status (*also)(const Arguments&));

  // T is bool, double, std::string, an integer type, or a std::vector of std::string or std::int64_t. Of a key that
  // may be absent, find() gives nothing then, or where a word stands for a number. Throws RpcError(INTERNAL) for a
  // key that is not declared, or not as T, and get() for one that has no value: a bug of who asks.
  template <class T>
  [[nodiscard]] T get(std::string_view key) const;
  template <class T>
  [[nodiscard]] std::optional<T> find(std::string_view key) const;
  // Whether the configuration says something, rather than a default.
  [[nodiscard]] bool contains(std::string_view key) const;
  // Where it says so; empty if it does not.
  [[nodiscard]] std::string origin(std::string_view key) const;
  // All values, defaults included.
  [[nodiscard]] const Settings& all() const noexcept { return settings_; }
  [[nodiscard]] std::span<const Parameter> declared() const noexcept { return declared_; }
  [[nodiscard]] const std::string& owner() const noexcept { return owner_; }

 private:
  [[nodiscard]] const Setting* look(std::string_view key, Parameter::Type type) const;
  [[noreturn]] void misused(std::string_view key, std::string_view how) const;

  std::string owner_;
  std::span<const Parameter> declared_;
  Settings settings_;
};

template <class T>
std::optional<T> Arguments::find(std::string_view key) const {
  const Setting* setting = look(key, detail::parameter_type<T>());
  if (setting == nullptr) return std::nullopt;
  using Stored = std::conditional_t<std::is_integral_v<T> && !std::is_same_v<T, bool>, std::int64_t, T>;
  const Stored* value = std::get_if<Stored>(&setting->value);
  return value == nullptr ? std::nullopt : std::optional<T>(static_cast<T>(*value));
}

template <class T>
T Arguments::get(std::string_view key) const {
  std::optional<T> value = find<T>(key);
  if (!value) misused(key, "has no value: ask with find()");
  return *std::move(value);
}

}  // namespace onward
