// SPDX-License-Identifier: Apache-2.0
//
// DeflateStream between two pipes in memory: what travels, and when.
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "deflate_stream.h"
#include "memory_stream.h"

namespace example {
namespace {

using onward::IoResult;
using onward::StatusCode;
using Outcome = IoResult::Outcome;

struct Ends {
  Pipe up;
  Pipe down;
  DeflateStream client{std::make_unique<MemoryStream>(down, up), 6};
  DeflateStream server{std::make_unique<MemoryStream>(up, down), 6};
};

IoResult write(DeflateStream& stream, std::string_view text) {
  const iovec span{.iov_base = const_cast<char*>(text.data()), .iov_len = text.size()};
  return stream.write({&span, 1});
}

// Adds to `text` what one read gives.
IoResult read(DeflateStream& stream, std::string& text, std::size_t at_most = 1000) {
  std::string some(at_most, '\0');
  const iovec span{.iov_base = some.data(), .iov_len = some.size()};
  IoResult result = stream.read({&span, 1});
  if (result.outcome == Outcome::kDone) text.append(some, 0, result.bytes);
  return result;
}

IoResult read_all(DeflateStream& stream, std::string& text) {
  for (;;) {
    IoResult result = read(stream, text);
    if (result.outcome != Outcome::kDone) return result;
  }
}

// Half of it is noise, which gets no smaller.
std::string mixed_text(std::size_t bytes) {
  std::minstd_rand random(7);
  std::string text;
  while (text.size() < bytes) {
    for (int i = 0; i < 100; ++i) text += static_cast<char>(random());
    text += std::string(100, 'x');
  }
  return text.substr(0, bytes);
}

TEST(DeflateStream, WhatWasWrittenCanBeReadAtOnce) {
  Ends ends;
  std::string got;
  EXPECT_EQ(write(ends.client, "hello").bytes, 5U);
  EXPECT_EQ(read_all(ends.server, got).outcome, Outcome::kWantRead);
  EXPECT_EQ(got, "hello");
  EXPECT_EQ(write(ends.client, " world").bytes, 6U);
  EXPECT_EQ(read_all(ends.server, got).outcome, Outcome::kWantRead);
  EXPECT_EQ(got, "hello world");
  EXPECT_EQ(write(ends.server, "and back").bytes, 8U);
  got.clear();
  EXPECT_EQ(read_all(ends.client, got).outcome, Outcome::kWantRead);
  EXPECT_EQ(got, "and back");
}

TEST(DeflateStream, LessTravelsThanWasWritten) {
  Ends ends;
  std::string text;
  for (int i = 0; i < 100'000; ++i) text += std::to_string(i % 100) + " bottles; ";
  EXPECT_EQ(write(ends.client, text).bytes, text.size());
  EXPECT_LT(ends.up.bytes.size(), text.size() / 20);
  std::string got;
  EXPECT_EQ(read_all(ends.server, got).outcome, Outcome::kWantRead);
  EXPECT_TRUE(got == text);
}

// Bytes count as written when what became of them has left: so they are there to be read.
TEST(DeflateStream, APeerThatReadsLittleGetsEverythingInTheEnd) {
  for (const std::size_t room : {1UL, 7UL, 1000UL, DeflateStream::kBlockBytes, 100'000UL}) {
    SCOPED_TRACE("room for " + std::to_string(room));
    Ends ends;
    ends.up.room = room;
    const std::string text = mixed_text(room == 1 ? 5000 : 400'000);
    std::string_view left = text;
    std::string got;
    bool blocked = false;
    while (!left.empty()) {
      // Little at first, more later, as a writer offers what has come together.
      const std::string_view offered = left.substr(0, got.empty() ? 100 : left.size());
      const IoResult put = write(ends.client, offered);
      ASSERT_TRUE(put.outcome == Outcome::kDone || put.outcome == Outcome::kWantWrite) << put.error.to_string();
      blocked |= put.outcome == Outcome::kWantWrite;
      left.remove_prefix(put.bytes);
      static_cast<void>(read_all(ends.server, got));
      if (put.outcome == Outcome::kDone) {
        ASSERT_EQ(got.size(), text.size() - left.size());
      }
    }
    EXPECT_TRUE(blocked);
    EXPECT_TRUE(got == text);
  }
}

TEST(DeflateStream, SpansAreTakenInTheirOrder) {
  Ends ends;
  std::string header = "header";
  std::string body = mixed_text(50'000);
  const std::vector<iovec> spans = {{.iov_base = header.data(), .iov_len = header.size()},
                                    {.iov_base = nullptr, .iov_len = 0},
                                    {.iov_base = body.data(), .iov_len = body.size()},
                                    {.iov_base = nullptr, .iov_len = 0}};
  EXPECT_EQ(ends.client.write(spans).bytes, header.size() + body.size());
  std::string first(4, '\0');
  std::string second(60'000, '\0');
  const std::vector<iovec> into = {{.iov_base = first.data(), .iov_len = first.size()},
                                   {.iov_base = second.data(), .iov_len = second.size()}};
  const IoResult got = ends.server.read(into);
  EXPECT_EQ(first + second.substr(0, got.bytes - 4), header + body);
  EXPECT_FALSE(ends.server.holds_input());
}

TEST(DeflateStream, WhatDoesNotFitTheReaderIsHeld) {
  Ends ends;
  EXPECT_EQ(write(ends.client, std::string(100'000, 'a')).bytes, 100'000U);
  std::string got;
  EXPECT_EQ(read(ends.server, got, 99'999).bytes, 99'999U);
  EXPECT_TRUE(ends.up.bytes.empty()) << "nothing would tell that there is more";
  EXPECT_TRUE(ends.server.holds_input());
  EXPECT_EQ(read(ends.server, got, 10).bytes, 1U);
  EXPECT_FALSE(ends.server.holds_input());
  EXPECT_EQ(got, std::string(100'000, 'a'));
}

TEST(DeflateStream, AnEndComesBehindTheLastByte) {
  Ends ends;
  EXPECT_EQ(write(ends.client, "last words").bytes, 10U);
  ends.client.end_output();
  EXPECT_TRUE(ends.up.ended);
  std::string got;
  EXPECT_EQ(read(ends.server, got).bytes, 10U);
  EXPECT_TRUE(ends.server.holds_input()) << "the end is to be told";
  EXPECT_EQ(read(ends.server, got).outcome, Outcome::kEnd);
  EXPECT_EQ(got, "last words");
}

TEST(DeflateStream, AnEndThatDoesNotFitYetFollows) {
  Ends ends;
  ends.up.room = 3;
  ends.client.end_output();
  EXPECT_TRUE(ends.client.holds_input()) << "who waits for the peer's end must read";
  std::string nothing;
  EXPECT_EQ(read(ends.client, nothing).outcome, Outcome::kWantWrite);
  EXPECT_FALSE(ends.up.ended);
  ends.up.room = 100;
  EXPECT_EQ(read(ends.client, nothing).outcome, Outcome::kWantRead);
  EXPECT_TRUE(ends.up.ended);
  EXPECT_EQ(read(ends.server, nothing).outcome, Outcome::kEnd);
}

TEST(DeflateStream, APeerThatSaysNothingMayEnd) {
  Ends ends;
  ends.up.ended = true;
  std::string nothing;
  EXPECT_EQ(read(ends.server, nothing).outcome, Outcome::kEnd);
}

TEST(DeflateStream, AStreamThatIsCutOffIsNoEnd) {
  Ends ends;
  EXPECT_EQ(write(ends.client, "hello").bytes, 5U);
  ends.up.ended = true;
  std::string got;
  EXPECT_EQ(read(ends.server, got).bytes, 5U);
  const IoResult result = read(ends.server, got);
  EXPECT_EQ(result.outcome, Outcome::kFailed);
  EXPECT_EQ(result.error.code(), StatusCode::kUnavailable);
  EXPECT_EQ(write(ends.server, "anybody?").outcome, Outcome::kFailed);
}

}  // namespace
}  // namespace example
