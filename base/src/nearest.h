// SPDX-License-Identifier: Apache-2.0
//
// Did you mean …?
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace onward {

// The one of `known` that `word` is most likely meant to be; empty if none is near.
[[nodiscard]] std::string nearest(std::string_view word, const std::vector<std::string>& known);

// "; did you mean "threads"?", or "; there are a, b, c".
[[nodiscard]] std::string suggest(std::string_view word, const std::vector<std::string>& known);

}  // namespace onward
