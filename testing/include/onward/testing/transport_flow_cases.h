// SPDX-License-Identifier: Apache-2.0
//
// Conformance: pausing, back-pressure, fairness, and how long closing may take.
#pragma once

#include <gtest/gtest.h>

#include "onward/testing/transport_fixture.h"

namespace onward::testing_support::flow {

inline constexpr MessageLimits kNarrow{.output_high_bytes = 300'000, .output_low_bytes = 50'000};

TEST_P(TransportConformance, PauseStopsDeliveryAtOnce) {
  constexpr std::uint64_t kMessages = 100;
  connect_pair();
  server->message_hook = [this](InboundMessage& message) {
    EXPECT_EQ(message_error(message, server->received, 50), "");
    if (server->received == 1 || server->received == 40) server->pause();
  };
  for (std::uint64_t id = 1; id <= kMessages; ++id) client->send(make_message(id, 50));
  ASSERT_TRUE(run_until([this] { return server->received == 1; }));
  run_until_quiet(loop);
  EXPECT_EQ(server->received, 1U);
  server->resume();
  EXPECT_EQ(server->received, 1U);
  ASSERT_TRUE(run_until([this] { return server->received == 40; }));
  run_until_quiet(loop);
  EXPECT_EQ(server->received, 40U);
  server->resume();
  server->resume();
  EXPECT_TRUE(run_until([this] { return server->received == kMessages; }));
}

TEST_P(TransportConformance, PauseAndResumeAroundEveryMessageLosesNothing) {
  constexpr std::uint64_t kMessages = 3000;
  connect_pair();
  server->message_hook = [this](InboundMessage& message) {
    const std::uint64_t id = server->received;
    EXPECT_EQ(message_error(message, id, id % 200, {id % 3 * 100}), "");
    server->pause();
    if (id % 2 == 0) server->resume();
  };
  for (std::uint64_t id = 1; id <= kMessages; ++id) {
    client->send(make_message(id, id % 200, {id % 3 * 100}));
  }
  EXPECT_TRUE(run_until([this] {
    server->resume();
    return server->received == kMessages;
  }));
}

TEST_P(TransportConformance, PausedBeforeStartNothingIsDelivered) {
  listen();
  client = connect();
  client->start();
  client->send(make_message(1, 10));
  server = accept();
  server->pause();
  server->start();
  run_until_quiet(loop);
  EXPECT_EQ(server->hellos, 0);
  server->resume();
  EXPECT_TRUE(run_until([this] { return server->received == 1; }));
}

TEST_P(TransportConformance, PausedConnectionsStillWrite) {
  connect_pair();
  server->pause();
  for (std::uint64_t id = 1; id <= 50; ++id) server->send(make_message(id, 50'000));
  EXPECT_TRUE(run_until([this] { return client->received == 50; }));
}

TEST_P(TransportConformance, ResumeFindsThatThePeerHasGone) {
  connect_pair();
  server->pause();
  client->send(make_message(1, 10));
  client->close();
  run_until_quiet(loop);
  EXPECT_EQ(server->closed, 0);
  server->resume();
  ASSERT_TRUE(run_until([this] { return server->closed == 1; }));
  EXPECT_EQ(server->received, 1U);
  EXPECT_TRUE(server->reason.ok()) << server->reason.to_string();
}

TEST_P(TransportConformance, OutputQueuesUntilThePeerReads) {
  use_limits(kNarrow);
  connect_pair();
  EXPECT_EQ(client->queued_bytes(), 0U);
  server->pause();
  // The system may take some megabytes before it says no.
  std::uint64_t sent = 0;
  ASSERT_TRUE(run_until([&] {
    for (int i = 0; i < 50; ++i) client->send(make_message(++sent, 10'000));
    return client->queued_bytes() > limits.output_high_bytes + 1'000'000;
  }));
  run_until_quiet(loop);
  EXPECT_GT(client->queued_bytes(), limits.output_high_bytes);
  EXPECT_EQ(client->drained, 0);

  std::size_t queued_when_drained = limits.output_high_bytes;
  client->drained_hook = [&] { queued_when_drained = client->queued_bytes(); };
  server->resume();
  ASSERT_TRUE(run_until([&] { return client->drained == 1; }));
  EXPECT_LE(queued_when_drained, limits.output_low_bytes);
  ASSERT_TRUE(run_until([&] { return server->received == sent; }));
  ASSERT_TRUE(run_until([&] { return client->queued_bytes() == 0; }));
  run_until_quiet(loop);
  EXPECT_EQ(client->drained, 1);
}

TEST_P(TransportConformance, DrainedComesOncePerTimeAboveHigh) {
  use_limits(kNarrow);
  connect_pair();
  // Not above high: no on_drained.
  client->send(make_message(1, 200'000));
  ASSERT_TRUE(run_until([this] { return server->received == 1 && client->queued_bytes() == 0; }));
  run_until_quiet(loop);
  EXPECT_EQ(client->drained, 0);
  std::uint64_t sent = 1;
  for (int round = 1; round <= 3; ++round) {
    while (client->queued_bytes() <= limits.output_high_bytes) {
      client->send(make_message(1, 10, {100'000}));
      ++sent;
    }
    EXPECT_EQ(client->drained, round - 1);
    ASSERT_TRUE(run_until([&] { return client->drained == round; }));
  }
  ASSERT_TRUE(run_until([&] { return server->received == sent; }));
  run_until_quiet(loop);
  EXPECT_EQ(client->drained, 3);
}

TEST_P(TransportConformance, DrainedMaySendMore) {
  use_limits(kNarrow);
  connect_pair();
  const auto fill = [this] {
    while (client->queued_bytes() <= limits.output_high_bytes) client->send(make_message(1, 9000));
  };
  client->drained_hook = [&] {
    if (client->drained < 20) fill();
  };
  fill();
  EXPECT_TRUE(run_until([this] { return client->drained == 20; }));
}

// A request that nobody sends otherwise.
inline constexpr std::uint64_t kUrgent = std::uint64_t{1} << 40;
// What a transport, or a layer in it, may have in its hands when it cannot give it away.
inline constexpr std::size_t kInHand = 200'000;

TEST_P(TransportConformance, UrgentMessagesGoBeforeWhatIsQueued) {
  constexpr std::size_t kBytes = 1000;
  constexpr std::size_t kQueued = 2'000'000;
  connect_pair();
  server->pause();
  std::uint64_t sent = 0;
  ASSERT_TRUE(run_until([&] {
    for (int i = 0; i < 50; ++i) client->send(make_message(++sent, kBytes));
    return client->queued_bytes() > kQueued;
  }));
  run_until_quiet(loop);
  ASSERT_GT(client->queued_bytes(), kQueued);
  const std::size_t queued = client->queued_bytes();
  client->send_urgent(make_message(kUrgent, 24));
  EXPECT_GT(client->queued_bytes(), queued);
  client->send(make_message(++sent, kBytes));
  client->send_urgent(make_message(kUrgent + 1, 0));
  run_until_quiet(loop);

  std::uint64_t in_order = 0;
  std::uint64_t urgent = 0;
  std::uint64_t before_urgent = 0;
  server->message_hook = [&](InboundMessage& message) {
    if (message.header.call_id >= kUrgent) {
      EXPECT_EQ(message_error(message, kUrgent + urgent, urgent == 0 ? 24 : 0), "");
      EXPECT_EQ(in_order, urgent == 0 ? in_order : before_urgent) << "the second came later";
      ++urgent;
      before_urgent = in_order;
    } else {
      EXPECT_EQ(message_error(message, ++in_order, kBytes), "");
    }
  };
  server->resume();
  ASSERT_TRUE(run_until([&] { return in_order == sent && urgent == 2; }));
  EXPECT_GE((sent - before_urgent) * (kBytes + sizeof(MessageHeader)) + kInHand, queued);
}

// They part no message, and keep their order, wherever the peer's reading stops.
TEST_P(TransportConformance, UrgentMessagesGoBetweenMessagesOfEverySize) {
  constexpr std::uint64_t kMessages = 600;
  const auto body_of = [](std::uint64_t id) { return id % 5 == 0 ? id % 7 * 5000 : id % 100; };
  const auto segments_of = [](std::uint64_t id) {
    return id % 4 == 0 ? std::vector<std::size_t>{id % 11 * 30, id % 3 * 20'000} : std::vector<std::size_t>{};
  };
  connect_pair();
  std::uint64_t in_order = 0;
  std::uint64_t urgent = 0;
  server->message_hook = [&](InboundMessage& message) {
    const bool was_urgent = message.header.call_id >= kUrgent;
    const std::uint64_t id = was_urgent ? kUrgent + urgent++ : ++in_order;
    EXPECT_EQ(message_error(message, id, was_urgent ? id % 64 : body_of(id),
                            was_urgent ? std::vector<std::size_t>{} : segments_of(id)),
              "");
    if (server->received % 97 == 0) server->pause();
  };
  std::uint64_t urgent_sent = 0;
  for (std::uint64_t id = 1; id <= kMessages; ++id) {
    client->send(make_message(id, body_of(id), segments_of(id)));
    if (id % 3 != 0) continue;
    client->send_urgent(make_message(kUrgent + urgent_sent, (kUrgent + urgent_sent) % 64));
    ++urgent_sent;
    if (id % 30 == 0) loop.run_once(false);
  }
  EXPECT_TRUE(run_until([&] {
    server->resume();
    return in_order == kMessages && urgent == urgent_sent;
  }));
}

TEST_P(TransportConformance, NothingGoesBeforeTheFirstMessage) {
  listen();
  client = connect();
  client->send_urgent(make_message(1, 10));
  client->start();
  server = accept();
  server->message_hook = [this](InboundMessage& message) {
    EXPECT_EQ(server->hellos, 1);
    EXPECT_EQ(message_error(message, 1, 10), "");
  };
  server->start();
  EXPECT_TRUE(run_until([this] { return server->received == 1; }));
}

// One that sends without end must not keep others waiting.
TEST_P(TransportConformance, OtherConnectionsGetTheirTurn) {
  connect_pair();
  const std::unique_ptr<Peer> flood_client = std::move(client);
  const std::unique_ptr<Peer> flood_server = std::move(server);
  connect_pair();
  server->message_hook = [this](InboundMessage&) { server->send(make_message(1, 10)); };
  const auto flood = [&] {
    while (flood_client->queued_bytes() < 4'000'000) flood_client->send(make_message(1, 500'000));
  };
  client->send(make_message(1, 10));
  std::uint64_t turns = 0;
  ASSERT_TRUE(run_until([&] {
    flood();
    ++turns;
    return client->received == 1;
  }));
  EXPECT_LT(turns, 20U);
}

// A peer that reads nothing holds up closing for kCloseTimeout at most.
TEST_P(TransportConformance, CloseGivesUpInTime) {
  ManualClock clock;
  EventLoop slow_loop({}, clock);
  {
    const std::unique_ptr<Transport> slow = GetParam().make(slow_loop, limits);
    std::unique_ptr<Listener> slow_listener = std::move(*slow->listen(GetParam().listening_url(), acceptor));
    Peer near(slow_loop);
    near.adopt(std::move(*slow->connect(slow_listener->url())));
    near.send(hello());
    near.start();
    ASSERT_TRUE(testing_support::run_until(slow_loop, [&] { return !acceptor.accepted.empty(); }));
    for (int i = 0; i < 40; ++i) near.send(make_message(1, 10, {std::size_t{1} << 20}));
    near.close(Status(StatusCode::kCancelled, "enough"));
    run_until_quiet(slow_loop);  // what lies between them is full
    clock.advance(Connection::kCloseTimeout - std::chrono::milliseconds(1));
    run_until_quiet(slow_loop);
    EXPECT_EQ(near.closed, GetParam().hands_over_at_once ? 1 : 0);
    clock.advance(std::chrono::milliseconds(1));
    run_until_quiet(slow_loop);
    EXPECT_EQ(near.closed, 1);
    EXPECT_EQ(near.reason.code(), StatusCode::kCancelled);
    EXPECT_EQ(near.queued_bytes(), 0U);
    for (auto& connection : acceptor.accepted) slow_loop.dispose(std::move(connection));
    acceptor.accepted.clear();
    slow_loop.dispose(std::move(slow_listener));
    near.dispose();
    slow_loop.run_once(false);
  }
}

}  // namespace onward::testing_support::flow
