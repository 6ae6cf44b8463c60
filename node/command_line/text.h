// SPDX-License-Identifier: Apache-2.0
//
// Texts of declarations (command.h), taken apart for whoever shows them, and what else is done to text.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace onward {

struct Paragraph {
  bool verbatim = false;           // to be kept as it is
  std::vector<std::string> lines;  // of one that is not, its words as they come
};

// Blank lines end a paragraph; lines that begin with a space make one that is verbatim.
[[nodiscard]] std::vector<Paragraph> paragraphs_of(std::string_view text);

// How many columns a terminal takes for UTF-8 text without wide characters.
[[nodiscard]] std::size_t columns(std::string_view text);

// The words of `text` in lines of at most `width` columns, but for words that are longer.
[[nodiscard]] std::vector<std::string> wrap(std::string_view text, std::size_t width);

[[nodiscard]] std::string quoted(const std::string& text);

void replace_all(std::string& text, std::string_view what, std::string_view with);

}  // namespace onward
