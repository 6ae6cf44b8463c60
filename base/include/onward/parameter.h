// SPDX-License-Identifier: Apache-2.0
//
// What a configuration may say, declared once: from this come its checks, its defaults and its documentation.
//
//   constexpr Parameter kParameters[] = {
//       required_parameter<std::string>("folder", "the folder whose files are searched"),
//       parameter("max_files", 1000, "a search ends after so many files").range(1, 1'000'000),
//       parameter("time_limit", 4000, "a search answers with what it has then").range(1, 60'000).unit("ms"),
//       optional_parameter<std::vector<std::string>>("shards", "the nodes to ask"),
//   };
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>
#include <vector>

#include "onward/export.h"

namespace onward {

// One key. A constant; its strings are literals.
struct ONWARD_API Parameter {
  enum class Type : std::uint8_t { kBoolean, kInteger, kNumber, kString, kFile, kStrings, kIntegers };
  using Default = std::variant<std::monostate, bool, std::int64_t, double, std::string_view>;
  static constexpr std::size_t kMaxChoices = 6;

  std::string_view key;
  Type type = Type::kString;
  bool is_required = false;
  Default fallback = {};                // of a key that is not there; monostate: nothing
  std::string_view documentation = {};  // a sentence or part of one, in Markdown, without a full stop
  std::int64_t lowest = std::numeric_limits<std::int64_t>::min();
  std::int64_t highest = std::numeric_limits<std::int64_t>::max();
  std::string_view measure = {};                           // "ms", "bytes"; empty: a plain number
  std::array<std::string_view, kMaxChoices> choices = {};  // of a string: all that it may be, if the first is not empty
  std::string_view word = {};                              // of an integer: what may stand instead of one, as "none"
  std::string_view fallback_text = {};                     // a default that is not a constant, as "the node's name"
  bool reloads = false;                                    // a running node takes a new value on SIGHUP

  // Of an integer, both included; of a list of integers, of each.
  [[nodiscard]] constexpr Parameter range(std::int64_t from, std::int64_t to) const {
    Parameter copy = *this;
    copy.lowest = from;
    copy.highest = to;
    return copy;
  }
  [[nodiscard]] constexpr Parameter unit(std::string_view name) const {
    Parameter copy = *this;
    copy.measure = name;
    return copy;
  }
  template <std::convertible_to<std::string_view>... Words>
    requires(sizeof...(Words) <= kMaxChoices)
  [[nodiscard]] constexpr Parameter one_of(Words... words) const {
    Parameter copy = *this;
    copy.choices = {words...};
    return copy;
  }
  [[nodiscard]] constexpr Parameter or_word(std::string_view instead) const {
    Parameter copy = *this;
    copy.word = instead;
    return copy;
  }
  [[nodiscard]] constexpr Parameter otherwise(std::string_view text) const {
    Parameter copy = *this;
    copy.fallback_text = text;
    return copy;
  }
  // Of a string: it names a file that can be read, relative to the folder of the file that says so.
  [[nodiscard]] constexpr Parameter file() const {
    Parameter copy = *this;
    copy.type = Type::kFile;
    return copy;
  }
  [[nodiscard]] constexpr Parameter reloadable() const {
    Parameter copy = *this;
    copy.reloads = true;
    return copy;
  }
  // "an integer from 1 to 1024, or "none"": how messages and documentation call its values.
  [[nodiscard]] std::string expected() const;
  // As the configuration would have it, `"info"`, `5000`; empty where there is none.
  [[nodiscard]] std::string default_text() const;
};

namespace detail {

template <class T>
consteval Parameter::Type parameter_type() {
  if constexpr (std::is_same_v<T, bool>) return Parameter::Type::kBoolean;
  if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) return Parameter::Type::kInteger;
  if constexpr (std::is_floating_point_v<T>) return Parameter::Type::kNumber;
  if constexpr (std::is_same_v<T, std::string>) return Parameter::Type::kString;
  if constexpr (std::is_same_v<T, std::vector<std::string>>) return Parameter::Type::kStrings;
  if constexpr (std::is_same_v<T, std::vector<std::int64_t>>) return Parameter::Type::kIntegers;
}

}  // namespace detail

// With a default: a bool, an integer, a real or a string.
template <class T>
[[nodiscard]] constexpr Parameter parameter(std::string_view key, T fallback, std::string_view documentation) {
  // Made, not assigned: clang has no constant assignment of variants.
  if constexpr (std::is_convertible_v<T, std::string_view>) {
    return {.key = key, .fallback = std::string_view(fallback), .documentation = documentation};
  } else if constexpr (std::is_same_v<T, bool>) {
    return {.key = key, .type = Parameter::Type::kBoolean, .fallback = fallback, .documentation = documentation};
  } else if constexpr (std::is_integral_v<T>) {
    return {.key = key,
            .type = Parameter::Type::kInteger,
            .fallback = static_cast<std::int64_t>(fallback),
            .documentation = documentation};
  } else {
    return {.key = key,
            .type = Parameter::Type::kNumber,
            .fallback = static_cast<double>(fallback),
            .documentation = documentation};
  }
}

// That must be there. T as Arguments::get() has it.
template <class T>
[[nodiscard]] constexpr Parameter required_parameter(std::string_view key, std::string_view documentation) {
  return {.key = key, .type = detail::parameter_type<T>(), .is_required = true, .documentation = documentation};
}

// That may be absent: see Arguments::find().
template <class T>
[[nodiscard]] constexpr Parameter optional_parameter(std::string_view key, std::string_view documentation) {
  return {.key = key, .type = detail::parameter_type<T>(), .documentation = documentation};
}

}  // namespace onward
