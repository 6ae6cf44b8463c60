// SPDX-License-Identifier: Apache-2.0
//
// How a node that ends, or retires a connection, loses no request that its peer had sent before it knew.
#include <atomic>
#include <thread>

#include "link.h"
#include "node_protocol_fixture.h"

namespace onward {
namespace {

using namespace std::chrono_literals;
using test::add_numbers;
using test::error_of;
using test::kHang;
using test::ScriptedPeer;
using ::testing::HasSubstr;

class NodeDrainTest : public test::NodeProtocolTest {
 protected:
  // stop(drain) on a thread of its own, which TearDown() joins.
  void begin_stop(Node& node, Duration drain) {
    stoppers_.emplace_back([this, &node, drain] {
      node.stop(drain);
      ++stopped;
    });
  }
  void TearDown() override {
    for (std::thread& stopper : stoppers_) stopper.join();
    NodeProtocolTest::TearDown();
  }
  // GOAWAY, and right behind it PING, whose number is returned.
  static std::uint64_t expect_drain(const PeerPtr& peer) {
    EXPECT_TRUE(peer->next(MessageKind::kGoaway));
    const auto ping = peer->next_of_any();
    EXPECT_TRUE(ping && ping->header.kind == MessageKind::kPing);
    return ping ? ping->header.call_id : 0;
  }
  static void acknowledge(const PeerPtr& peer, std::uint64_t number) {
    ScriptedPeer::say(peer, wire::bare(MessageKind::kPong, number));
  }

  // b has called f at "known", over a connection whose other end is left in `peer`, and was answered.
  void call_known(PeerPtr& peer) {
    const Future<int> call = rpc_async(*b, "known", f);
    peer = stage->next_dialled();
    ASSERT_TRUE(peer);
    ScriptedPeer::say(peer, hello_of("known"));
    const auto request = peer->next(MessageKind::kRequest);
    ASSERT_TRUE(request);
    ScriptedPeer::say(peer, response(request->header.call_id, 6));
    EXPECT_EQ(call.wait(kHang), 6);
  }

  std::atomic<int> stopped{0};

 private:
  std::vector<std::thread> stoppers_;
};

TEST_F(NodeDrainTest, WhatWasSentBeforeThePeerKnewIsServedAndLaterRequestsAreRefused) {
  start_node();
  const PeerPtr peer = enter("a");
  ScriptedPeer::say(peer, park_request(1));
  expect_serves(peer);
  begin_stop(*b, kHang);
  const std::uint64_t ping = expect_drain(peer);
  expect_serves(peer);
  acknowledge(peer, ping);
  ScriptedPeer::say(peer, add_request(1, 2, 8));
  const auto refused = peer->next(MessageKind::kError);
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->header.call_id, 8U);
  EXPECT_EQ(error_in(refused).code(), StatusCode::kUnavailable);
  EXPECT_THAT(error_in(refused).message(), HasSubstr("shutting down; the call has not begun"));
  EXPECT_EQ(stopped, 0);
  parked.mark_complete(5);
  const auto answer = peer->next(MessageKind::kResponse);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->header.call_id, 1U);
  EXPECT_THAT(peer->wait_closed().message(), HasSubstr("shutting down"));
}

TEST_F(NodeDrainTest, AnIdleNodeWaitsForEachAcknowledgement) {
  start_node();
  const PeerPtr one = enter("one");
  const PeerPtr two = enter("two");
  expect_serves(one);
  expect_serves(two);
  begin_stop(*b, kHang);
  const std::uint64_t ping = expect_drain(one);
  EXPECT_EQ(expect_drain(two), ping);
  acknowledge(one, ping);
  acknowledge(two, ping + 1);  // of somebody else's PING
  expect_serves(two);
  EXPECT_FALSE(one->closed());
  EXPECT_EQ(stopped, 0);
  acknowledge(two, ping);
  EXPECT_EQ(one->wait_closed().code(), StatusCode::kUnavailable);
  EXPECT_EQ(two->wait_closed().code(), StatusCode::kUnavailable);
}

TEST_F(NodeDrainTest, OneThatNeverAcknowledgesDelaysNothingBeyondTheDrain) {
  start_node();
  const PeerPtr peer = enter("a");
  expect_serves(peer);
  b->stop(20ms);
  EXPECT_TRUE(peer->closed());
}

// The answer is queued still when nothing is in flight any more, and the connection would not wait long.
TEST_F(NodeDrainTest, ItWaitsUntilItsAnswersHaveBeenRead) {
  start_node();
  const PeerPtr peer = enter("a");
  expect_serves(peer);
  peer->set_queued(100);
  begin_stop(*b, kHang);
  acknowledge(peer, expect_drain(peer));
  const auto ping = peer->next(MessageKind::kPing);
  ASSERT_TRUE(ping);
  ScriptedPeer::say(peer, add_request(1, 2, 8));
  ASSERT_TRUE(peer->next(MessageKind::kError));
  EXPECT_FALSE(peer->closed());
  acknowledge(peer, ping->header.call_id);
  EXPECT_EQ(peer->wait_closed().code(), StatusCode::kUnavailable);
}

// A client does not wait for a server that hangs.
TEST_F(NodeDrainTest, ANodeWithoutFunctionsNeedsNoAcknowledgement) {
  NodeOptions client = options("b");
  client.peers["known"] = {"script://known"};
  client.transports = {[stage = stage](EventLoop& loop, const MessageLimits&) {
    return std::make_unique<test::ScriptedTransport>(loop, stage);
  }};
  client.listen.clear();
  b = start(std::move(client));
  PeerPtr known;
  ASSERT_NO_FATAL_FAILURE(call_known(known));
  begin_stop(*b, 2 * kHang);
  EXPECT_EQ(known->wait_closed().code(), StatusCode::kUnavailable);
}

TEST_F(NodeDrainTest, OneThatGoesInsteadIsNotWaitedFor) {
  start_node();
  const PeerPtr peer = enter("a");
  begin_stop(*b, kHang);
  expect_drain(peer);
  ScriptedPeer::hang_up(peer, {});
}

// The node's HELLO has gone out: the peer may have sent requests behind its own.
TEST_F(NodeDrainTest, OneThatIsAboutToSayHelloIsServedToo) {
  start_node();
  const PeerPtr peer = stage->enter("a");
  ASSERT_TRUE(peer->next(MessageKind::kHello));
  begin_stop(*b, kHang);
  const std::uint64_t ping = expect_drain(peer);
  ScriptedPeer::say(peer, hello_of("a"));
  expect_serves(peer);
  acknowledge(peer, ping);
  EXPECT_EQ(peer->wait_closed().code(), StatusCode::kUnavailable);
}

TEST_F(NodeDrainTest, OneThatSaysNothingAtAllIsNotWaitedForLong) {
  start_node();
  const PeerPtr peer = stage->enter("a");
  ASSERT_TRUE(peer->next(MessageKind::kHello));
  const auto begun = std::chrono::steady_clock::now();
  begin_stop(*b, 10 * kHang);
  EXPECT_THAT(peer->wait_closed().message(), HasSubstr("no HELLO yet"));
  EXPECT_LT(std::chrono::steady_clock::now() - begun, Link::kHandshakeTimeout / 2);
}

TEST_F(NodeDrainTest, ItsOwnCallsGoOn) {
  start_node();
  const Future<int> call = rpc_async(*b, "known", f);
  const PeerPtr known = stage->next_dialled();
  ASSERT_TRUE(known);
  ScriptedPeer::say(known, hello_of("known"));
  const auto request = known->next(MessageKind::kRequest);
  ASSERT_TRUE(request);
  begin_stop(*b, kHang);
  const std::uint64_t ping = expect_drain(known);
  expect_serves(known);
  acknowledge(known, ping);
  ScriptedPeer::say(known, response(request->header.call_id, 6));
  EXPECT_EQ(call.wait(kHang), 6);
}

// A handler that is not done may call functions of its own node.
TEST_F(NodeDrainTest, CallsOfTheNodeToItselfArePartOfWhatItStillDoes) {
  start_pair(options("a"), options("b"), [this](FunctionTable& table) {
    ASSERT_TRUE(table.add("add", &add_numbers).ok());
    ASSERT_TRUE(
        table.add("later", [this] { return parked.then([](int x) { return rpc_async("b", add_numbers, x, 1); }); })
            .ok());
  });
  EXPECT_EQ(rpc_sync(*b, "b", add_numbers, 1, 1), 2);
  const Future<int> call = rpc_async(*a, "b", remote<int()>("later"));
  ASSERT_TRUE(wait_until_parked(*b, 1));
  begin_stop(*b, kHang);
  ASSERT_TRUE(lines.wait_for("b (inproc://b) takes no more calls"));
  parked.mark_complete(5);
  EXPECT_EQ(call.wait(kHang), 6);
  EXPECT_EQ(lines.count("(itself) takes no more calls"), 0U) << lines.text();
}

TEST_F(NodeDrainTest, ASecondStopMayEndTheDrainEarlier) {
  start_node();
  const PeerPtr peer = enter("a");
  ScriptedPeer::say(peer, park_request(1));
  begin_stop(*b, 100 * kHang);
  expect_drain(peer);
  b->stop(0s);
  const auto failed = peer->next(MessageKind::kError);
  ASSERT_TRUE(failed);
  EXPECT_EQ(error_in(failed).code(), StatusCode::kUnavailable);
  EXPECT_EQ(error_in(failed).message(), "node b is shutting down");
}

// A later one does not prolong it.
TEST_F(NodeDrainTest, ASecondStopDoesNotEndTheDrainLater) {
  start_node();
  const PeerPtr peer = enter("a");
  ScriptedPeer::say(peer, park_request(1));
  begin_stop(*b, 50ms);
  begin_stop(*b, 100 * kHang);
  EXPECT_EQ(peer->wait_closed().code(), StatusCode::kUnavailable);
}

TEST_F(NodeDrainTest, AConnectionThatIsRetiredLosesNoRequestEither) {
  start_node();
  PeerPtr old;
  ASSERT_NO_FATAL_FAILURE(call_known(old));
  NodeOptions moved = options("b");
  moved.peers["known"] = {"script://moved"};
  ASSERT_TRUE(b->reload(moved).ok());
  const std::uint64_t ping = expect_drain(old);
  expect_serves(old);
  acknowledge(old, ping);
  static_cast<void>(old->wait_closed());
  EXPECT_TRUE(old->closed());
  b->stop(0s);
}

}  // namespace
}  // namespace onward
