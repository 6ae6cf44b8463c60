// SPDX-License-Identifier: Apache-2.0
//
// Handshakes: sessions that are taken up again, and bytes that no well-behaved peer would send.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "onward/sanitizers.h"
#include "tls/session_cache.h"
#include "tls_pair.h"

namespace onward {
namespace {

// Whichever byte is wrong: no crash, no hang, and never a connection that one side has been talked into.
TEST(TlsHandshake, GarbageAtEveryByteOfTheHandshake) {
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

TEST(TlsHandshake, GarbageBehindTheHandshakeBreaksTheProtocol) {
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

TEST(TlsHandshake, TheNextConnectionTakesUpTheSession) {
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
TEST(TlsHandshake, WhoIsRevokedCannotResume) {
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
