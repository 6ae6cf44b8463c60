// SPDX-License-Identifier: Apache-2.0
#include "config_reader.h"

#include <algorithm>
#include <optional>
#include <sstream>

namespace onward {
namespace {

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t changed = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({changed, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

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

std::string join(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

}  // namespace

std::string nearest(std::string_view word, const std::vector<std::string>& known) {
  constexpr std::size_t kLongestWord = 64;
  if (word.size() > kLongestWord) return {};
  const std::string* best = nullptr;
  std::size_t best_distance = std::max<std::size_t>(word.size() / 3, 2) + 1;
  for (const std::string& candidate : known) {
    const std::size_t distance = edit_distance(word, candidate);
    if (distance >= best_distance || distance >= candidate.size()) continue;
    best_distance = distance;
    best = &candidate;
  }
  return best == nullptr ? std::string() : *best;
}

std::string suggest(std::string_view word, const std::vector<std::string>& known) {
  if (const std::string near = nearest(word, known); !near.empty()) return "; did you mean \"" + near + "\"?";
  return "; there are " + (known.empty() ? "none" : join(known));
}

std::string ConfigErrors::origin(const toml::source_region& at) const {
  return file_ + ":" + std::to_string(std::max<std::uint32_t>(at.begin.line, 1));
}

void ConfigErrors::add(const toml::source_region& at, std::string message) {
  errors_.emplace(at.begin.line, origin(at) + ": " + std::move(message));
}

std::string ConfigErrors::text() const {
  std::string text;
  for (const auto& [line, error] : errors_) text += (text.empty() ? "" : "\n") + error;
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

bool ConfigReader::read_integer(std::string_view key, std::int64_t& out, std::int64_t lowest, std::int64_t highest) {
  const toml::node* found = find(key);
  if (found == nullptr) return false;
  const auto value = found->value_exact<std::int64_t>();
  if (!value || *value < lowest || *value > highest) {
    wrong(key, *found, "an integer from " + std::to_string(lowest) + " to " + std::to_string(highest));
    return false;
  }
  out = *value;
  return true;
}

void ConfigReader::read(std::string_view key, Duration& out, Duration unit, std::int64_t lowest) {
  constexpr Duration kLongest = std::chrono::hours(24 * 365);
  std::int64_t value = 0;
  if (read_integer(key, value, lowest, kLongest / unit)) out = value * unit;
}

ConfigReader ConfigReader::table(std::string_view key) {
  static const toml::table empty;
  const toml::node* found = find(key);
  const std::string name = "[" + std::string(key) + "]";
  if (found != nullptr && !found->is_table()) wrong(key, *found, "a table, " + name);
  return {found != nullptr && found->is_table() ? *found->as_table() : empty, name, errors_};
}

void ConfigReader::refuse_unknown() {
  for (const auto& [key, value] : table_) {
    if (std::ranges::find(known_, key.str()) != known_.end()) continue;
    errors_.add(key.source(), (name_.empty() ? "" : name_ + ": ") + "the key \"" + std::string(key.str()) +
                                  "\" is not known" + suggest(key.str(), known_));
  }
}

void ConfigReader::read_setting(std::string_view key, std::map<std::string, Setting>& out) {
  const toml::node* found = find(key);
  if (found == nullptr) return;
  if (auto scalar = scalar_of(*found)) {
    out.emplace(key, Setting{*std::move(scalar), errors_.origin(found->source())});
  } else {
    wrong(key, *found, "true, false, a number, a string, or an array of strings or of integers");
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
std::optional<std::vector<std::int64_t>> integers_of(const toml::node& value) {
  return elements_of<std::int64_t>(value);
}

}  // namespace onward
