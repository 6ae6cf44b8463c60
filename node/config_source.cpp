// SPDX-License-Identifier: Apache-2.0
#include "config_source.h"

#include <glob.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <system_error>

namespace onward {
namespace {

constexpr std::size_t kMaxFileBytes = std::size_t{1} << 20;
constexpr std::size_t kMaxIncludeDepth = 8;
constexpr std::size_t kMaxFiles = 256;

Result<std::string> read_whole(const std::string& path) {
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  std::string text;
  if (in) {
    text.resize(kMaxFileBytes + 1);
    in.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(in.gcount()));
  }
  if (!in.is_open() || in.bad()) {
    const int error_number = errno;
    return fail(error_number == ENOENT ? StatusCode::kNotFound : StatusCode::kUnavailable,
                "cannot read the configuration " + path + ": " + std::generic_category().message(error_number));
  }
  if (text.size() > kMaxFileBytes) {
    return fail(StatusCode::kInvalidArgument,
                "the configuration " + path + " is larger than " + std::to_string(kMaxFileBytes) + " bytes");
  }
  return text;
}

// `into` keeps what it has.
void merge(toml::table& into, toml::table&& from) {
  for (auto&& [key, value] : from) {
    toml::node* present = into.get(key.str());
    if (present == nullptr) {
      into.insert(key, std::move(value));
    } else if (present->is_table() && value.is_table()) {
      merge(*present->as_table(), std::move(*value.as_table()));
    } else if (key.str() == "modules" && present->is_array() && value.is_array()) {
      toml::array& modules = *present->as_array();
      std::size_t place = 0;
      for (toml::node& module : *value.as_array()) {
        modules.insert(modules.cbegin() + static_cast<std::ptrdiff_t>(place++), std::move(module));
      }
    }
  }
}

class Reader {
 public:
  explicit Reader(ConfigErrors& errors) : errors_(errors) {}

  toml::table read(std::string_view text, const std::string& file) {
    toml::table table;
    try {
      table = toml::parse(text, file);
    } catch (const toml::parse_error& error) {
      errors_.add(error.source(), "this is not TOML: " + std::string(error.description()));
      return table;
    }
    std::error_code ignored;
    open_.push_back(std::filesystem::weakly_canonical(file, ignored).string());
    include_all(table, file);
    open_.pop_back();
    return table;
  }

 private:
  void include_all(toml::table& table, const std::string& file) {
    const toml::node* found = table.get("include");
    if (found == nullptr) return;
    const toml::source_region where = found->source();
    const auto patterns = one_or_more(*found);
    table.erase("include");
    if (!patterns) {
      errors_.add(where, "include must be the name of a file, or an array of them, as [\"common.toml\"]");
      return;
    }
    const std::filesystem::path folder = std::filesystem::path(file).parent_path();
    for (const std::string& pattern : *patterns) {
      for (const std::string& path : files_of((folder / pattern).lexically_normal().string())) {
        include(table, path, where);
      }
    }
  }

  // In the order of their names; a name without wildcards is a file that must be there.
  static std::vector<std::string> files_of(const std::string& pattern) {
    if (pattern.find_first_of("*?[") == std::string::npos) return {pattern};
    glob_t found{};
    std::vector<std::string> files;
    if (::glob(pattern.c_str(), 0, nullptr, &found) == 0) files.assign(found.gl_pathv, found.gl_pathv + found.gl_pathc);
    ::globfree(&found);
    return files;
  }

  void include(toml::table& table, const std::string& path, const toml::source_region& where) {
    std::error_code ignored;
    const std::string whole = std::filesystem::weakly_canonical(path, ignored).string();
    if (std::ranges::find(open_, whole) != open_.end()) {
      errors_.add(where, "include: " + path + " includes itself");
    } else if (open_.size() >= kMaxIncludeDepth) {
      errors_.add(where, "include: " + path + ": files include each other more than " +
                             std::to_string(kMaxIncludeDepth) + " deep");
    } else if (++files_ > kMaxFiles) {
      errors_.add(where, "include: " + path + " would be more than " + std::to_string(kMaxFiles) + " files");
    } else if (const Result<std::string> text = read_whole(path); text) {
      merge(table, read(*text, path));
    } else {
      errors_.add(where, "include: " + text.error().message());
    }
  }

  ConfigErrors& errors_;
  std::vector<std::string> open_;  // the files that are being read, each included by the one before
  std::size_t files_ = 0;
};

class Expansion {
 public:
  Expansion(ConfigErrors& errors, ExpandedNodes& expanded) : errors_(errors), expanded_(expanded) {}

  void visit(toml::node& node) {
    if (auto* table = node.as_table(); table != nullptr) {
      for (auto&& [key, value] : *table) visit(value);
    } else if (auto* array = node.as_array(); array != nullptr) {
      for (toml::node& element : *array) visit(element);
    } else if (auto* string = node.as_string(); string != nullptr && string->get().contains("${")) {
      string->get() = expand(string->get(), node.source());
      expanded_.insert(&node);
    }
  }

 private:
  std::string expand(std::string_view text, const toml::source_region& where) {
    std::string out;
    for (std::size_t i = 0; i < text.size();) {
      const std::string_view rest = text.substr(i);
      const std::size_t end = rest.find('}');
      if (rest.starts_with("$${")) {
        out += "${";
        i += 3;
      } else if (rest.starts_with("${") && end != std::string_view::npos) {
        out += value_of(rest.substr(2, end - 2), where);
        i += end + 1;
      } else {
        out += rest[0];
        ++i;
      }
    }
    return out;
  }

  std::string value_of(std::string_view reference, const toml::source_region& where) {
    const std::size_t at = reference.find(":-");
    const std::string name(reference.substr(0, at));
    const char* value = name.empty() ? nullptr : std::getenv(name.c_str());
    if (value != nullptr && (value[0] != '\0' || at == std::string_view::npos)) return value;
    if (at != std::string_view::npos) return std::string(reference.substr(at + 2));
    errors_.add(where, "the environment variable \"" + name + "\" is not set; set it, or write a default, ${" + name +
                           ":-VALUE}; \"${\" itself is written $${");
    return {};
  }

  ConfigErrors& errors_;
  ExpandedNodes& expanded_;
};

}  // namespace

void read_config_text(std::string_view text, const std::string& file, ConfigErrors& errors, ConfigSource& out) {
  out.table = Reader(errors).read(text, file);
  Expansion(errors, out.expanded).visit(out.table);
}

Status read_config_file(const std::string& path, ConfigErrors& errors, ConfigSource& out) {
  const Result<std::string> text = read_whole(path);
  if (!text) return text.error();
  read_config_text(*text, path, errors, out);
  return {};
}

}  // namespace onward
