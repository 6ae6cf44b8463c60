// SPDX-License-Identifier: Apache-2.0
//
// What a raw socket may send to a node, and answer to one. A broken frame ends its connection, with the
// reason in the log; a broken call ends alone; the node serves on in any case.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "cluster.h"
#include "raw_peer.h"

namespace onward::testing_support {
namespace {

using namespace std::string_literals;
using testing::HasSubstr;

const NodeSetup kLogsFrames{.toml = "[log]\nlevel = \"debug\"\n"};

class Malformed : public ClusterTest {
 protected:
  void SetUp() override {
    cluster.start("node", kLogsFrames);
    client = cluster.client();
    expect_served();
  }
  // After each test: the node runs, serves, and has no connection but ours.
  void TearDown() override {
    expect_served();
    EXPECT_TRUE(await_statistics(*client, "node",
                                 [](const auto& now) { return now.connections == 1 && now.requests_in_flight == 1; }));
  }
  void expect_served() { EXPECT_EQ(outcome_of(rpc_async(*client, "node", probe::kEcho, "served")), "served"); }

  // Sends `bytes`, and expects the node to close the connection and to log `reason`.
  void expect_refused(const std::string& what, const std::string& bytes, const std::string& reason) {
    SCOPED_TRACE(what);
    const std::size_t before = node().line_count(Process::Stream::kError);
    {
      RawPeer peer(cluster.url("node"));
      peer.send(bytes);
      EXPECT_TRUE(peer.wait_for_close()) << "the connection stays open";
    }
    expect_logged(reason, before);
    expect_served();
  }
  // The same for what is only wrong because the stream ends behind it.
  void expect_cut(const std::string& what, const std::string& bytes, const std::string& reason) {
    SCOPED_TRACE(what);
    const std::size_t before = node().line_count(Process::Stream::kError);
    {
      RawPeer peer(cluster.url("node"));
      peer.send(bytes);
      peer.end_output();
      EXPECT_TRUE(peer.wait_for_close()) << "the connection stays open";
    }
    expect_logged(reason, before);
    expect_served();
  }
  void expect_logged(const std::string& reason, std::size_t from) {
    const auto line = node().wait_for_line(Process::Stream::kError, reason, from);
    ASSERT_TRUE(line) << "not logged: " << reason << "\n" << node().text(Process::Stream::kError);
    EXPECT_THAT(*line, HasSubstr("connection with "));
    EXPECT_THAT(*line, HasSubstr(" ended: "));
  }
  // A connection that has shaken hands.
  RawPeer greeted() {
    RawPeer peer(cluster.url("node"));
    peer.send(raw_hello());
    const auto hello = peer.read_frame();
    EXPECT_TRUE(hello && hello->header.kind == kRawHello);
    return peer;
  }
  static void expect_alive(RawPeer& peer) {
    peer.send(raw_frame({.kind = kRawPing, .call_id = 4711}));
    const auto pong = peer.read_frame();
    ASSERT_TRUE(pong) << "the connection has gone";
    EXPECT_EQ(pong->header.kind, kRawPong);
    EXPECT_EQ(pong->header.call_id, 4711U);
  }
  Process& node() { return cluster.node("node"); }

  std::unique_ptr<Node> client;
};

std::string garbage(std::size_t bytes, unsigned seed) {
  std::mt19937 random(seed);
  std::string text(bytes, '\0');
  for (char& c : text) c = static_cast<char>(random());
  return text;
}

TEST_P(Malformed, WhatIsNoHelloIsRefused) {
  const std::string expected = "it does not speak this protocol: its first bytes are ";
  expect_refused("random bytes", garbage(4096, 1), expected);
  expect_refused("HTTP", "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", expected + "\"GET / HTTP/1.1");
  expect_refused("TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"s + garbage(200, 2),
                 "it speaks TLS, which is not spoken here");
  expect_refused("text of five letters", "hello", expected + "\"hello\"");
  expect_refused("zeros", std::string(64, '\0'), expected);
  expect_refused("a wrong magic", raw_frame({.kind = kRawHello, .function_id = 0x322F'4452'4157'4E4F}), expected);
  expect_refused("a request", raw_echo(1, "too early"), expected);
  expect_refused("a HELLO with segments",
                 raw_header({.kind = kRawHello, .segment_count = 1, .function_id = 0x312F'4452'4157'4E4F}), expected);
}

TEST_P(Malformed, BrokenHelloIsRefused) {
  constexpr std::uint64_t kMagic = 0x312F'4452'4157'4E4F;
  expect_refused("a huge HELLO", raw_header({.body_bytes = 0xFFFF'FFFF, .kind = kRawHello, .function_id = kMagic}),
                 "its HELLO has 4294967295 bytes; at most 65536 are accepted");
  expect_refused("an empty HELLO", raw_frame({.kind = kRawHello, .function_id = kMagic}),
                 "a malformed HELLO message of 0 bytes");
  expect_refused("a HELLO of garbage", raw_frame({.kind = kRawHello, .function_id = kMagic}, garbage(100, 3)),
                 "a malformed HELLO message of 100 bytes");
  expect_refused("a later protocol", raw_hello("raw", 2, 7),
                 "speaks protocol versions 2 to 7, this node 1 to 1: upgrade the older one");
  expect_cut("half a HELLO", raw_hello().substr(0, 40), "40 of ");
  expect_cut("half a header", raw_hello().substr(0, 10), "10 of at least 32 bytes of a message had arrived");
  expect_cut("nothing", "", "it closed the connection");
}

TEST_P(Malformed, BrokenFrameAfterTheHandshakeEndsTheConnection) {
  const std::string hello = raw_hello();
  for (const int kind : {0, 9, 255}) {
    expect_refused("kind " + std::to_string(kind), hello + raw_frame({.kind = static_cast<std::uint8_t>(kind)}),
                   "it sent a message of kind " + std::to_string(kind));
  }
  expect_refused("flags", hello + raw_frame({.kind = kRawPing, .flags = 1}), "it sent a message with flags 1");
  expect_refused("a huge body", hello + raw_header({.body_bytes = 0xFFFF'FFFF, .kind = kRawRequest}),
                 "it sent a message whose body has 4294967295 bytes");
  expect_refused("a huge segment",
                 hello + raw_header({.kind = kRawRequest, .segment_count = 1}) + "\xff\xff\xff\xff\xff\xff\xff\xff",
                 "it sent a message of 18446744073709551615 bytes");
  std::string many = raw_header({.kind = kRawRequest, .segment_count = 255});
  for (int i = 0; i < 255; ++i) many += "\x00\x00\x00\x20\x00\x00\x00\x00"s;  // 512 MiB each
  expect_refused("255 large segments", hello + many, "body and segments together; at most 1073741824 are accepted");
  expect_refused("a second HELLO", hello + hello, "a second HELLO from raw");
  expect_refused("garbage", hello + garbage(4096, 4), "it sent a message ");
  expect_cut("half a request", hello + raw_echo(1, std::string(1000, 'x')).substr(0, 500),
             "bytes of a message had arrived");
}

TEST_P(Malformed, BrokenCallEndsAlone) {
  RawPeer peer = greeted();
  const auto expect_error = [&](const std::string& what, const std::string& bytes, StatusCode code,
                                const std::string& text) {
    SCOPED_TRACE(what);
    peer.send(bytes);
    const auto answer = peer.read_frame();
    ASSERT_TRUE(answer) << "the connection has gone";
    EXPECT_EQ(answer->header.kind, kRawError);
    EXPECT_EQ(answer->header.call_id, 77U);
    EXPECT_EQ(raw_error(*answer).code(), code) << raw_error(*answer).to_string();
    EXPECT_THAT(raw_error(*answer).message(), HasSubstr(text));
    expect_alive(peer);
  };
  const auto call = [](std::uint8_t codec, std::string_view function, std::uint32_t signature, std::string_view body) {
    return raw_frame({.kind = kRawRequest,
                      .codec = codec,
                      .call_id = 77,
                      .function_id = function_id(function),
                      .signature = signature},
                     body);
  };
  expect_error("garbage in flex", call(kRawFlex, "probe.echo", 0, garbage(200, 5)), StatusCode::kInvalidArgument,
               "probe.echo");
  expect_error("an empty body", call(kRawFlex, "probe.echo", 0, ""), StatusCode::kInvalidArgument, "probe.echo");
  expect_error("no such function", call(kRawFlex, "probe.nothing", 0, ""), StatusCode::kUnimplemented, "");
  expect_error("no such codec", call(200, "probe.echo", 0, ""), StatusCode::kUnimplemented, "codec 200 is not loaded");
  expect_error("another signature", call(kRawFlex, "probe.echo", 12345, ""), StatusCode::kInvalidArgument,
               "the signatures differ");
  expect_error("too many arguments",
               raw_call(77, "probe.echo",
                        [](Encoder& encoder) {
                          encoder.begin_sequence(2);
                          encoder.string("a");
                          encoder.string("b");
                          encoder.end_sequence();
                        }),
               StatusCode::kInvalidArgument, "it takes 1 arguments and got 2");
  expect_error("a wrong type",
               raw_call(77, "probe.echo",
                        [](Encoder& encoder) {
                          encoder.begin_sequence(1);
                          encoder.integer(1);
                          encoder.end_sequence();
                        }),
               StatusCode::kInvalidArgument, "string");
}

TEST_P(Malformed, WhatNobodyAskedForIsDropped) {
  RawPeer peer = greeted();
  for (const std::uint8_t kind : {kRawResponse, kRawError, kRawCancel, kRawPong, kRawGoaway}) {
    SCOPED_TRACE("kind " + std::to_string(kind));
    for (const std::uint64_t call_id :
         {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{1} << 32, ~std::uint64_t{0}}) {
      peer.send(raw_frame({.kind = kind, .codec = 99, .call_id = call_id}, garbage(40, kind)));
    }
    expect_alive(peer);
  }
  peer.send(raw_echo(5, "still served"));
  const auto answer = peer.read_frame();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->header.kind, kRawResponse);
  EXPECT_EQ(answer->header.call_id, 5U);
}

TEST_P(Malformed, LineBreaksInAPeersNameDoNotMakeLogLines) {
  const std::string name = "evil\nname\r\x1b[31m";
  expect_refused("a name with line breaks", raw_hello(name) + raw_hello(name), "a second HELLO from evil");
  for (const std::string& line : node().lines(Process::Stream::kError)) {
    EXPECT_THAT(line, testing::Not(testing::StartsWith("name")));
    EXPECT_EQ(line.find_first_of("\r\x1b"), std::string::npos) << line;
  }
}

ONWARD_ON_EVERY_RAW_TRANSPORT(Malformed);

// The same from the other side: what answers there is no node, or a broken one.
class MalformedAnswer : public TcpClusterTest {
 protected:
  void SetUp() override { client = cluster.client(); }
  Future<std::string> call() {
    return rpc_async(*client, to(listener.url(), {.timeout = kNoTimeout}), probe::kEcho, "hello");
  }

  RawListener listener;
  std::unique_ptr<Node> client;
};

TEST_F(MalformedAnswer, GarbageInsteadOfHelloFailsTheCallAtOnce) {
  const auto calling = call();
  RawPeer peer = listener.accept();
  peer.send("SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n");
  const Status error = error_of(calling);
  EXPECT_EQ(error.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(error.message(), HasSubstr("it does not speak this protocol: its first bytes are \"SSH-2.0-OpenSSH"));
  EXPECT_THAT(error.message(), HasSubstr(listener.url()));
}

TEST_F(MalformedAnswer, BrokenFrameInPlaceOfTheAnswerFailsTheCall) {
  const auto calling = call();
  RawPeer peer = listener.accept();
  peer.send(raw_hello());
  ASSERT_EQ(peer.read_frame()->header.kind, kRawHello);
  ASSERT_EQ(peer.read_frame()->header.kind, kRawRequest);
  peer.send(raw_frame({.kind = 200}));
  const Status error = error_of(calling);
  EXPECT_EQ(error.code(), StatusCode::kUnavailable);
  EXPECT_THAT(error.message(), HasSubstr("it sent a message of kind 200"));
}

TEST_F(MalformedAnswer, AnswerThatCannotBeReadFailsItsCallAlone) {
  const auto calling = call();
  RawPeer peer = listener.accept();
  peer.send(raw_hello());
  peer.read_frame();
  const auto request = peer.read_frame();
  ASSERT_TRUE(request);
  const auto second = call();
  const auto other = peer.read_frame();
  ASSERT_TRUE(other);
  peer.send(raw_frame({.kind = kRawResponse, .codec = kRawFlex, .call_id = request->header.call_id}, garbage(50, 6)));
  peer.send(raw_frame({.kind = kRawResponse, .codec = kRawFlex, .call_id = request->header.call_id}, garbage(50, 7)));
  EXPECT_THAT(error_of(calling).message(), HasSubstr("the result of probe.echo(string) -> string cannot be read"));
  peer.send(raw_frame({.kind = kRawError, .call_id = other->header.call_id}, garbage(50, 8)));
  EXPECT_THAT(error_of(second).message(), HasSubstr("a malformed ERROR message"));
}

}  // namespace
}  // namespace onward::testing_support
