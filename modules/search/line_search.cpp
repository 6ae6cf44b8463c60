// SPDX-License-Identifier: Apache-2.0
#include "search/line_search.h"

#include <algorithm>
#include <cstring>

namespace onward::search {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";
constexpr std::string_view kCut = "\xE2\x80\xA6";

char fold(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool is_continuation(char c) noexcept { return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U; }

// Bytes of the UTF-8 character that `text` begins with; 0 if it begins with none.
std::size_t character_bytes(std::string_view text) noexcept {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  const std::size_t bytes = first >= 0xC2 && first < 0xE0   ? 2
                            : (first & 0xF0U) == 0xE0       ? 3
                            : first >= 0xF0 && first < 0xF5 ? 4
                                                            : 0;
  for (std::size_t i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xC0U) != 0x80) return 0;
  }
  // Overlong forms, surrogates, and what lies beyond U+10FFFF.
  const unsigned second = byte(1);
  if ((first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F)) return 0;
  if ((first == 0xF0 && second < 0x90) || (first == 0xF4 && second > 0x8F)) return 0;
  return bytes;
}

}  // namespace

std::string to_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const std::size_t bytes = character_bytes(text);
    out += bytes == 0 ? kReplacement : text.substr(0, bytes);
    text.remove_prefix(std::max<std::size_t>(bytes, 1));
  }
  return out;
}

LineSearch::LineSearch(std::string_view pattern, bool ignore_case, std::size_t max_line_bytes)
    : pattern_(pattern), ignore_case_(ignore_case), max_line_bytes_(max_line_bytes) {
  if (ignore_case_) std::ranges::transform(pattern_, pattern_.begin(), fold);
}

void LineSearch::begin(std::string_view text) {
  text_ = text;
  searched_ = text;
  at_ = 0;
  line_number_ = 1;
  if (!ignore_case_) return;
  folded_.resize(text.size());
  std::ranges::transform(text, folded_.begin(), fold);
  searched_ = folded_;
}

std::optional<LineSearch::Line> LineSearch::next() {
  if (at_ >= searched_.size()) return std::nullopt;
  const void* found = memmem(searched_.data() + at_, searched_.size() - at_, pattern_.data(), pattern_.size());
  if (found == nullptr) {
    at_ = searched_.size();
    return std::nullopt;
  }
  const auto match = static_cast<std::size_t>(static_cast<const char*>(found) - searched_.data());
  const auto passed = searched_.substr(at_, match - at_);
  line_number_ += std::ranges::count(passed, '\n');
  const std::size_t last_end = passed.rfind('\n');
  const std::size_t start = last_end == passed.npos ? at_ : at_ + last_end + 1;
  const std::size_t end = std::min(searched_.find('\n', match), searched_.size());

  std::string_view line = text_.substr(start, end - start);
  if (line.ends_with('\r')) line.remove_suffix(1);
  Line result{line_number_, shorten(line, match - start)};
  at_ = end + 1;
  ++line_number_;
  return result;
}

std::string LineSearch::shorten(std::string_view line, std::size_t match) const {
  if (line.size() <= max_line_bytes_) return to_utf8(line);
  // A quarter of what is shown stands before the match, if there is so much.
  std::size_t start = match > max_line_bytes_ / 4 ? match - max_line_bytes_ / 4 : 0;
  start = std::min(start, line.size() - max_line_bytes_);
  std::size_t end = start + max_line_bytes_;
  constexpr std::size_t kMostContinuations = 3;
  for (std::size_t i = 0; i < kMostContinuations && start > 0 && start < end && is_continuation(line[start]); ++i)
    ++start;
  for (std::size_t i = 0; i < kMostContinuations && end < line.size() && end > start && is_continuation(line[end]); ++i)
    --end;
  std::string text(start > 0 ? kCut : std::string_view());
  text += to_utf8(line.substr(start, end - start));
  if (end < line.size()) text += kCut;
  return text;
}

}  // namespace onward::search
