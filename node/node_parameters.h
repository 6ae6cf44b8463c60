// SPDX-License-Identifier: Apache-2.0
//
// What a node's configuration may say, besides its modules' own arguments: the declarations by which it is checked, and
// from which docs/CONFIGURATION.md and the man page are made.
#pragma once

#include <span>
#include <string_view>

#include "onward/parameter.h"

namespace onward {

struct ConfigTable {
  std::string_view name;  // "pool"; empty for the top of the file
  std::string_view documentation;
  std::span<const Parameter> parameters;
};

// All that the program itself knows, in the order of the documentation.
[[nodiscard]] std::span<const ConfigTable> config_tables();
// Of the table of that name, which must be one of them.
[[nodiscard]] std::span<const Parameter> config_parameters(std::string_view table);

}  // namespace onward
