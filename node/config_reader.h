// SPDX-License-Identifier: Apache-2.0
//
// Reads TOML tables key by key, and collects what is wrong with them instead of stopping at the first error.
#pragma once

#include <toml++/toml.h>

#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nearest.h"
#include "onward/arguments.h"

namespace onward {

// All that is wrong with a configuration, which may be of several files.
class ConfigErrors {
 public:
  explicit ConfigErrors(std::string file) : file_(std::move(file)) {}
  // Where a value stands, "node.toml:12".
  [[nodiscard]] std::string origin(const toml::source_region& at) const;
  void add(const toml::source_region& at, const std::string& message);
  // An error that has no place of its own stands at `otherwise`.
  void add(const SettingError& error, const toml::source_region& otherwise);
  [[nodiscard]] bool empty() const noexcept { return errors_.empty(); }
  [[nodiscard]] std::size_t size() const noexcept { return errors_.size(); }
  // One line each, by file and line.
  [[nodiscard]] std::string text() const;

 private:
  struct Error {
    std::string file;
    std::uint32_t line;
    std::string message;
  };
  std::string file_;
  std::vector<Error> errors_;
};

// Strings whose text is from the environment, and may stand for numbers.
using ExpandedNodes = std::set<const toml::node*>;

// One table. Every read() takes a key, and leaves `out` as it is where the key is not there or is wrong. The
// table and the errors must outlive it.
class ConfigReader {
 public:
  // `name` is how messages call the table, "[pool]"; empty for the file's own.
  ConfigReader(const toml::table& table, std::string name, ConfigErrors& errors, const ExpandedNodes& expanded)
      : table_(table), name_(std::move(name)), errors_(errors), expanded_(expanded) {}

  // The value, or null. Marks the key as known.
  [[nodiscard]] const toml::node* find(std::string_view key);
  // The same, and an error if it is not there.
  [[nodiscard]] const toml::node* require(std::string_view key);
  // The error that `key` must be something else than `found`.
  void wrong(std::string_view key, const toml::node& found, const std::string& wanted);

  // True if there is a string.
  bool read(std::string_view key, std::string& out);
  // True or false.
  void read(std::string_view key, bool& out);
  // A table within this one, `[key]`; an empty one if it is not there.
  [[nodiscard]] ConfigReader table(std::string_view key);

  // Every key that was not asked for, as a setting; an error for what settings cannot be.
  [[nodiscard]] Settings settings();
  // The same, checked against what is declared.
  [[nodiscard]] Arguments arguments(std::span<const Parameter> declared);
  // An error for every key that was not asked for. Last.
  void refuse_unknown();
  [[nodiscard]] const toml::table& content() const noexcept { return table_; }
  [[nodiscard]] ConfigErrors& errors() const noexcept { return errors_; }
  [[nodiscard]] const ExpandedNodes& expanded() const noexcept { return expanded_; }

 private:
  const toml::table& table_;
  std::string name_;
  ConfigErrors& errors_;
  const ExpandedNodes& expanded_;
  std::vector<std::string> known_;
};

// A value as the file has it, shortened, for messages.
[[nodiscard]] std::string describe(const toml::node& value);
// The strings of an array; nothing if it is not an array of strings.
[[nodiscard]] std::optional<std::vector<std::string>> strings_of(const toml::node& value);
// A string, or an array of them.
[[nodiscard]] std::optional<std::vector<std::string>> one_or_more(const toml::node& value);
// The whole value, to compare it with another.
[[nodiscard]] std::string whole_text(const Setting& setting);
// The folder of the file that a value stands in.
[[nodiscard]] std::string folder_of(const toml::source_region& at);

}  // namespace onward
