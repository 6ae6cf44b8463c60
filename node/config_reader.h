// SPDX-License-Identifier: Apache-2.0
//
// Reads TOML tables key by key, and collects what is wrong with them instead of stopping at the first error.
#pragma once

#include <toml++/toml.h>

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "onward/clock.h"
#include "onward/module.h"

namespace onward {

// The one of `known` that `word` is most likely meant to be; empty if none is near.
[[nodiscard]] std::string nearest(std::string_view word, const std::vector<std::string>& known);

// ", did you mean "threads"?", or ", use one of a, b, c".
[[nodiscard]] std::string suggest(std::string_view word, const std::vector<std::string>& known);

class ConfigErrors {
 public:
  explicit ConfigErrors(std::string file) : file_(std::move(file)) {}
  // Where a value stands, "node.toml:12".
  [[nodiscard]] std::string origin(const toml::source_region& at) const;
  void add(const toml::source_region& at, std::string message);
  [[nodiscard]] bool empty() const noexcept { return errors_.empty(); }
  [[nodiscard]] std::size_t size() const noexcept { return errors_.size(); }
  // One line each, in the order of the file.
  [[nodiscard]] std::string text() const;

 private:
  std::string file_;
  std::multimap<std::uint32_t, std::string> errors_;  // by line
};

// One table. Every read() takes a key, and leaves `out` as it is where the key is not there or is wrong. The
// table and the errors must outlive it.
class ConfigReader {
 public:
  // `name` is how messages call the table, "[pool]"; empty for the file's own.
  ConfigReader(const toml::table& table, std::string name, ConfigErrors& errors)
      : table_(table), name_(std::move(name)), errors_(errors) {}

  // The value, or null. Marks the key as known.
  [[nodiscard]] const toml::node* find(std::string_view key);
  // The same, and an error if it is not there.
  [[nodiscard]] const toml::node* require(std::string_view key);
  // The error that `key` must be something else than `found`.
  void wrong(std::string_view key, const toml::node& found, const std::string& wanted);

  // True if there is a string.
  bool read(std::string_view key, std::string& out);
  template <class Integer>
  void read(std::string_view key, Integer& out, std::int64_t lowest, std::int64_t highest) {
    std::int64_t value = 0;
    if (read_integer(key, value, lowest, highest)) out = static_cast<Integer>(value);
  }
  // True or false.
  void read(std::string_view key, bool& out);
  // A number of `unit`s.
  void read(std::string_view key, Duration& out, Duration unit, std::int64_t lowest);
  // A table within this one, `[key]`; an empty one if it is not there.
  [[nodiscard]] ConfigReader table(std::string_view key);

  // Of every key that was not asked for. Last.
  void refuse_unknown();
  [[nodiscard]] const toml::table& content() const noexcept { return table_; }
  [[nodiscard]] ConfigErrors& errors() const noexcept { return errors_; }
  // The value of a key that is a module's argument; nothing, and an error, for what arguments cannot be.
  void read_setting(std::string_view key, std::map<std::string, Setting>& out);

 private:
  bool read_integer(std::string_view key, std::int64_t& out, std::int64_t lowest, std::int64_t highest);

  const toml::table& table_;
  std::string name_;
  ConfigErrors& errors_;
  std::vector<std::string> known_;
};

// A value as the file has it, shortened, for messages.
[[nodiscard]] std::string describe(const toml::node& value);
// The strings of an array; nothing if it is not an array of strings.
[[nodiscard]] std::optional<std::vector<std::string>> strings_of(const toml::node& value);
[[nodiscard]] std::optional<std::vector<std::int64_t>> integers_of(const toml::node& value);

}  // namespace onward
