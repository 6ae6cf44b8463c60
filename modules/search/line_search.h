// SPDX-License-Identifier: Apache-2.0
//
// Which lines of a text hold a pattern. No files, no threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace onward::search {

// Text with every byte sequence that is not UTF-8 replaced by U+FFFD.
[[nodiscard]] std::string to_utf8(std::string_view text);

// One pattern, used for many texts, one at a time.
class LineSearch {
 public:
  // Neither is empty; the pattern holds no line end.
  LineSearch(std::string_view pattern, bool ignore_case, std::size_t max_line_bytes);

  // Begins with a text, which must live until the last next().
  void begin(std::string_view text);
  struct Line {
    std::int64_t number;  // from 1
    std::string text;     // UTF-8, without its end, at most max_line_bytes and marks where it was cut
  };
  // The next line that holds the pattern, each line once; nothing at the end.
  [[nodiscard]] std::optional<Line> next();

 private:
  [[nodiscard]] std::string shorten(std::string_view line, std::size_t match) const;

  std::string pattern_;
  bool ignore_case_;
  std::size_t max_line_bytes_;
  std::string_view text_;
  std::string folded_;            // text_ in lower case
  std::string_view searched_;     // text_ or folded_
  std::size_t at_ = 0;            // start of a line
  std::int64_t line_number_ = 1;  // of that line
};

}  // namespace onward::search
