// SPDX-License-Identifier: Apache-2.0
#include "config_reader.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <sstream>
#include <tuple>

namespace onward {
namespace {

template <class T>
std::optional<std::vector<T>> elements_of(const toml::node& value) {
  const toml::array* array = value.as_array();
  if (array == nullptr) return std::nullopt;
  std::vector<T> elements;
  for (const toml::node& element : *array) {
    auto exact = element.value_exact<T>();
    if (!exact) return std::nullopt;
    elements.push_back(*std::move(exact));
  }
  return elements;
}

std::optional<Setting::Scalar> scalar_of(const toml::node& value) {
  if (value.is_boolean()) return *value.value_exact<bool>();
  if (value.is_integer()) return *value.value_exact<std::int64_t>();
  if (value.is_floating_point()) return *value.value_exact<double>();
  if (value.is_string()) return *value.value_exact<std::string>();
  if (auto strings = elements_of<std::string>(value)) return *std::move(strings);
  if (auto integers = elements_of<std::int64_t>(value)) return *std::move(integers);
  return std::nullopt;
}

}  // namespace

std::string ConfigErrors::origin(const toml::source_region& at) const {
  return (at.path ? *at.path : file_) + ":" + std::to_string(std::max<std::uint32_t>(at.begin.line, 1));
}

void ConfigErrors::add(const toml::source_region& at, const std::string& message) {
  errors_.push_back({at.path ? *at.path : file_, at.begin.line, origin(at) + ": " + message});
}

void ConfigErrors::add(const SettingError& error, const toml::source_region& otherwise) {
  if (error.origin.empty()) return add(otherwise, error.message);
  const std::size_t colon = error.origin.rfind(':');
  const auto line = static_cast<std::uint32_t>(std::stoul(error.origin.substr(colon + 1)));
  errors_.push_back({error.origin.substr(0, colon), line, error.text()});
}

std::string ConfigErrors::text() const {
  // The file that was asked for comes first; those of one line stay as they were found.
  std::multimap<std::tuple<bool, std::string_view, std::uint32_t>, const std::string*> sorted;
  for (const Error& error : errors_) {
    sorted.emplace(std::tuple(error.file != file_, std::string_view(error.file), error.line), &error.message);
  }
  std::string text;
  for (const auto& [place, message] : sorted) text += (text.empty() ? "" : "\n") + *message;
  return text;
}

const toml::node* ConfigReader::find(std::string_view key) {
  if (std::ranges::find(known_, key) == known_.end()) known_.emplace_back(key);
  return table_.get(key);
}

const toml::node* ConfigReader::require(std::string_view key) {
  const toml::node* found = find(key);
  if (found == nullptr) {
    errors_.add(table_.source(),
                (name_.empty() ? "" : name_ + ": ") + "the key \"" + std::string(key) + "\" is missing");
  }
  return found;
}

void ConfigReader::wrong(std::string_view key, const toml::node& found, const std::string& wanted) {
  errors_.add(found.source(), (name_.empty() ? "" : name_ + " ") + std::string(key) + " must be " + wanted + ", not " +
                                  describe(found));
}

bool ConfigReader::read(std::string_view key, std::string& out) {
  const toml::node* found = find(key);
  if (found == nullptr) return false;
  if (!found->is_string()) {
    wrong(key, *found, "a string");
    return false;
  }
  out = *found->value_exact<std::string>();
  return true;
}

void ConfigReader::read(std::string_view key, bool& out) {
  const toml::node* found = find(key);
  if (found == nullptr) return;
  if (const auto value = found->value_exact<bool>()) {
    out = *value;
  } else {
    wrong(key, *found, "true or false");
  }
}

ConfigReader ConfigReader::table(std::string_view key) {
  static const toml::table empty;
  const toml::node* found = find(key);
  const std::string outer = name_.starts_with("[") ? name_.substr(1, name_.size() - 2) + "." : "";
  const std::string name = "[" + outer + std::string(key) + "]";
  if (found != nullptr && !found->is_table()) wrong(key, *found, "a table, " + name);
  return {found != nullptr && found->is_table() ? *found->as_table() : empty, name, errors_, expanded_};
}

Settings ConfigReader::settings() {
  Settings settings;
  for (const auto& [key, value] : table_) {
    const std::string name(key.str());
    if (std::ranges::find(known_, name) != known_.end()) continue;
    known_.push_back(name);
    if (auto scalar = scalar_of(value)) {
      settings.emplace(name, Setting{.value = *std::move(scalar),
                                     .origin = errors_.origin(value.source()),
                                     .folder = folder_of(value.source()),
                                     .from_text = expanded_.contains(&value)});
    } else {
      wrong(name, value, "true, false, a number, a string, or an array of strings or of integers");
    }
  }
  return settings;
}

Arguments ConfigReader::arguments(std::span<const Parameter> declared) {
  std::vector<SettingError> found;
  Arguments arguments = Arguments::check(name_, declared, settings(), found);
  for (const SettingError& error : found) errors_.add(error, table_.source());
  return arguments;
}

void ConfigReader::refuse_unknown() {
  for (const auto& [key, value] : table_) {
    if (std::ranges::find(known_, key.str()) != known_.end()) continue;
    errors_.add(key.source(), (name_.empty() ? "" : name_ + ": ") + "the key \"" + std::string(key.str()) +
                                  "\" is not known" + suggest(key.str(), known_));
  }
}

std::string describe(const toml::node& value) {
  constexpr std::size_t kLongest = 40;
  if (value.is_table()) return "a table";
  std::string text;
  if (value.is_string()) {
    text = *value.value_exact<std::string>();
  } else {
    std::ostringstream out;
    value.visit([&](const auto& content) { out << content; });
    text = out.str();
  }
  std::ranges::replace(text, '\n', ' ');
  if (text.size() > kLongest) text = text.substr(0, kLongest) + "…";
  return value.is_string() ? "\"" + text + "\"" : text;
}

std::optional<std::vector<std::string>> strings_of(const toml::node& value) { return elements_of<std::string>(value); }

std::optional<std::vector<std::string>> one_or_more(const toml::node& value) {
  if (value.is_string()) return std::vector{*value.value_exact<std::string>()};
  return strings_of(value);
}

std::string whole_text(const Setting& setting) {
  std::ostringstream text;
  if (const auto* string = std::get_if<std::string>(&setting.value)) return '"' + *string + '"';
  if (const auto* strings = std::get_if<std::vector<std::string>>(&setting.value)) {
    for (const std::string& one : *strings) text << '"' << one << "\" ";
  } else if (const auto* integers = std::get_if<std::vector<std::int64_t>>(&setting.value)) {
    for (const std::int64_t one : *integers) text << one << ' ';
  } else {
    return setting.describe();
  }
  return text.str();
}

std::string folder_of(const toml::source_region& at) {
  return at.path ? std::filesystem::path(*at.path).parent_path().string() : std::string();
}

}  // namespace onward
