// SPDX-License-Identifier: Apache-2.0
#include "command_line/text.h"

#include <algorithm>
#include <sstream>

namespace onward {

std::vector<Paragraph> paragraphs_of(std::string_view text) {
  std::vector<Paragraph> paragraphs;
  bool goes_on = false;
  std::istringstream in{std::string(text)};
  for (std::string line; std::getline(in, line);) {
    if (line.find_first_not_of(' ') == std::string::npos) {
      goes_on = false;
      continue;
    }
    const bool verbatim = line.starts_with(' ');
    if (!goes_on || paragraphs.back().verbatim != verbatim) paragraphs.push_back({.verbatim = verbatim, .lines = {}});
    paragraphs.back().lines.push_back(line);
    goes_on = true;
  }
  return paragraphs;
}

std::size_t columns(std::string_view text) {
  constexpr unsigned kContinuationMask = 0xC0;
  constexpr unsigned kContinuation = 0x80;
  return static_cast<std::size_t>(std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & kContinuationMask) != kContinuation; }));
}

std::vector<std::string> wrap(std::string_view text, std::size_t width) {
  std::vector<std::string> lines;
  std::istringstream in{std::string(text)};
  for (std::string word; in >> word;) {
    if (lines.empty() || columns(lines.back()) + 1 + columns(word) > width) {
      lines.push_back(std::move(word));
    } else {
      lines.back() += " " + word;
    }
  }
  return lines;
}

std::string quoted(const std::string& text) { return "\"" + text + "\""; }

void replace_all(std::string& text, std::string_view what, std::string_view with) {
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + with.size())) {
    text.replace(at, what.size(), with);
  }
}

}  // namespace onward
