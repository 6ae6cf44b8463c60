// SPDX-License-Identifier: Apache-2.0
//
// Permits: what a node takes on, when it pauses, and what it sheds.
#include <cstdint>
#include <string>
#include <vector>

#include "node_load_fixture.h"

namespace onward {
namespace {

using namespace std::chrono_literals;
using test::error_of;
using test::kHang;
using test::NodeLoadTest;
using test::ScriptedPeer;
using ::testing::AllOf;
using ::testing::HasSubstr;

TEST_F(NodeLoadTest, APermitIsHeldUntilTheResponseHasLeft) {
  start_limited([](NodeOptions& server) { server.per_connection.max_in_flight = 2; });
  const PeerPtr peer = enter("peer");
  peer->set_queued(10'000);  // it reads nothing
  ScriptedPeer::say(peer, hold_request(1));
  ScriptedPeer::say(peer, hold_request(2));
  ASSERT_TRUE(wait_until_held(2));
  answer_one();
  ASSERT_TRUE(peer->next(MessageKind::kResponse));
  const Status status = refused(peer, hold_request(3));
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(status.message(), AllOf(HasSubstr("2 requests of this connection"), HasSubstr("limits.max_in_flight")));
  EXPECT_EQ(status.trail().at(0).node, "b");
  EXPECT_EQ(status.trail().at(0).function, "hold");
  EXPECT_EQ(b->statistics().permits, 2U);
  peer->set_queued(0);
  ScriptedPeer::say(peer, hold_request(4));
  ASSERT_TRUE(wait_until_held(2));
  EXPECT_EQ(refused(peer, hold_request(5)).code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(b->statistics().shed, 2U);
  answer_one();
  answer_one();
  ASSERT_TRUE(peer->next(MessageKind::kResponse));
  ASSERT_TRUE(peer->next(MessageKind::kResponse));
  EXPECT_EQ(b->statistics().permits, 0U);
  EXPECT_EQ(b->statistics().permit_bytes, 0U);
}

TEST_F(NodeLoadTest, RequestsThatRanAtOnceHoldPermitsAsWell) {
  start_limited([](NodeOptions& server) { server.per_connection.max_in_flight = 3; });
  const PeerPtr peer = enter("peer");
  peer->set_queued(10'000);
  for (std::uint64_t id = 1; id <= 3; ++id) ScriptedPeer::say(peer, add_request(1, 2, id));
  EXPECT_EQ(refused(peer, add_request(1, 2, 4)).code(), StatusCode::kResourceExhausted);
  peer->set_queued(0);
  for (std::uint64_t id = 5; id <= 100; ++id) {
    ScriptedPeer::say(peer, add_request(1, 2, id));
    ASSERT_TRUE(peer->next(MessageKind::kResponse));
  }
  EXPECT_EQ(b->statistics().shed, 1U);
}

// What earlier turns have answered does not wait for what this one has.
TEST_F(NodeLoadTest, PermitsAreGivenBackTurnByTurn) {
  start_limited([](NodeOptions& server) { server.per_connection.max_in_flight = 8; });
  stalled = enter("peer");
  for (int round = 0; round < 10; ++round) {
    stalled->set_queued(0);
    std::vector<Message> first;
    for (std::uint64_t id = 1; id <= 6; ++id) first.push_back(add_request(1, 2, id));
    ScriptedPeer::say(stalled, std::move(first));
    for (int i = 0; i < 6; ++i) ASSERT_TRUE(stalled->next(MessageKind::kResponse));
    std::vector<Message> second;
    second.push_back(in_flex(request("stall", 7), [](Encoder& encoder) {
      encoder.begin_sequence(0);
      encoder.end_sequence();
    }));
    for (std::uint64_t id = 8; id <= 12; ++id) second.push_back(add_request(1, 2, id));
    ScriptedPeer::say(stalled, std::move(second));
    for (int i = 0; i < 6; ++i) ASSERT_TRUE(stalled->next(MessageKind::kResponse));
    EXPECT_EQ(b->statistics().shed, 0U);
  }
}

TEST_F(NodeLoadTest, BytesAreLimitedButOneMessageIsTakenWhateverItsSize) {
  start_limited([](NodeOptions& server) { server.per_connection.max_in_flight_bytes = 10'000; });
  const PeerPtr peer = enter("peer");
  ScriptedPeer::say(peer, hold_request(1, 20'000));
  ASSERT_TRUE(wait_until_held(1));
  EXPECT_GT(b->statistics().permit_bytes, 20'000U);
  EXPECT_THAT(refused(peer, hold_request(2)).message(), HasSubstr("limits.max_in_flight_bytes"));
  answer_one();
  ASSERT_TRUE(peer->next(MessageKind::kResponse));
  ScriptedPeer::say(peer, hold_request(3, 6000));
  ScriptedPeer::say(peer, hold_request(4, 6000));
  ASSERT_TRUE(wait_until_held(2));
  EXPECT_EQ(refused(peer, hold_request(5)).code(), StatusCode::kResourceExhausted);
}

TEST_F(NodeLoadTest, TheNodesLimitIsThatOfAllConnections) {
  start_limited([](NodeOptions& server) { server.per_node.max_in_flight = 2; });
  const PeerPtr one = enter("one");
  const PeerPtr two = enter("two");
  ScriptedPeer::say(one, hold_request(1));
  ScriptedPeer::say(two, hold_request(1));
  ASSERT_TRUE(wait_until_held(2));
  EXPECT_THAT(refused(one, hold_request(2)).message(), HasSubstr("limits.node_max_in_flight"));
  answer_one();
  ASSERT_TRUE(one->next(MessageKind::kResponse));
  ScriptedPeer::say(two, hold_request(3));
  ASSERT_TRUE(wait_until_held(2));
  // What a connection held is free when it is gone.
  ScriptedPeer::hang_up(two, {});
  ASSERT_TRUE(wait_until(*b, [](const Node::Statistics& s) { return s.permits == 0; }));
  expect_serves(one);
}

TEST_F(NodeLoadTest, AFunctionsLimitIsItsOwn) {
  start_limited([](NodeOptions& server) { ASSERT_TRUE(server.per_function.add("ho*", {.max_in_flight = 1}).ok()); });
  const PeerPtr one = enter("one");
  const PeerPtr two = enter("two");
  ScriptedPeer::say(one, hold_request(1));
  ASSERT_TRUE(wait_until_held(1));
  EXPECT_THAT(refused(two, hold_request(1)).message(), AllOf(HasSubstr("hold"), HasSubstr("limits.functions")));
  expect_serves(two);
  answer_one();
  ASSERT_TRUE(one->next(MessageKind::kResponse));
  ScriptedPeer::say(two, hold_request(2));
  ASSERT_TRUE(wait_until_held(1));
}

TEST_F(NodeLoadTest, AConnectionPausesAtItsLimitAndReadsOnBelow) {
  start_limited([](NodeOptions& server) { server.per_connection.pause_in_flight = 2; });
  const PeerPtr peer = enter("peer");
  ScriptedPeer::say(peer, hold_request(1));
  ASSERT_TRUE(wait_until_held(1));
  EXPECT_EQ(b->statistics().connections_paused, 0U);
  ScriptedPeer::say(peer, hold_request(2));
  ASSERT_TRUE(peer->wait_paused(true));
  ASSERT_TRUE(wait_until_held(2));
  EXPECT_EQ(b->statistics().connections_paused, 1U);
  answer_one();
  ASSERT_TRUE(peer->wait_paused(false));
  EXPECT_EQ(b->statistics().connections_paused, 0U);
  EXPECT_EQ(b->statistics().shed, 0U);
  // Where the response does not leave, it goes on when that has: found out by a timer.
  peer->set_queued(10'000);
  ScriptedPeer::say(peer, hold_request(3));
  ASSERT_TRUE(peer->wait_paused(true));
  ASSERT_TRUE(wait_until_held(2));
  answer_one();
  answer_one();
  ASSERT_TRUE(wait_until(*b, [](const Node::Statistics& s) { return s.requests_in_flight == 0; }));
  EXPECT_EQ(b->statistics().connections_paused, 1U);
  peer->set_queued(0);
  clock.advance(5ms);
  EXPECT_TRUE(peer->wait_paused(false));
}

TEST_F(NodeLoadTest, WhoOwesAnAnswerIsNeverPaused) {
  start_limited([](NodeOptions& server) {
    server.per_connection.pause_in_flight = 2;
    server.per_connection.max_in_flight = 3;
  });
  const PeerPtr peer = enter("peer");
  ScriptedPeer::say(peer, in_flex(request("ask", 1), [](Encoder& encoder) {
                      encoder.begin_sequence(1);
                      encoder.string("peer");
                      encoder.end_sequence();
                    }));
  const auto asked = peer->next(MessageKind::kRequest);
  ASSERT_TRUE(asked);
  ScriptedPeer::say(peer, hold_request(2));
  ScriptedPeer::say(peer, hold_request(3));
  ASSERT_TRUE(wait_until_held(2));
  EXPECT_EQ(b->statistics().connections_paused, 0U);
  EXPECT_EQ(refused(peer, hold_request(4)).code(), StatusCode::kResourceExhausted);
  ScriptedPeer::say(peer, response(asked->header.call_id, 5));
  ASSERT_TRUE(peer->next(MessageKind::kResponse));
  ScriptedPeer::say(peer, hold_request(5));
  EXPECT_TRUE(peer->wait_paused(true));
}

TEST_F(NodeLoadTest, AllConnectionsPauseAtTheNodesLimit) {
  start_limited([](NodeOptions& server) { server.per_node.pause_in_flight = 2; });
  const PeerPtr one = enter("one");
  const PeerPtr two = enter("two");
  ScriptedPeer::say(one, hold_request(1));
  ASSERT_TRUE(wait_until_held(1));
  ScriptedPeer::say(two, hold_request(1));
  ASSERT_TRUE(two->wait_paused(true));
  ScriptedPeer::say(one, add_request(1, 2, 2));  // one is read from until it brings something
  ASSERT_TRUE(one->wait_paused(true));
  EXPECT_EQ(b->statistics().connections_paused, 2U);
  answer_one();
  EXPECT_TRUE(one->wait_paused(false));
  EXPECT_TRUE(two->wait_paused(false));
}

TEST_F(NodeLoadTest, AnAdaptiveLimitIsFoundAndCanBeSwitchedOff) {
  start_limited([](NodeOptions& server) {
    ASSERT_TRUE(server.per_function.add("hold", {.max_in_flight = 4, .adaptive = true}).ok());
  });
  const PeerPtr peer = enter("peer");
  for (std::uint64_t id = 1; id <= 4; ++id) ScriptedPeer::say(peer, hold_request(id));
  ASSERT_TRUE(wait_until_held(4));
  EXPECT_EQ(b->statistics().adaptive_limits, (std::map<std::string, std::size_t>{{"hold", 4}}));
  EXPECT_EQ(refused(peer, hold_request(5)).code(), StatusCode::kResourceExhausted);
  ASSERT_TRUE(b->reload(limited([](NodeOptions&) {})).ok());
  EXPECT_TRUE(b->statistics().adaptive_limits.empty());
  for (std::uint64_t id = 11; id <= 40; ++id) ScriptedPeer::say(peer, hold_request(id));
  EXPECT_TRUE(wait_until_held(34));
  ASSERT_TRUE(b->reload(limited([](NodeOptions& server) { server.adaptive_limits = true; })).ok());
  EXPECT_EQ(b->statistics().adaptive_limits.count("hold"), 1U);
}

TEST_F(NodeLoadTest, WhatHasWaitedForHalfOfItsTimeIsShed) {
  start_limited([](NodeOptions&) {});
  const PeerPtr peer = enter("peer");
  std::vector<Message> turn;
  turn.push_back(with_timeout(advance_request(50, 1), 80));
  turn.push_back(with_timeout(add_request(1, 2, 2), 99));   // 50 of 99 ms
  turn.push_back(with_timeout(add_request(1, 2, 3), 100));  // 50 of 100 ms
  turn.push_back(with_timeout(add_request(1, 2, 4), 49));
  turn.push_back(with_timeout(add_request(1, 2, 5), 0));
  turn.push_back(add_request(1, 2, 6));
  turn.push_back(with_timeout(hold_request(7), 60));  // does not run on the kernel thread alone
  ScriptedPeer::say(peer, std::move(turn));
  const auto next_error = [&](std::uint64_t id) {
    const auto message = peer->next(MessageKind::kError);
    EXPECT_EQ(message ? message->header.call_id : 0, id);
    return error_in(message);
  };
  const Status waited = next_error(2);
  EXPECT_EQ(waited.code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(waited.message(), HasSubstr("has waited for more than half of its time"));
  const Status over = next_error(4);
  EXPECT_EQ(over.code(), StatusCode::kDeadlineExceeded);
  EXPECT_THAT(over.message(), HasSubstr("before it could be run"));
  EXPECT_EQ(next_error(5).code(), StatusCode::kDeadlineExceeded);
  ASSERT_TRUE(wait_until_held(1));
  EXPECT_EQ(b->statistics().shed, 1U);
  EXPECT_EQ(b->statistics().expired, 2U);
}

TEST_F(NodeLoadTest, CancelOvertakesWhatIsQueuedButNotItsRequest) {
  start_limited([](NodeOptions& server) { server.peers["far"] = {"script://far"}; });
  const auto first = rpc_async(*b, to("far", {.timeout = 10ms}), remote<int()>("f"));
  const PeerPtr far = stage->next_dialled();
  ASSERT_TRUE(far);
  ScriptedPeer::say(far, hello_of("far"));
  ASSERT_TRUE(far->next(MessageKind::kRequest));
  far->set_queued(10'000);
  clock.advance(20ms);
  ASSERT_TRUE(far->next(MessageKind::kCancel));
  EXPECT_FALSE(far->last_was_urgent()) << "its request has not left";
  static_cast<void>(error_of(first));

  far->set_queued(0);
  const auto second = rpc_async(*b, to("far", {.timeout = 10ms}), remote<int()>("f"));
  ASSERT_TRUE(far->next(MessageKind::kRequest));
  clock.advance(20ms);
  ASSERT_TRUE(far->next(MessageKind::kCancel));
  EXPECT_TRUE(far->last_was_urgent());
  static_cast<void>(error_of(second));
}

}  // namespace
}  // namespace onward
