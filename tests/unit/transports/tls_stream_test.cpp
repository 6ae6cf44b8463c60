// SPDX-License-Identifier: Apache-2.0
//
// TlsStream on streams in memory: what travels, how full records are, how few reads and writes they cost, and what
// becomes of bytes that no well-behaved peer would send.
#include "tls/tls_stream.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "sanitizers.h"
#include "tls_fixture.h"

namespace onward {
namespace {

using Outcome = IoResult::Outcome;

constexpr std::size_t kRecordHeader = 5;
// Of TLS 1.3: the content type, and the tag of the cipher.
constexpr std::size_t kFullRecord = kRecordHeader + TlsStream::kRecordBytes + 1 + 16;

// What travels one way.
struct Wire {
  std::string bytes;
  bool ended = false;
  std::size_t room = std::numeric_limits<std::size_t>::max();  // bytes that it holds at most
  std::size_t most = std::numeric_limits<std::size_t>::max();  // bytes of one read or write
  std::size_t reads = 0;
  std::size_t writes = 0;
};

class WireEnd final : public ByteStream {
 public:
  WireEnd(Wire& in, Wire& out) : in_(in), out_(out) {}

  [[nodiscard]] std::unique_ptr<StreamWatcher> watch(EventLoop&, void*, IoWatcher::Callback,
                                                     IoWatcher::Callback) override {
    return nullptr;
  }
  [[nodiscard]] IoResult read(std::span<const iovec> into) override {
    ++in_.reads;
    const std::size_t some = std::min({into[0].iov_len, in_.bytes.size(), in_.most});
    if (some == 0) return {.outcome = in_.ended ? Outcome::kEnd : Outcome::kWantRead};
    std::memcpy(into[0].iov_base, in_.bytes.data(), some);
    in_.bytes.erase(0, some);
    return {.bytes = some};
  }
  [[nodiscard]] IoResult write(std::span<const iovec> from) override {
    ++out_.writes;
    const std::size_t room = out_.room - std::min(out_.room, out_.bytes.size());
    const std::size_t some = std::min({from[0].iov_len, room, out_.most});
    if (some == 0) return {.outcome = Outcome::kWantWrite};
    out_.bytes.append(static_cast<const char*>(from[0].iov_base), some);
    return {.bytes = some};
  }
  void end_output() noexcept override { out_.ended = true; }

 private:
  Wire& in_;
  Wire& out_;
};

std::shared_ptr<TlsContext> load(const TlsOptions& options) { return TlsContext::load(options).value(); }

// Both sides of a connection.
struct Pair {
  Pair() : Pair(load(TestAuthority::trusted().options("server")), load(TestAuthority::trusted().options("client"))) {}
  Pair(const std::shared_ptr<TlsContext>& server_context, const std::shared_ptr<TlsContext>& client_context)
      : client(std::make_unique<WireEnd>(down, up), {.context = client_context,
                                                     .accepted = false,
                                                     .host = "127.0.0.1",
                                                     .node = "server",
                                                     .session_key = "server"}),
        server(std::make_unique<WireEnd>(up, down),
               {.context = server_context, .accepted = true, .host = {}, .node = {}, .session_key = {}}) {}

  // What one read of up to a megabyte comes to; what it has read is added to `into`.
  static IoResult read(TlsStream& stream, std::string* into = nullptr) {
    static std::vector<char> bytes(std::size_t{1} << 20);
    const iovec span{.iov_base = bytes.data(), .iov_len = bytes.size()};
    IoResult result = stream.read({&span, 1});
    if (into != nullptr && result.outcome == Outcome::kDone) into->append(bytes.data(), result.bytes);
    return result;
  }
  static IoResult write(TlsStream& stream, std::string_view text) {
    const iovec span{.iov_base = const_cast<char*>(text.data()), .iov_len = text.size()};
    return stream.write({&span, 1});
  }
  // False if one of them fails, or if they get nowhere. Errors stay in client_error and server_error.
  bool shake_hands() {
    std::string nothing;
    for (int turn = 0; turn < 20'000 && client_error.ok() && server_error.ok(); ++turn) {
      client_error = read(client, &nothing).error;
      server_error = read(server, &nothing).error;
      if (client.is_established() && server.is_established()) return true;
    }
    // What the failing one has said still arrives.
    if (client_error.ok()) client_error = read(client, &nothing).error;
    if (server_error.ok()) server_error = read(server, &nothing).error;
    return false;
  }

  Wire up;    // from the client
  Wire down;  // from the server
  TlsStream client;
  TlsStream server;
  Status client_error;
  Status server_error;
};

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

std::string random_text(std::size_t bytes) {
  std::mt19937_64 random(bytes);
  std::string text(bytes, '\0');
  for (char& c : text) c = static_cast<char>(random());
  return text;
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

// Whichever byte is wrong: no crash, no hang, and never a connection that one side has been talked into.
TEST(TlsStream, GarbageAtEveryByteOfTheHandshake) {
  const auto server = load(TestAuthority::trusted().options("server"));
  const auto client = load(TestAuthority::trusted().options("client"));
  constexpr std::size_t kStep = kSanitized ? 13 : 1;
  for (const bool upwards : {true, false}) {
    for (std::size_t at = 0;; at += kStep) {
      Pair pair(server, client);
      Wire& wire = upwards ? pair.up : pair.down;
      std::size_t passed = 0;
      bool spoilt = false;
      bool failed = false;
      for (int turn = 0; turn < 10 && !failed; ++turn) {
        for (TlsStream* stream : {&pair.client, &pair.server}) {
          const std::size_t before = wire.bytes.size();
          failed |= Pair::read(*stream).outcome == Outcome::kFailed;
          const std::size_t after = wire.bytes.size();
          if (after <= before) continue;
          if (at >= passed && at < passed + after - before) {
            wire.bytes[before + at - passed] = static_cast<char>(~wire.bytes[before + at - passed]);
            spoilt = true;
          }
          passed += after - before;
        }
      }
      if (!spoilt) {
        EXPECT_GT(at, 500U) << "a whole handshake";
        break;
      }
      // A few bytes mean nothing: versions in the heads of records, what precedes the first key. A length that is too
      // large is waited for.
      EXPECT_TRUE(failed || pair.client.is_established() || !pair.server.is_established()) << at;
    }
  }
}

TEST(TlsStream, GarbageBehindTheHandshakeBreaksTheProtocol) {
  Pair pair;
  ASSERT_TRUE(pair.shake_hands());
  EXPECT_EQ(Pair::write(pair.client, "hello").bytes, 5U);
  pair.up.bytes.back() = static_cast<char>(~pair.up.bytes.back());
  const IoResult broken = Pair::read(pair.server);
  EXPECT_EQ(broken.outcome, Outcome::kFailed);
  EXPECT_EQ(broken.error.code(), StatusCode::kInvalidArgument) << broken.error.to_string();
  EXPECT_NE(broken.error.message().find("breaks the TLS protocol"), std::string::npos);
  EXPECT_EQ(Pair::write(pair.server, "x").outcome, Outcome::kFailed) << "for ever";
  EXPECT_NE(Pair::read(pair.client).error.message().find("alert"), std::string::npos) << "the peer is told";
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

TEST(TlsStream, TheNextConnectionTakesUpTheSession) {
  const auto server = load(TestAuthority::trusted().options("server"));
  const auto client = load(TestAuthority::trusted().options("client"));
  for (const bool resumes : {false, true, true}) {
    Pair pair(server, client);
    ASSERT_TRUE(pair.shake_hands()) << pair.client_error.to_string() << pair.server_error.to_string();
    EXPECT_EQ(pair.client.is_resumed(), resumes);
    EXPECT_EQ(pair.server.is_resumed(), resumes);
    EXPECT_EQ(pair.server.identity().names, std::vector<std::string>{"client"});
    EXPECT_EQ(pair.client.identity().names, std::vector<std::string>{"server"});
    EXPECT_EQ(Pair::read(pair.client).outcome, Outcome::kWantRead);  // with it comes the ticket
    pair.client.end_output();
  }
}

// A ticket is worth nothing to who reads the certificates anew.
TEST(TlsStream, WhoIsRevokedCannotResume) {
  TlsOptions server_options = TestAuthority::trusted().options("server");
  const auto client = load(TestAuthority::trusted().options("revoked-later"));
  {
    Pair pair(load(server_options), client);
    ASSERT_TRUE(pair.shake_hands());
    EXPECT_EQ(Pair::read(pair.client).outcome, Outcome::kWantRead);
    pair.client.end_output();
  }
  server_options.crl = TestAuthority::trusted().revoke("revoked-later");
  Pair pair(load(server_options), client);
  EXPECT_FALSE(pair.shake_hands() && Pair::read(pair.server).outcome != Outcome::kFailed);
  EXPECT_FALSE(pair.server.is_established());
  EXPECT_NE(pair.server_error.message().find("has been revoked"), std::string::npos) << pair.server_error.message();
  EXPECT_NE(pair.client_error.message().find("has been revoked"), std::string::npos) << pair.client_error.message();
}

TEST(SessionCache, KeepsTheNewestOfEachAndSoManyInAll) {
  SessionCache cache;
  cache.keep("a", SessionHandle(SSL_SESSION_new()));
  SSL_SESSION* newest = SSL_SESSION_new();
  cache.keep("a", SessionHandle(newest));
  EXPECT_EQ(cache.size(), 1U);
  EXPECT_EQ(cache.take("a").get(), newest);
  EXPECT_EQ(cache.take("a"), nullptr) << "once";
  for (std::size_t i = 0; i <= SessionCache::kMaxSessions; ++i) {
    cache.keep(std::to_string(i), SessionHandle(SSL_SESSION_new()));
  }
  EXPECT_EQ(cache.size(), SessionCache::kMaxSessions);
  EXPECT_EQ(cache.take("0"), nullptr) << "the oldest went";
  EXPECT_NE(cache.take("1"), nullptr);
}

}  // namespace
}  // namespace onward
