// SPDX-License-Identifier: Apache-2.0
//
// What becomes of bytes that no well-behaved peer would send, and two nodes that behave.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <zlib.h>

#include <string>

#include "loaded.h"
#include "onward/init_rpc.h"
#include "onward/stream/frame.h"
#include "onward/testing/transport_raw_peer.h"

namespace example {
namespace {

using onward::MessageHeader;
using onward::StatusCode;

constexpr std::size_t kMebibyte = std::size_t{1} << 20;

// A frame without its body.
std::string frame(onward::MessageKind kind, std::size_t body_bytes) {
  MessageHeader header{};
  header.kind = kind;
  header.body_bytes = static_cast<std::uint32_t>(body_bytes);
  if (kind == onward::MessageKind::kHello) header.function_id = MessageHeader::kMagic;
  return {reinterpret_cast<const char*>(&header), sizeof header};
}

// One direction of a connection, as a peer would compress it.
class Compressor {
 public:
  Compressor() { EXPECT_EQ(::deflateInit(&zlib_, 9), Z_OK); }
  ~Compressor() { ::deflateEnd(&zlib_); }
  Compressor(const Compressor&) = delete;
  Compressor& operator=(const Compressor&) = delete;

  std::string compress(std::string text, int flush = Z_SYNC_FLUSH) {
    std::string compressed(text.size() + 1000, '\0');
    zlib_.next_in = reinterpret_cast<Bytef*>(text.data());
    zlib_.avail_in = static_cast<uInt>(text.size());
    zlib_.next_out = reinterpret_cast<Bytef*>(compressed.data());
    zlib_.avail_out = static_cast<uInt>(compressed.size());
    ::deflate(&zlib_, flush);
    compressed.resize(compressed.size() - zlib_.avail_out);
    return compressed;
  }

 private:
  z_stream zlib_{};
};

class Hostile : public onward::testing_support::TransportBytes {
 protected:
  // What a node sends: its HELLO, then a message.
  std::string hello() { return compressor.compress(frame(onward::MessageKind::kHello, 0)); }
  std::string message(std::size_t body_bytes) {
    return compressor.compress(frame(onward::MessageKind::kRequest, body_bytes) + std::string(body_bytes, '\0'));
  }
  std::string hello_and_message(std::size_t body_bytes) {
    std::string bytes = hello();
    bytes += message(body_bytes);
    return bytes;
  }

  Compressor compressor;
};

// A socket on which a test writes what it likes.
int connect_raw(const onward::Url& url) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(onward::HostPort::parse(url.rest)->port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  EXPECT_EQ(::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  return socket;
}

onward::testing_support::TransportUnderTest raw_deflate() {
  onward::testing_support::TransportUnderTest transport = deflate_under_test();
  transport.connect_raw = connect_raw;
  return transport;
}
INSTANTIATE_TEST_SUITE_P(Deflate, Hostile, testing::Values(raw_deflate()), onward::testing_support::name_of);

TEST_P(Hostile, WellBehavedSoFar) {
  raw->write(hello_and_message(1000));
  raw->write(compressor.compress({}, Z_FINISH));
  raw->end_output();
  expect_closed(StatusCode::kOk, "");
  EXPECT_EQ(server->hellos, 1);
  EXPECT_EQ(server->received, 1U);
}

TEST_P(Hostile, AnotherProtocolIsShown) {
  raw->write("GET / HTTP/1.1\r\n");
  expect_closed(StatusCode::kInvalidArgument,
                R"(does not speak deflate: what it sends begins with "GET / HTTP/1.1\x0d\x0a")");
}

TEST_P(Hostile, ANodeThatDoesNotCompressIsShown) {
  raw->write(frame(onward::MessageKind::kHello, 0));
  expect_closed(StatusCode::kInvalidArgument, "does not speak deflate");
}

TEST_P(Hostile, ADamagedStreamEndsItsConnection) {
  raw->write(hello_and_message(1000) + std::string(8, '\xFF'));
  expect_closed(StatusCode::kInvalidArgument, "is damaged");
  EXPECT_EQ(server->received, 1U);
}

TEST_P(Hostile, SoDoesAWrongChecksum) {
  std::string bytes = hello_and_message(1000);
  bytes += compressor.compress({}, Z_FINISH);
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  raw->write(bytes);
  expect_closed(StatusCode::kInvalidArgument, "incorrect data check");
}

TEST_P(Hostile, AStreamThatIsCutOffIsUnavailable) {
  raw->write(hello_and_message(1000));
  raw->end_output();
  expect_closed(StatusCode::kUnavailable, "in the middle of its compressed stream");
  EXPECT_EQ(server->received, 1U);
}

TEST_P(Hostile, WhatIsDecompressedHasTheLimitsOfMessages) {
  use_limits({.max_body_bytes = 1000});
  listener.reset();
  listen();
  begin();
  raw->write(hello_and_message(1001));
  expect_closed(StatusCode::kInvalidArgument, "1001 bytes; at most 1000");
}

// 64 KiB that stand for 64 MiB.
TEST_P(Hostile, ABombIsTakenPieceByPiece) {
  constexpr std::size_t kMessages = 64;
  std::string bomb = hello();
  for (std::size_t i = 0; i < kMessages; ++i) bomb += message(kMebibyte);
  ASSERT_LT(bomb.size(), 2 * kMessages * 1024);
  const std::size_t before = onward::buffer_pool_statistics().in_use_bytes;
  std::size_t most = before;
  server->message_hook = [&](onward::InboundMessage&) {
    most = std::max(most, onward::buffer_pool_statistics().in_use_bytes);
    if (server->received == 3) server->pause();
  };
  raw->write(bomb);
  ASSERT_TRUE(run_until([this] { return server->received == 3; }));
  onward::testing_support::run_until_quiet(loop);
  EXPECT_EQ(server->received, 3U) << "it is paused";
  EXPECT_LT(onward::buffer_pool_statistics().in_use_bytes, before + 2 * kMebibyte);
  server->resume();
  ASSERT_TRUE(run_until([this] { return server->received == kMessages; }));
  EXPECT_LT(most, before + 3 * kMebibyte);
}

TEST(Deflate, NodesCallEachOther) {
  onward::Node server({.name = "server",
                       .listen = {"deflate://127.0.0.1:0"},
                       .codecs = onward::standard_codecs(),
                       .modules = {{.descriptor = &deflate_module()}}});
  const auto twice = [](const std::string& text) { return text + text; };
  ASSERT_TRUE(server.functions().add("twice", twice).ok());
  const onward::Status started = server.start();
  ASSERT_TRUE(started.ok()) << started.to_string();
  onward::Node client({.name = "client",
                       .peers = {{"server", {server.listening().front().to_string()}}},
                       .codecs = onward::standard_codecs(),
                       .modules = {{.descriptor = &deflate_module()}}});
  ASSERT_TRUE(client.start().ok());
  const std::string text(100'000, 'x');
  EXPECT_EQ(onward::rpc_sync(client, "server", onward::remote<std::string(std::string)>("twice"), text), text + text);
}

}  // namespace
}  // namespace example
