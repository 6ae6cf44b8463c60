// SPDX-License-Identifier: Apache-2.0
//
// TlsStream on streams in memory: what travels, how full records are, how few reads and writes they cost.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tls_pair.h"

namespace onward {
namespace {

constexpr std::size_t kRecordHeader = 5;
// Of TLS 1.3: the content type, and the tag of the cipher.
constexpr std::size_t kFullRecord = kRecordHeader + TlsStream::kRecordBytes + 1 + 16;

// The lengths of the records in `bytes`, headers included.
std::vector<std::size_t> records_of(std::string_view bytes) {
  std::vector<std::size_t> lengths;
  while (bytes.size() >= kRecordHeader) {
    const auto at = [&bytes](std::size_t i) { return static_cast<std::size_t>(static_cast<unsigned char>(bytes[i])); };
    lengths.push_back(kRecordHeader + (at(3) << 8U) + at(4));
    bytes.remove_prefix(std::min(bytes.size(), lengths.back()));
  }
  return lengths;
}

TEST(TlsStream, BothSidesKnowEachOther) {
  Pair pair;
  ASSERT_TRUE(pair.shake_hands()) << pair.client_error.to_string() << pair.server_error.to_string();
  EXPECT_EQ(pair.client.identity().names, std::vector<std::string>{"server"});
  EXPECT_EQ(pair.server.identity().names, std::vector<std::string>{"client"});
  EXPECT_TRUE(pair.client.identity().names_nodes && pair.server.identity().names_nodes);
}

TEST(TlsStream, RecordsAreFilled) {
  Pair pair;
  ASSERT_TRUE(pair.shake_hands());
  pair.up.writes = 0;
  const std::string text = random_text(std::size_t{1} << 20);
  EXPECT_EQ(Pair::write(pair.client, text).bytes, text.size());
  const std::vector<std::size_t> records = records_of(pair.up.bytes);
  EXPECT_EQ(records, std::vector<std::size_t>(text.size() / TlsStream::kRecordBytes, kFullRecord));
  // Seven records a write.
  EXPECT_EQ(pair.up.writes, (records.size() + 6) / 7);
  std::string got;
  while (Pair::read(pair.server, &got).outcome == Outcome::kDone) {
  }
  EXPECT_TRUE(got == text);
}

TEST(TlsStream, SmallPiecesShareARecord) {
  Pair pair;
  ASSERT_TRUE(pair.shake_hands());
  pair.up.writes = 0;
  const std::string piece = random_text(64);
  const std::vector<iovec> pieces(60, iovec{.iov_base = const_cast<char*>(piece.data()), .iov_len = piece.size()});
  EXPECT_EQ(pair.client.write(pieces).bytes, 60 * 64U);
  EXPECT_EQ(records_of(pair.up.bytes).size(), 1U);
  EXPECT_EQ(pair.up.writes, 1U);
}

TEST(TlsStream, AHeaderTravelsWithWhatFollowsIt) {
  Pair pair;
  ASSERT_TRUE(pair.shake_hands());
  std::string header = random_text(40);
  std::string payload = random_text(100'000);
  std::string tail = random_text(24);
  const std::vector<iovec> pieces = {{.iov_base = header.data(), .iov_len = header.size()},
                                     {.iov_base = nullptr, .iov_len = 0},
                                     {.iov_base = payload.data(), .iov_len = payload.size()},
                                     {.iov_base = tail.data(), .iov_len = tail.size()}};
  EXPECT_EQ(pair.client.write(pieces).bytes, header.size() + payload.size() + tail.size());
  const std::vector<std::size_t> records = records_of(pair.up.bytes);
  EXPECT_EQ(records.size(), 7U);
  EXPECT_TRUE(std::all_of(records.begin(), records.end() - 1, [](std::size_t bytes) { return bytes == kFullRecord; }));
  std::string got;
  while (Pair::read(pair.server, &got).outcome == Outcome::kDone) {
  }
  EXPECT_TRUE(got == header + payload + tail);
}

TEST(TlsStream, OneReadBelowServesManyRecords) {
  Pair pair;
  ASSERT_TRUE(pair.shake_hands());
  std::string sent;
  for (int i = 0; i < 50; ++i) {
    sent += random_text(64);
    EXPECT_EQ(Pair::write(pair.client, std::string_view(sent).substr(sent.size() - 64)).bytes, 64U);
  }
  pair.up.reads = 0;
  std::string got;
  EXPECT_EQ(Pair::read(pair.server, &got).bytes, sent.size());
  EXPECT_TRUE(got == sent);
  EXPECT_EQ(pair.up.reads, 1U);
  EXPECT_FALSE(pair.server.holds_input());
}

TEST(TlsStream, WhatDoesNotFitTheReaderIsHeld) {
  Pair pair;
  ASSERT_TRUE(pair.shake_hands());
  EXPECT_EQ(Pair::write(pair.client, "hello").bytes, 5U);
  EXPECT_EQ(Pair::write(pair.client, "world").bytes, 5U);
  std::string got(4, '\0');
  const iovec span{.iov_base = got.data(), .iov_len = got.size()};
  EXPECT_EQ(pair.server.read({&span, 1}).bytes, 4U);
  EXPECT_TRUE(pair.server.holds_input());
  EXPECT_EQ(Pair::read(pair.server, &got).bytes, 6U);
  EXPECT_EQ(got, "helloworld");
  EXPECT_FALSE(pair.server.holds_input());
}

// Bytes count as written when their records have left: what was reported is there to be read.
TEST(TlsStream, APeerThatReadsLittleGetsEverythingInTheEnd) {
  for (const std::size_t room : {1UL, 100UL, 20'000UL, 130'000UL, 200'000UL}) {
    SCOPED_TRACE("room for " + std::to_string(room));
    Pair pair;
    ASSERT_TRUE(pair.shake_hands());
    pair.up.room = room;
    const std::string text = random_text(room == 1 ? 3000 : 500'000);
    std::string_view left = text;
    std::string got;
    bool blocked = false;
    while (!left.empty()) {
      const IoResult put = Pair::write(pair.client, left);
      ASSERT_TRUE(put.outcome == Outcome::kDone || put.outcome == Outcome::kWantWrite) << put.error.to_string();
      blocked |= put.bytes < left.size();
      left.remove_prefix(put.bytes);
      static_cast<void>(Pair::read(pair.server, &got));
      EXPECT_GE(got.size() + room, text.size() - left.size());
    }
    while (Pair::read(pair.server, &got).outcome == Outcome::kDone) {
    }
    EXPECT_TRUE(blocked);
    EXPECT_TRUE(got == text);
  }
}

TEST(TlsStream, AnEndThatDoesNotFitYetFollows) {
  Pair pair;
  ASSERT_TRUE(pair.shake_hands());
  pair.up.room = pair.up.bytes.size() + 3;
  pair.client.end_output();
  EXPECT_TRUE(pair.client.holds_input()) << "who waits for the peer's end must read";
  EXPECT_EQ(Pair::read(pair.client).outcome, Outcome::kWantWrite);
  EXPECT_FALSE(pair.up.ended);
  pair.up.room = std::numeric_limits<std::size_t>::max();
  EXPECT_EQ(Pair::read(pair.client).outcome, Outcome::kWantRead);
  EXPECT_TRUE(pair.up.ended);
  EXPECT_EQ(Pair::read(pair.server).outcome, Outcome::kEnd);
}

TEST(TlsStream, BytesMayTrickle) {
  Pair pair;
  pair.up.most = pair.down.most = 1;
  ASSERT_TRUE(pair.shake_hands()) << pair.client_error.to_string() << pair.server_error.to_string();
  const std::string text = random_text(20'000);
  std::string_view left = text;
  std::string got;
  for (int turn = 0; turn < 200'000 && got.size() < text.size(); ++turn) {
    if (!left.empty()) left.remove_prefix(Pair::write(pair.client, left).bytes);
    static_cast<void>(Pair::read(pair.server, &got));
  }
  EXPECT_TRUE(got == text);
}

TEST(TlsStream, AnEndIsOrderlyOnlyIfItIsSaid) {
  Pair orderly;
  ASSERT_TRUE(orderly.shake_hands());
  EXPECT_EQ(Pair::write(orderly.client, "last").bytes, 4U);
  orderly.client.end_output();
  std::string got;
  EXPECT_EQ(Pair::read(orderly.server, &got).bytes, 4U);
  EXPECT_TRUE(orderly.server.holds_input()) << "the end has been read and not been told";
  EXPECT_EQ(Pair::read(orderly.server).outcome, Outcome::kEnd);

  Pair cut;
  ASSERT_TRUE(cut.shake_hands());
  EXPECT_EQ(Pair::write(cut.client, "last").bytes, 4U);
  cut.up.ended = true;
  EXPECT_EQ(Pair::read(cut.server, &got).bytes, 4U);
  const IoResult end = Pair::read(cut.server);
  EXPECT_EQ(end.outcome, Outcome::kFailed);
  EXPECT_EQ(end.error.code(), StatusCode::kUnavailable);
  EXPECT_NE(end.error.message().find("without close_notify"), std::string::npos) << end.error.message();
  EXPECT_EQ(Pair::read(cut.server).error.to_string(), end.error.to_string()) << "for ever";
}

TEST(TlsStream, AnEndWithinTheHandshakeIsUnavailable) {
  Pair pair;
  static_cast<void>(Pair::read(pair.client));
  pair.up.bytes.resize(100);
  pair.up.ended = true;
  EXPECT_EQ(Pair::read(pair.server).outcome, Outcome::kWantRead);
  const IoResult end = Pair::read(pair.server);
  EXPECT_EQ(end.outcome, Outcome::kFailed);
  EXPECT_EQ(end.error.code(), StatusCode::kUnavailable);
  EXPECT_NE(end.error.message().find("handshake"), std::string::npos) << end.error.message();
}

TEST(TlsStream, PlaintextIsCalledThatFromBothSides) {
  Pair server_side;
  server_side.up.bytes = std::string("\x20\x00\x00\x00\x01", 5) + "ONWARD";
  const IoResult refused = Pair::read(server_side.server);
  EXPECT_EQ(refused.error.code(), StatusCode::kFailedPrecondition);
  EXPECT_NE(refused.error.message().find(R"(its first bytes are " \x00\x00\x00\x01ONWARD")"), std::string::npos)
      << refused.error.message();
  EXPECT_NE(refused.error.message().find("tls://"), std::string::npos);
  EXPECT_EQ(server_side.down.bytes, std::string("\x15\x03\x03\x00\x02\x02\x46", 7)) << "an alert that says TLS";

  Pair client_side;
  client_side.down.bytes = "HTTP/1.1 400 Bad Request\r\n";
  const IoResult strange = Pair::read(client_side.client);
  EXPECT_EQ(strange.error.code(), StatusCode::kFailedPrecondition);
  EXPECT_NE(strange.error.message().find("\"HTTP/1.1 400 Bad\"; write tcp://"), std::string::npos)
      << strange.error.message();
}

TEST(TlsStream, IdleConnectionsHoldNoBuffers) {
  const std::size_t before = buffer_pool_statistics().in_use_bytes;
  Pair pair;
  ASSERT_TRUE(pair.shake_hands());
  std::string got;
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(Pair::write(pair.client, random_text(50'000)).bytes, 50'000U);
    while (Pair::read(pair.server, &got).outcome == Outcome::kDone) {
    }
  }
  EXPECT_EQ(buffer_pool_statistics().in_use_bytes, before);
}

}  // namespace
}  // namespace onward
