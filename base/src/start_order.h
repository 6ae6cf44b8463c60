// SPDX-License-Identifier: Apache-2.0
//
// In which order things start that need each other.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "onward/status.h"

namespace onward {

struct Startable {
  std::string_view name;
  std::vector<std::string_view> provides = {};  // names by which others may need it, besides its own
  std::vector<std::string_view> needs = {};     // must start before it
  std::vector<std::string_view> wants = {};     // start before it where they are there
};

// Indices into `all`: as they are given, but each behind what it needs and wants. FAILED_PRECONDITION for names that
// two have, and for those that need each other, with the whole circle. Needs that nobody meets are not its business.
[[nodiscard]] Result<std::vector<std::size_t>> start_order(const std::vector<Startable>& all);

}  // namespace onward
