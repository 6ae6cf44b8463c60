// SPDX-License-Identifier: Apache-2.0
//
// Did you mean …?
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace onward {

// Those of `known` that `word` may be a misspelling of, the nearest and shortest first, at most `most`: a third of the
// word's letters may differ, and two in any case. A word without a dot is also compared with what stands behind a
// name's last one: "my_add_3" is near to "rfc.my_add_3".
[[nodiscard]] std::vector<std::string> nearest_words(std::string_view word, const std::vector<std::string>& known,
                                                     std::size_t most);

// The first of these: the one of `known` that `word` is most likely meant to be; empty if none is near.
[[nodiscard]] std::string nearest(std::string_view word, const std::vector<std::string>& known);

// "; did you mean "threads"?", or "; there are a, b, c".
[[nodiscard]] std::string suggest(std::string_view word, const std::vector<std::string>& known);

// "a, b, c".
[[nodiscard]] std::string join(std::span<const std::string> words, std::string_view between = ", ");

}  // namespace onward
