// SPDX-License-Identifier: Apache-2.0
#include "search/line_search.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace onward::search {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<std::string> found(std::string_view text, std::string_view pattern, bool ignore_case = false,
                               std::size_t max_line_bytes = 80) {
  LineSearch search(pattern, ignore_case, max_line_bytes);
  search.begin(text);
  std::vector<std::string> lines;
  while (const auto line = search.next()) lines.push_back(std::to_string(line->number) + ":" + line->text);
  return lines;
}

TEST(LineSearch, LinesAndTheirNumbers) {
  EXPECT_THAT(found("a x\nb\n\nx\nc x", "x"), ElementsAre("1:a x", "4:x", "5:c x"));
  EXPECT_THAT(found("", "x"), IsEmpty());
  EXPECT_THAT(found("\n\n", "x"), IsEmpty());
  EXPECT_THAT(found("x", "x"), ElementsAre("1:x"));
  EXPECT_THAT(found("x\n", "x"), ElementsAre("1:x"));
}

TEST(LineSearch, OneLineCountsOnce) { EXPECT_THAT(found("xxxx x\nx", "x"), ElementsAre("1:xxxx x", "2:x")); }

TEST(LineSearch, PatternDoesNotSpanLines) { EXPECT_THAT(found("ab\ncd", "bc"), IsEmpty()); }

TEST(LineSearch, CarriageReturnIsNoPartOfTheLine) {
  EXPECT_THAT(found("a x\r\nx\r\n", "x"), ElementsAre("1:a x", "2:x"));
}

TEST(LineSearch, Case) {
  EXPECT_THAT(found("Warranty\nWARRANTY\nwar", "warranty"), IsEmpty());
  EXPECT_THAT(found("Warranty\nWARRANTY\nwar", "wArranty", true), ElementsAre("1:Warranty", "2:WARRANTY"));
  // ASCII only.
  EXPECT_THAT(found("\xC3\x84", "\xC3\xA4", true), IsEmpty());
}

TEST(LineSearch, UsedAgain) {
  LineSearch search("x", true, 80);
  search.begin("X\nx");
  EXPECT_EQ(search.next()->number, 1);
  search.begin("\n\nx");
  EXPECT_EQ(search.next()->number, 3);
  EXPECT_FALSE(search.next());
  EXPECT_FALSE(search.next());
}

TEST(LineSearch, LongLinesAreCutAroundTheMatch) {
  const std::string padding(30, '-');
  EXPECT_THAT(found("x" + padding, "x", false, 8), ElementsAre("1:x-------…"));
  EXPECT_THAT(found(padding + "x", "x", false, 8), ElementsAre("1:…-------x"));
  EXPECT_THAT(found(padding + "x" + padding, "x", false, 8), ElementsAre("1:…--x-----…"));
}

TEST(LineSearch, CutsBetweenCharacters) {
  std::string umlauts;
  for (int i = 0; i < 20; ++i) umlauts += "\xC3\xA4";
  for (std::size_t width = 4; width < 12; ++width) {
    const auto lines = found(umlauts + "x" + umlauts, "x", false, width);
    ASSERT_EQ(lines.size(), 1U);
    EXPECT_EQ(lines[0].find("\xEF\xBF\xBD"), std::string::npos) << lines[0];
  }
}

TEST(ToUtf8, ReplacesWhatIsNotUtf8) {
  for (const char* good : {"", "plain", "\xC3\xA4", "\xE2\x82\xAC", "\xF0\x9F\x98\x80", "\xEF\xBF\xBD"})
    EXPECT_EQ(to_utf8(good), good);
  const std::string mark = "\xEF\xBF\xBD";
  EXPECT_EQ(to_utf8("a\xFFz"), "a" + mark + "z");
  EXPECT_EQ(to_utf8("\xC3"), mark);
  EXPECT_EQ(to_utf8("\xC0\x80"), mark + mark);             // overlong
  EXPECT_EQ(to_utf8("\xE0\x80\x80"), mark + mark + mark);  // overlong
  EXPECT_EQ(to_utf8("\xED\xA0\x80"), mark + mark + mark);  // a surrogate
  EXPECT_EQ(to_utf8("\xF5\x80\x80\x80"), mark + mark + mark + mark);
  EXPECT_EQ(to_utf8("\xE2\x82"), mark + mark);
}

}  // namespace
}  // namespace onward::search
