// SPDX-License-Identifier: Apache-2.0
#include "onward/arguments.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <system_error>

#include "nearest.h"

namespace onward {
namespace {

using Type = Parameter::Type;

const Parameter* find_parameter(std::span<const Parameter> declared, std::string_view key) {
  const auto found = std::ranges::find(declared, key, &Parameter::key);
  return found == declared.end() ? nullptr : &*found;
}

template <class T>
std::optional<T> parse(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// A string from the environment becomes what is expected, where it can.
void convert(const Parameter& parameter, Setting& setting) {
  if (auto* integer = std::get_if<std::int64_t>(&setting.value);
      integer != nullptr && parameter.type == Type::kNumber) {
    setting.value = static_cast<double>(*integer);
  }
  const auto* text = std::get_if<std::string>(&setting.value);
  if (!setting.from_text || text == nullptr) return;
  if (parameter.type == Type::kBoolean && (*text == "true" || *text == "false")) {
    setting.value = *text == "true";
  } else if (parameter.type == Type::kInteger) {
    if (const auto integer = parse<std::int64_t>(*text)) setting.value = *integer;
  } else if (parameter.type == Type::kNumber) {
    if (const auto number = parse<double>(*text)) setting.value = *number;
  }
}

bool in_range(const Parameter& parameter, std::int64_t value) {
  return value >= parameter.lowest && value <= parameter.highest;
}

bool fits(const Parameter& parameter, const Setting& setting) {
  const auto* text = std::get_if<std::string>(&setting.value);
  switch (parameter.type) {
    case Type::kBoolean:
      return std::holds_alternative<bool>(setting.value);
    case Type::kInteger: {
      if (text != nullptr) return !parameter.word.empty() && *text == parameter.word;
      const auto* integer = std::get_if<std::int64_t>(&setting.value);
      return integer != nullptr && in_range(parameter, *integer);
    }
    case Type::kNumber:
      return std::holds_alternative<double>(setting.value);
    case Type::kString:
      if (text == nullptr) return false;
      return parameter.choices[0].empty() ||
             (!text->empty() && std::ranges::find(parameter.choices, *text) != parameter.choices.end());
    case Type::kFile:
      return text != nullptr;
    case Type::kStrings:
      return std::holds_alternative<std::vector<std::string>>(setting.value);
    case Type::kIntegers: {
      const auto* integers = std::get_if<std::vector<std::int64_t>>(&setting.value);
      if (integers == nullptr) {  // an empty array has no type
        const auto* strings = std::get_if<std::vector<std::string>>(&setting.value);
        return strings != nullptr && strings->empty();
      }
      return std::ranges::all_of(*integers, [&](std::int64_t value) { return in_range(parameter, value); });
    }
  }
  return false;
}

// The whole path in place of the name; what is wrong with the file, if anything is.
std::string resolve_file(Setting& setting) {
  auto& name = std::get<std::string>(setting.value);
  const std::filesystem::path path = (std::filesystem::path(setting.folder) / name).lexically_normal();
  std::error_code error;
  const bool is_folder = std::filesystem::is_directory(path, error);
  errno = 0;
  if (!is_folder && std::ifstream(path)) {
    name = path.string();
    return {};
  }
  const int number = is_folder ? EISDIR : errno;
  return "the file " + path.string() + " cannot be read: " + std::generic_category().message(number);
}

std::string sentence(std::initializer_list<std::string_view> parts) {
  std::string text;
  for (const std::string_view part : parts) text += part;
  return text;
}

std::optional<Setting> default_of(const Parameter& parameter) {
  Setting setting{.is_default = true};
  if (const auto* boolean = std::get_if<bool>(&parameter.fallback)) {
    setting.value = *boolean;
  } else if (const auto* integer = std::get_if<std::int64_t>(&parameter.fallback)) {
    setting.value = *integer;
  } else if (const auto* number = std::get_if<double>(&parameter.fallback)) {
    setting.value = *number;
  } else if (const auto* text = std::get_if<std::string_view>(&parameter.fallback)) {
    setting.value = std::string(*text);
  } else {
    return std::nullopt;
  }
  return setting;
}

}  // namespace

std::string Setting::describe() const {
  constexpr std::size_t kLongest = 40;
  if (const auto* boolean = std::get_if<bool>(&value)) return *boolean ? "true" : "false";
  if (const auto* integer = std::get_if<std::int64_t>(&value)) return std::to_string(*integer);
  if (const auto* number = std::get_if<double>(&value)) return std::to_string(*number);
  const auto* string = std::get_if<std::string>(&value);
  if (string == nullptr) return "an array";
  std::string text = *string;
  std::ranges::replace(text, '\n', ' ');
  if (text.size() > kLongest) text = text.substr(0, kLongest) + "…";
  return '"' + text + '"';
}

Arguments Arguments::check(std::string owner, std::span<const Parameter> declared, Settings settings,
                           std::vector<SettingError>& errors) {
  Arguments arguments;
  const std::string colon = owner.empty() || owner.ends_with(':') ? owner : owner + ":";
  const std::string of_key = owner.empty() ? "" : owner + " ";
  const std::string of_all = owner.empty() ? "" : colon + " ";
  std::vector<std::string> known;
  for (const Parameter& parameter : declared) known.emplace_back(parameter.key);
  for (auto& [key, setting] : settings) {
    const Parameter* parameter = find_parameter(declared, key);
    if (parameter == nullptr) {
      errors.push_back({setting.origin, sentence({of_all, "the key \"", key, "\" is not known", suggest(key, known)})});
      continue;
    }
    convert(*parameter, setting);
    if (!fits(*parameter, setting)) {
      errors.push_back(
          {setting.origin, of_key + key + " must be " + parameter->expected() + ", not " + setting.describe()});
      continue;
    }
    if (parameter->type == Type::kFile) {
      if (const std::string why = resolve_file(setting); !why.empty()) {
        errors.push_back({setting.origin, sentence({of_key, key, ": ", why})});
        continue;
      }
    }
    if (parameter->type == Type::kIntegers && std::holds_alternative<std::vector<std::string>>(setting.value)) {
      setting.value = std::vector<std::int64_t>();
    }
    arguments.settings_.emplace(key, std::move(setting));
  }
  for (const Parameter& parameter : declared) {
    const std::string key(parameter.key);
    if (settings.contains(key)) continue;
    if (parameter.is_required) errors.push_back({{}, sentence({of_all, "the key \"", key, "\" is missing"})});
    if (auto fallback = default_of(parameter)) arguments.settings_.emplace(key, *std::move(fallback));
  }
  arguments.owner_ = std::move(owner);
  arguments.declared_ = declared;
  return arguments;
}

bool Arguments::contains(std::string_view key) const {
  const auto found = settings_.find(std::string(key));
  return found != settings_.end() && !found->second.is_default;
}

std::string Arguments::origin(std::string_view key) const {
  const auto found = settings_.find(std::string(key));
  return found == settings_.end() ? std::string() : found->second.origin;
}

const Setting* Arguments::look(std::string_view key, Type type) const {
  const Parameter* parameter = find_parameter(declared_, key);
  if (parameter == nullptr) misused(key, "is not declared");
  const Type declared = parameter->type == Type::kFile ? Type::kString : parameter->type;
  if (declared != type) misused(key, "is declared as " + parameter->expected());
  const auto found = settings_.find(std::string(key));
  return found == settings_.end() ? nullptr : &found->second;
}

void Arguments::misused(std::string_view key, std::string_view how) const {
  throw RpcError(StatusCode::kInternal,
                 owner_ + " the argument \"" + std::string(key) + "\", which the program reads, " + std::string(how));
}

Arguments Arguments::check(const std::string& owner, std::span<const Parameter> declared, Settings settings,
                           std::vector<SettingError>& errors, Status (*also)(const Arguments&)) {
  const std::size_t before = errors.size();
  Arguments arguments = check(owner, declared, std::move(settings), errors);
  if (errors.size() > before || also == nullptr) return arguments;
  Status wrong;
  try {
    wrong = also(arguments);
  } catch (...) {
    wrong = status_from_current_exception();
  }
  if (!wrong.ok()) errors.push_back({{}, owner + (owner.ends_with(':') ? " " : ": ") + wrong.message()});
  return arguments;
}

}  // namespace onward
