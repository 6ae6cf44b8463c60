// SPDX-License-Identifier: Apache-2.0
#include "onward/parameter.h"

#include <cstdio>

namespace onward {
namespace {

std::string integer_range(const Parameter& parameter) {
  using Limits = std::numeric_limits<std::int64_t>;
  if (parameter.highest != Limits::max()) {
    return " from " + std::to_string(parameter.lowest) + " to " + std::to_string(parameter.highest);
  }
  return parameter.lowest == Limits::min() ? "" : " from " + std::to_string(parameter.lowest) + " up";
}

std::string quoted(std::string_view text) { return '"' + std::string(text) + '"'; }

std::string choices_text(const Parameter& parameter) {
  std::string text;
  for (std::size_t i = 0; i < Parameter::kMaxChoices && !parameter.choices[i].empty(); ++i) {
    const bool last = i + 1 == Parameter::kMaxChoices || parameter.choices[i + 1].empty();
    text += (i == 0 ? "" : last ? " or " : ", ") + quoted(parameter.choices[i]);
  }
  return text;
}

}  // namespace

std::string Parameter::expected() const {
  const std::string or_else = word.empty() ? "" : ", or " + quoted(word);
  switch (type) {
    case Type::kBoolean:
      return "true or false";
    case Type::kInteger:
      return "an integer" + integer_range(*this) + or_else;
    case Type::kNumber:
      return "a number";
    case Type::kString:
      return choices[0].empty() ? "a string" : choices_text(*this);
    case Type::kFile:
      return "the name of a file";
    case Type::kStrings:
      return "an array of strings";
    case Type::kIntegers:
      return "an array of integers" + integer_range(*this);
  }
  return "?";
}

std::string Parameter::default_text() const {
  if (!fallback_text.empty()) return std::string(fallback_text);
  if (const auto* boolean = std::get_if<bool>(&fallback)) return *boolean ? "true" : "false";
  if (const auto* integer = std::get_if<std::int64_t>(&fallback)) return std::to_string(*integer);
  if (const auto* text = std::get_if<std::string_view>(&fallback)) return quoted(*text);
  const auto* number = std::get_if<double>(&fallback);
  if (number == nullptr) return {};
  std::array<char, 32> digits{};
  std::snprintf(digits.data(), digits.size(), "%g", *number);
  return digits.data();
}

}  // namespace onward
