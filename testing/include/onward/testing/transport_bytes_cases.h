// SPDX-License-Identifier: Apache-2.0
//
// Conformance of transports over streams of bytes, against a raw socket: what exactly travels, and
// what becomes of bytes that no well-behaved peer would send.
#pragma once

#include <gtest/gtest.h>

#include "onward/testing/raw_frame.h"
#include "onward/testing/transport_raw_peer.h"

namespace onward::testing_support::bytes {

using Bytes = std::string;

inline Bytes raw_hello() { return raw_frame({.kind = kRawHello, .function_id = kRawMagic}, "hello"); }

inline Bytes text_of(const Buffer& buffer) { return Bytes(buffer.text()); }

// The bytes of make_message(id, body_bytes, segments).
inline Bytes raw_message(std::uint64_t id, std::size_t body_bytes, const std::vector<std::size_t>& segments = {}) {
  const Message message = make_message(id, body_bytes, segments);
  std::vector<Bytes> texts;
  for (const Buffer& segment : message.payload.segments) texts.push_back(text_of(segment));
  return raw_frame({.kind = kRawRequest, .call_id = id}, text_of(message.payload.body), texts);
}

TEST_P(TransportBytes, FramesAreReadAsDocumented) {
  raw->write(raw_hello() + raw_message(1, 10) + raw_message(2, 0) + raw_message(3, 7, {3, 0, 20}));
  server->message_hook = [this](InboundMessage& message) {
    const bool third = server->received == 3;
    EXPECT_EQ(message_error(message, server->received,
                            third                   ? 7
                            : server->received == 1 ? 10
                                                    : 0,
                            third ? std::vector<std::size_t>{3, 0, 20} : std::vector<std::size_t>{}),
              "");
  };
  ASSERT_TRUE(run_until([this] { return server->received == 3; }));
  EXPECT_EQ(server->hellos, 1);
}

TEST_P(TransportBytes, FramesAreWrittenAsDocumented) {
  server->send(hello());
  server->send(make_message(1, 10));
  server->send(make_message(2, 0));
  server->send(make_message(3, 7, {3, 0, 20}));
  server->send(make_message(4, 5001));
  server->send(make_message(5, 10, {5003, 9}));
  const Bytes expected = raw_hello() + raw_message(1, 10) + raw_message(2, 0) + raw_message(3, 7, {3, 0, 20}) +
                         raw_message(4, 5001) + raw_message(5, 10, {5003, 9});
  Bytes got;
  ASSERT_TRUE(run_until([&] {
    raw->read(got);
    return got.size() >= expected.size();
  }));
  EXPECT_TRUE(got == expected);
}

TEST_P(TransportBytes, FramesMayBeCutAnywhere) {
  const Bytes all = raw_hello() + raw_message(1, 3) + raw_message(2, 11, {5, 2}) + raw_message(3, 0);
  for (std::size_t cut = 1; cut < all.size(); ++cut) {
    if (cut > 1) begin();
    raw->write(all.substr(0, cut));
    run_until_quiet(loop);
    raw->write(all.substr(cut));
    ASSERT_TRUE(run_until([this] { return server->received == 3; })) << "cut at " << cut;
    EXPECT_EQ(server->last_id, 3U);
  }
}

TEST_P(TransportBytes, FramesMayArriveByteByByte) {
  server->message_hook = [](InboundMessage& message) { EXPECT_EQ(message_error(message, 1, 33, {17, 0, 4}), ""); };
  for (const char byte : raw_hello() + raw_message(1, 33, {17, 0, 4})) {
    raw->write(Bytes(1, byte));
    run_until_quiet(loop);
  }
  EXPECT_TRUE(run_until([this] { return server->received == 1; }));
}

TEST_P(TransportBytes, AnEndBetweenFramesIsOrderly) {
  raw->write(raw_hello() + raw_message(1, 3));
  raw->end_output();
  expect_closed(StatusCode::kOk, "");
  EXPECT_EQ(server->received, 1U);
}

TEST_P(TransportBytes, AnEndBeforeTheFirstFrameIsOrderly) {
  raw->end_output();
  expect_closed(StatusCode::kOk, "");
}

TEST_P(TransportBytes, AnEndWithinAFrameIsUnavailable) {
  // In the header, the table of lengths, the body, the segments, the padding.
  const Bytes frame = raw_message(2, 5, {40'000, 12});
  ASSERT_EQ(frame.size(), 40'072U);
  for (const std::size_t cut : {1UL, 31UL, 32UL, 40UL, 48UL, 50UL, 53UL, 1000UL, 40'060UL, 40'071UL}) {
    if (cut > 1) begin();
    raw->write(raw_hello() + raw_message(1, 3) + frame.substr(0, cut));
    raw->end_output();
    expect_closed(StatusCode::kUnavailable, "in the middle: " + std::to_string(cut) + " of ");
    EXPECT_EQ(server->received, 1U) << "cut at " << cut;
  }
}

TEST_P(TransportBytes, GarbageIsRefusedAtOnce) {
  raw->write("GET / HTTP/1.1\r\n");
  expect_closed(StatusCode::kInvalidArgument, R"("GET / HTTP/1.1\x0d\x0a")");
  EXPECT_EQ(server->hellos, 0);
}

TEST_P(TransportBytes, GarbageInFiveBytesIsRefusedAtOnce) {
  raw->write(Bytes("\x17\x03\x01\x02\x7f", 5));
  expect_closed(StatusCode::kInvalidArgument, R"("\x17\x03\x01\x02\x7f")");
}

TEST_P(TransportBytes, TlsIsCalledByItsName) {
  raw->write(Bytes("\x16\x03\x01\x02\x7f", 5));  // a handshake: it has connected
  expect_closed(StatusCode::kFailedPrecondition, "tcp://");
  begin();
  raw->write(Bytes("\x15\x03\x03\x00\x02\x02\x46", 7));  // an alert: it was connected to
  expect_closed(StatusCode::kFailedPrecondition, "tls://");
}

TEST_P(TransportBytes, TheFirstFrameMustBeAHello) {
  raw->write(raw_message(1, 3));
  expect_closed(StatusCode::kInvalidArgument, "HELLO was expected");
  EXPECT_EQ(server->received, 0U);
}

TEST_P(TransportBytes, AHelloMustCarryTheMagicNumber) {
  raw->write(raw_header({.kind = kRawHello, .function_id = 42}));
  expect_closed(StatusCode::kInvalidArgument, "HELLO was expected");
}

TEST_P(TransportBytes, AHelloMustBeSmall) {
  raw->write(raw_header({.body_bytes = 65'537, .kind = kRawHello, .function_id = MessageHeader::kMagic}));
  expect_closed(StatusCode::kInvalidArgument, "65537 bytes; at most 65536");
}

TEST_P(TransportBytes, UnknownKindsAreRefused) {
  for (const int kind : {0, 9, 255}) {
    if (kind > 0) begin();
    raw->write(raw_hello() + raw_message(1, 3) + raw_header({.kind = static_cast<std::uint8_t>(kind)}));
    expect_closed(StatusCode::kInvalidArgument, "kind " + std::to_string(kind));
    EXPECT_EQ(server->received, 1U);
  }
}

TEST_P(TransportBytes, UnknownFlagsAreRefused) {
  raw->write(raw_hello() + raw_header({.kind = kRawRequest, .flags = 4}));
  expect_closed(StatusCode::kInvalidArgument, "flags 4");
}

TEST_P(TransportBytes, BodiesBeyondTheLimitAreRefused) {
  use_limits({.max_body_bytes = 1000, .max_message_bytes = 5000});
  listener.reset();
  listen();
  begin();
  raw->write(raw_hello() + raw_message(1, 1000) + raw_header({.body_bytes = 1001, .kind = kRawRequest}));
  expect_closed(StatusCode::kInvalidArgument, "1001 bytes; at most 1000");
  EXPECT_EQ(server->received, 1U);
}

TEST_P(TransportBytes, MessagesBeyondTheLimitAreRefused) {
  use_limits({.max_body_bytes = 1000, .max_message_bytes = 5000});
  listener.reset();
  listen();
  begin();
  raw->write(raw_hello() + raw_message(1, 1000, {3000, 1000}) + raw_message(2, 1000, {3000, 1001}).substr(0, 48));
  expect_closed(StatusCode::kInvalidArgument, "5001 bytes");
  EXPECT_EQ(server->received, 1U);
}

// Sums that overflow are larger than any limit, not smaller.
TEST_P(TransportBytes, LengthsThatOverflowAreRefused) {
  Bytes frame = raw_header({.kind = kRawRequest, .segment_count = 3});
  for (const std::uint64_t length : {~std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{2}}) {
    put(frame, length);
  }
  raw->write(raw_hello() + frame);
  expect_closed(StatusCode::kInvalidArgument, "18446744073709551615 bytes");
}

TEST_P(TransportBytes, LengthsAreBelievedNoFurtherThanTheyAreChecked) {
  const std::size_t before = buffer_pool_statistics().in_use_bytes;
  Bytes frame = raw_header({.kind = kRawRequest, .segment_count = 2});
  put(frame, std::uint64_t{500} << 20);
  put(frame, std::uint64_t{600} << 20);
  raw->write(raw_hello() + frame);
  expect_closed(StatusCode::kInvalidArgument, "at most 1073741824");
  EXPECT_LT(buffer_pool_statistics().in_use_bytes, before + (1U << 20));
}

// What was sent by a peer that then breaks the connection is still delivered, with the reason last.
TEST_P(TransportBytes, MessagesInFrontOfABreakAreDelivered) {
  server->pause();
  raw->write(raw_hello() + raw_message(1, 100) + raw_message(2, 100));
  raw->close();
  server->send(make_message(1, 100));
  run_until_quiet(loop);
  server->send(make_message(1, 100));
  run_until_quiet(loop);
  server->resume();
  ASSERT_TRUE(run_until([this] { return server->closed == 1; }));
  EXPECT_EQ(server->received, 2U);
}

}  // namespace onward::testing_support::bytes
