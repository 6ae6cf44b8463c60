// SPDX-License-Identifier: Apache-2.0
//
// Conformance: what is sent arrives, whole and in order.
#pragma once

#include <gtest/gtest.h>

#include <thread>

#include "onward/sanitizers.h"
#include "onward/testing/transport_fixture.h"

namespace onward::testing_support::exchange {

// Sizes around every limit that a transport may have inside: headers, alignment, what is copied and
// what is not, chunks, socket buffers.
inline std::vector<std::size_t> interesting_sizes() {
  std::vector<std::size_t> sizes = {0, 1, 7, 8, 9, 31, 32, 33, 63, 64, 65, 100};
  for (std::size_t power = 10; power <= 20; ++power) {
    const std::size_t size = std::size_t{1} << power;
    // A frame's head, a chunk's head.
    for (const std::size_t less : {128UL, 64UL, 40UL, 32UL, 8UL, 1UL, 0UL}) {
      sizes.push_back(size - less);
    }
    for (const std::size_t more : {1UL, 8UL, 32UL}) sizes.push_back(size + more);
  }
  return sizes;
}

TEST_P(TransportConformance, MessagesArriveInOrderInBothDirections) {
  constexpr std::uint64_t kMessages = 2000;
  connect_pair();
  const auto size_of = [](std::uint64_t id) { return (id * 37) % 700; };
  for (Peer* peer : {client.get(), server.get()}) {
    peer->message_hook = [peer, size_of](InboundMessage& message) {
      const std::string error = message_error(message, peer->received, size_of(peer->received));
      EXPECT_EQ(error, "");
    };
    for (std::uint64_t id = 1; id <= kMessages; ++id) {
      peer->send(make_message(id, size_of(id)));
    }
  }
  EXPECT_TRUE(run_until([this] { return client->received == kMessages && server->received == kMessages; }));
}

TEST_P(TransportConformance, HeadersArriveAsTheyWereSent) {
  connect_pair();
  Message message;
  message.header = {.body_bytes = 99,  // set by send()
                    .kind = MessageKind::kError,
                    .codec = 201,
                    .segment_count = 99,  // set by send()
                    .flags = 0,
                    .call_id = 0xFEDC'BA98'7654'3210ULL,
                    .function_id = 0x0123'4567'89AB'CDEFULL,
                    .timeout_ms = 0x1234'5678,
                    .signature = 0x9ABC'DEF0};
  message.payload.body = Buffer::copy_of("body");
  MessageHeader got;
  server->message_hook = [&got](InboundMessage& inbound) { got = inbound.header; };
  const MessageHeader sent = message.header;
  client->send(std::move(message));
  ASSERT_TRUE(run_until([this] { return server->received == 1; }));
  EXPECT_EQ(got.body_bytes, 4U);
  EXPECT_EQ(got.kind, sent.kind);
  EXPECT_EQ(got.codec, sent.codec);
  EXPECT_EQ(got.segment_count, 0);
  EXPECT_EQ(got.flags, 0);
  EXPECT_EQ(got.call_id, sent.call_id);
  EXPECT_EQ(got.function_id, sent.function_id);
  EXPECT_EQ(got.timeout_ms, sent.timeout_ms);
  EXPECT_EQ(got.signature, sent.signature);
}

TEST_P(TransportConformance, BodiesOfAllSizesArriveIntact) {
  const std::vector<std::size_t> sizes = interesting_sizes();
  connect_pair();
  server->message_hook = [&](InboundMessage& message) {
    const std::size_t index = server->received - 1;
    EXPECT_EQ(message_error(message, index, sizes[index]), "") << "body of " << sizes[index];
    EXPECT_EQ(message.storage == nullptr, message.body.empty());
  };
  for (std::size_t i = 0; i < sizes.size(); ++i) client->send(make_message(i, sizes[i]));
  EXPECT_TRUE(run_until([&] { return server->received == sizes.size(); }));
}

// With a small message behind each, which must not be lost in the large one's wake.
TEST_P(TransportConformance, SegmentsOfAllSizesArriveIntact) {
  const std::vector<std::size_t> sizes = interesting_sizes();
  connect_pair();
  server->message_hook = [&](InboundMessage& message) {
    const std::size_t index = (server->received - 1) / 2;
    const bool large = server->received % 2 == 1;
    const std::vector<std::size_t> segments =
        large ? std::vector{sizes[index], std::size_t{3}} : std::vector<std::size_t>{};
    EXPECT_EQ(message_error(message, server->received, 20, segments), "") << "segment of " << sizes[index];
  };
  std::uint64_t id = 0;
  for (const std::size_t size : sizes) {
    client->send(make_message(++id, 20, {size, 3}));
    client->send(make_message(++id, 20));
  }
  EXPECT_TRUE(run_until([&] { return server->received == id; }));
}

TEST_P(TransportConformance, AnyNumberOfSegmentsArrives) {
  const std::vector<std::size_t> counts = {0, 1, 2, 4, 5, 61, 62, 63, 64, 65, 66, 127, 254, 255};
  connect_pair();
  const auto segments_of = [](std::size_t count) {
    std::vector<std::size_t> segments;
    for (std::size_t i = 0; i < count; ++i) segments.push_back(i % 7 == 0 ? 0 : i * 83);
    return segments;
  };
  server->message_hook = [&](InboundMessage& message) {
    const std::size_t index = server->received - 1;
    EXPECT_EQ(message_error(message, index, index % 3, segments_of(counts[index])), "");
  };
  for (std::size_t i = 0; i < counts.size(); ++i) {
    client->send(make_message(i, i % 3, segments_of(counts[i])));
  }
  EXPECT_TRUE(run_until([&] { return server->received == counts.size(); }));
}

TEST_P(TransportConformance, SixtyFourMebibytesArriveIntact) {
  constexpr std::size_t kBytes = std::size_t{64} << 20;
  connect_pair();
  server->message_hook = [&](InboundMessage& message) {
    const bool as_body = server->received == 1;
    EXPECT_EQ(as_body ? message_error(message, 1, kBytes) : message_error(message, 2, 5, {kBytes, 0, kBytes / 2 + 1}),
              "");
  };
  client->send(make_message(1, kBytes));
  client->send(make_message(2, 5, {kBytes, 0, kBytes / 2 + 1}));
  EXPECT_TRUE(run_until([this] { return server->received == 2; }));
  EXPECT_TRUE(run_until([this] { return client->queued_bytes() == 0; }));
}

TEST_P(TransportConformance, BigMessagesCrossEachOtherWithoutDeadlock) {
  constexpr std::size_t kMessages = 6;
  constexpr std::size_t kBytes = std::size_t{9} << 20;
  connect_pair();
  for (Peer* peer : {client.get(), server.get()}) {
    peer->message_hook = [peer](InboundMessage& message) {
      EXPECT_EQ(message_error(message, peer->received, 10, {kBytes}), "");
    };
    for (std::size_t id = 1; id <= kMessages; ++id) peer->send(make_message(id, 10, {kBytes}));
  }
  EXPECT_TRUE(run_until([this] { return client->received == kMessages && server->received == kMessages; }));
}

TEST_P(TransportConformance, AMillionSmallMessagesArrive) {
  constexpr std::uint64_t kMessages = kSanitized ? 100'000 : 1'000'000;
  connect_pair();
  std::uint64_t out_of_order = 0;
  server->message_hook = [&](InboundMessage& message) {
    if (message.header.call_id != server->received || message.body.size() != 64) ++out_of_order;
  };
  std::uint64_t sent = 0;
  EXPECT_TRUE(run_until([&] {
    while (sent < kMessages && client->queued_bytes() < (1U << 20)) {
      client->send(make_message(++sent, 64));
    }
    return server->received == kMessages;
  }));
  EXPECT_EQ(out_of_order, 0U);
}

TEST_P(TransportConformance, RetainedSlicesStayIntactWhileMoreArrives) {
  constexpr std::uint64_t kMessages = 4000;
  const auto size_of = [](std::uint64_t id) {
    return id % 500 == 0 ? std::size_t{40000} : static_cast<std::size_t>(id % 300);
  };
  connect_pair();
  std::vector<Buffer> kept(kMessages + 1);
  server->message_hook = [&](InboundMessage& message) {
    // Not all: a transport may do something else with memory that nobody holds on to.
    if ((server->received / 64) % 2 == 0) kept[server->received] = message.retain(message.body);
  };
  std::uint64_t sent = 0;
  EXPECT_TRUE(run_until([&] {
    for (int i = 0; i < 10 && sent < kMessages; ++i) {
      ++sent;
      client->send(make_message(sent, size_of(sent)));
    }
    return server->received == kMessages;
  }));
  for (std::uint64_t id = 1; id <= kMessages; ++id) {
    if ((id / 64) % 2 != 0) continue;
    ASSERT_EQ(kept[id].size(), size_of(id));
    ASSERT_EQ(pattern_error(kept[id].bytes(), id), "") << "message " << id;
  }
}

TEST_P(TransportConformance, SegmentsMayBeKept) {
  constexpr std::uint64_t kMessages = 50;
  connect_pair();
  std::vector<Buffer> kept;
  server->message_hook = [&](InboundMessage& message) {
    for (Buffer& segment : message.segments) kept.push_back(std::move(segment));
  };
  for (std::uint64_t id = 1; id <= kMessages; ++id) {
    client->send(make_message(id, 8, {id * 1000}));
  }
  ASSERT_TRUE(run_until([&] { return server->received == kMessages; }));
  for (std::uint64_t id = 1; id <= kMessages; ++id) {
    const Buffer& segment = kept[id - 1];
    ASSERT_EQ(segment.size(), id * 1000);
    EXPECT_EQ(pattern_error(segment.bytes(), id * 257 + 1), "");
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(segment.data()) % 16, 0U);
  }
}

// Codecs read bodies where they lie.
TEST_P(TransportConformance, BodiesAreAligned) {
  connect_pair();
  std::size_t misaligned = 0;
  server->message_hook = [&](InboundMessage& message) {
    if (reinterpret_cast<std::uintptr_t>(message.body.data()) % 8 != 0) ++misaligned;
  };
  for (std::uint64_t id = 1; id <= 200; ++id) {
    client->send(make_message(id, id, id % 10 == 0 ? std::vector{id} : std::vector<std::size_t>{}));
  }
  ASSERT_TRUE(run_until([&] { return server->received == 200; }));
  EXPECT_EQ(misaligned, 0U);
}

TEST_P(TransportConformance, WhatIsSentBeforeTheConnectionStandsArrives) {
  listen();
  client = connect();
  for (std::uint64_t id = 1; id <= 100; ++id) client->send(make_message(id, 100));
  client->send(make_message(101, 10, {3'000'000}));
  EXPECT_GT(client->queued_bytes(), 1'000'000U);  // some may have left already
  server = accept();
  server->start();
  EXPECT_TRUE(run_until([this] { return server->received == 101; }));
  EXPECT_EQ(server->last_id, 101U);
  client->start();
  EXPECT_TRUE(run_until([this] { return client->hellos == 1; }));
}

TEST_P(TransportConformance, ManyConnectionsKeepToThemselves) {
  constexpr std::size_t kConnections = 150;
  constexpr std::size_t kRounds = 20;
  listen();
  std::vector<std::unique_ptr<Peer>> servers;
  acceptor.hook = [&](std::unique_ptr<Connection> connection) {
    auto peer = std::make_unique<Peer>(loop);
    peer->adopt(std::move(connection));
    peer->send(hello());
    peer->message_hook = [whose = peer.get()](InboundMessage& message) {
      Message answer;
      answer.header = message.header;
      answer.payload.body = Buffer::copy_of(message.body);
      whose->send(std::move(answer));
    };
    peer->start();
    servers.push_back(std::move(peer));
  };
  std::vector<std::unique_ptr<Peer>> clients;
  std::size_t finished = 0;
  for (std::size_t i = 0; i < kConnections; ++i) {
    clients.push_back(connect());
    Peer& peer = *clients.back();
    peer.message_hook = [&peer, &finished, i](InboundMessage& message) {
      EXPECT_EQ(message_error(message, i * 1000 + peer.received, 30), "");
      if (peer.received == kRounds) {
        ++finished;
      } else {
        peer.send(make_message(i * 1000 + peer.received + 1, 30));
      }
    };
    peer.send(make_message(i * 1000 + 1, 30));
    peer.start();
  }
  EXPECT_TRUE(run_until([&] { return finished == kConnections; }));
}

// Each end on its own loop and thread, as nodes are.
TEST_P(TransportConformance, EndsOnTwoThreadsExchangeMessages) {
  constexpr std::uint64_t kMessages = kSanitized ? 20'000 : 100'000;
  constexpr std::uint64_t kInFlight = 200;
  listen();
  std::thread other([this] {
    EventLoop own_loop;
    const std::unique_ptr<Transport> own = GetParam().make(own_loop, limits);
    {
      Peer peer(own_loop);
      Result<std::unique_ptr<Connection>> connection = own->connect(listener->url());
      ASSERT_TRUE(connection);
      peer.adopt(std::move(*connection));
      peer.send(hello());
      peer.start();
      peer.message_hook = [&peer](InboundMessage& message) {
        EXPECT_EQ(message_error(message, peer.received, 70), "");
        if (peer.received + kInFlight <= kMessages) {
          peer.send(make_message(peer.received + kInFlight, 70));
        }
      };
      for (std::uint64_t id = 1; id <= kInFlight; ++id) peer.send(make_message(id, 70));
      EXPECT_TRUE(testing_support::run_until(own_loop, [&] { return peer.received == kMessages; }));
      peer.close();
      EXPECT_TRUE(testing_support::run_until(own_loop, [&] { return peer.closed == 1; }));
    }
    own_loop.run_once(false);
  });
  server = accept();
  server->message_hook = [this](InboundMessage& message) {
    Message answer;
    answer.header = message.header;
    answer.payload.body = message.retain(message.body);
    server->send(std::move(answer));
  };
  server->start();
  EXPECT_TRUE(run_until([this] { return server->closed == 1; }));
  other.join();
  EXPECT_EQ(server->received, kMessages);
  EXPECT_TRUE(server->reason.ok()) << server->reason.to_string();
}

}  // namespace onward::testing_support::exchange
