// SPDX-License-Identifier: Apache-2.0
//
// A configuration as a table: read from a file and those that it includes, with values from the environment in place.
//
//   include = ["common.toml", "conf.d/*.toml"]     at the top of a file; names are relative to its folder
//   "${NAME}", "${NAME:-7000}", "$${"              in a string: a variable, with a default; "${" itself
//
// What a file says itself goes before what it includes; of files that it includes, the first that says something is
// heard. Tables are put together key by key, and [[modules]] one behind the other, those of included files first.
#pragma once

#include <toml++/toml.h>

#include <string>
#include <string_view>

#include "config_reader.h"
#include "onward/status.h"

namespace onward {

struct ConfigSource {
  toml::table table;
  ExpandedNodes expanded;
};

// What is wrong with the files is added to `errors`: not TOML, cannot be read, too large, includes itself; variables
// that are not set. The table then holds what could be read. NOT_FOUND, or another code, if `path` itself cannot be.
[[nodiscard]] Status read_config_file(const std::string& path, ConfigErrors& errors, ConfigSource& out);
// The same of a text; `file` is its name in messages, and says what is relative to where.
void read_config_text(std::string_view text, const std::string& file, ConfigErrors& errors, ConfigSource& out);

}  // namespace onward
