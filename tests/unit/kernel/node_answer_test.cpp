// SPDX-License-Identifier: Apache-2.0
//
// What a node does with a peer that answers what it should not, or late, twice, to the wrong one, or not at all.
#include <chrono>

#include "node_protocol_fixture.h"

namespace onward {
namespace {

using namespace std::chrono_literals;
using test::error_of;
using test::kHang;
using NodeAnswerTest = test::NodeProtocolTest;
using test::ScriptedPeer;
using ::testing::AllOf;
using ::testing::HasSubstr;

// ---- Answers.

TEST_F(NodeAnswerTest, AnswersAreTakenOnceAndFromTheRightOne) {
  start_node();
  const PeerPtr peer = enter("p");
  const PeerPtr stranger = enter("stranger");
  const auto first = rpc_async(*b, "p", f);
  const auto sent = peer->next(MessageKind::kRequest);
  ASSERT_TRUE(sent);
  EXPECT_EQ(sent->header.function_id, function_id("f"));
  const std::uint64_t call_id = sent->header.call_id;
  ScriptedPeer::say(stranger, response(call_id, 666));
  ScriptedPeer::say(stranger, wire::encode_error(call_id, Status(StatusCode::kInternal, "not yours")));
  expect_serves(stranger);
  EXPECT_FALSE(first.done());
  ScriptedPeer::say(peer, response(call_id, 1));
  EXPECT_EQ(first.wait(kHang), 1);

  // The same slot, the next call: an answer to the first is none to the second.
  const auto second = rpc_async(*b, "p", f);
  const auto next = peer->next(MessageKind::kRequest);
  ASSERT_TRUE(next);
  EXPECT_NE(next->header.call_id, call_id);
  ScriptedPeer::say(peer, response(call_id, 666));
  ScriptedPeer::say(peer, response(next->header.call_id, 2));
  EXPECT_EQ(second.wait(kHang), 2);
}

TEST_F(NodeAnswerTest, AnswersThatCannotBeReadFailTheCall) {
  start_node();
  const PeerPtr peer = enter("p");
  const auto call_and_answer = [&](auto make_answer) {
    const auto call = rpc_async(*b, "p", f);
    const auto sent = peer->next(MessageKind::kRequest);
    EXPECT_TRUE(sent);
    ScriptedPeer::say(peer, make_answer(sent->header.call_id));
    return error_of(call);
  };
  const Status codec = call_and_answer([](std::uint64_t id) {
    Message message = response(id, 1);
    message.header.codec = 77;
    return message;
  });
  EXPECT_EQ(codec.code(), StatusCode::kInternal);
  EXPECT_THAT(codec.message(), AllOf(HasSubstr("call of f at p (script://p)"), HasSubstr("codec 77")));
  const Status garbage = call_and_answer([](std::uint64_t id) {
    Message message = response(id, 1);
    message.payload.body = Buffer::copy_of("\xFF\xFF\xFF");
    return message;
  });
  EXPECT_THAT(garbage.message(), HasSubstr("the result of f() -> int32 cannot be read"));
  const Status table = call_and_answer([](std::uint64_t id) {
    Message message = wire::bare(MessageKind::kError, id);
    message.payload.body = Buffer::copy_of("garbage");
    return message;
  });
  EXPECT_THAT(table.message(), HasSubstr("malformed ERROR"));
  const Status ok = call_and_answer([](std::uint64_t id) { return wire::encode_error(id, Status()); });
  EXPECT_EQ(ok.code(), StatusCode::kUnknown);  // an error that claims to be none
  expect_serves(peer);
  EXPECT_EQ(b->statistics().calls_in_flight, 0U);
}

TEST_F(NodeAnswerTest, ACallThatRunsOutIsCancelledAtThePeer) {
  start_node();
  const PeerPtr peer = enter("p");
  const auto call = rpc_async(*b, to("p", {.timeout = 30ms}), f);
  const auto sent = peer->next(MessageKind::kRequest);
  ASSERT_TRUE(sent);
  EXPECT_EQ(sent->header.timeout_ms, 30U);
  EXPECT_EQ(error_of(call).code(), StatusCode::kDeadlineExceeded);
  const auto cancel = peer->next(MessageKind::kCancel);
  ASSERT_TRUE(cancel);
  EXPECT_EQ(cancel->header.call_id, sent->header.call_id);
}

TEST_F(NodeAnswerTest, TimeoutsTravelAsTheTimeThatIsLeft) {
  start_node();
  const auto none = rpc_async(*b, to("known", {.timeout = kNoTimeout}), f);
  const auto some = rpc_async(*b, to("known", {.timeout = 60s}), f);
  const PeerPtr peer = stage->next_dialled();
  ASSERT_NE(peer, nullptr);
  const auto asked_at = std::chrono::steady_clock::now();
  while (std::chrono::steady_clock::now() - asked_at < 20ms) std::this_thread::yield();
  ScriptedPeer::say(peer, hello_of("known"));
  const auto first = peer->next(MessageKind::kRequest);
  const auto second = peer->next(MessageKind::kRequest);
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->header.timeout_ms, MessageHeader::kNoTimeout);
  EXPECT_LE(second->header.timeout_ms, 60'000U - 19U);  // it waited for the connection
  EXPECT_GT(second->header.timeout_ms, 40'000U);
  ScriptedPeer::say(peer, response(first->header.call_id, 1));
  ScriptedPeer::say(peer, response(second->header.call_id, 2));
  EXPECT_EQ(none.wait(kHang), 1);
  EXPECT_EQ(some.wait(kHang), 2);
}

// ---- Goaway and several connections.

TEST_F(NodeAnswerTest, AfterGoawayCallsInFlightAreAnsweredAndNewOnesGoElsewhere) {
  start_node();
  const auto early = rpc_async(*b, "known", f);
  const PeerPtr old = stage->next_dialled();
  ASSERT_NE(old, nullptr);
  ScriptedPeer::say(old, hello_of("known"));
  const auto sent = old->next(MessageKind::kRequest);
  ASSERT_TRUE(sent);
  ScriptedPeer::say(old, wire::encode_goaway(Status(StatusCode::kUnavailable, "restarting")));
  ASSERT_TRUE(lines.wait_for("takes no more calls: restarting"));
  const auto late = rpc_async(*b, "known", f);
  const PeerPtr fresh = stage->next_dialled();
  ASSERT_NE(fresh, nullptr);
  ScriptedPeer::say(fresh, hello_of("known"));
  const auto next = fresh->next(MessageKind::kRequest);
  ASSERT_TRUE(next);
  ScriptedPeer::say(old, response(sent->header.call_id, 1));
  ScriptedPeer::say(fresh, response(next->header.call_id, 2));
  EXPECT_EQ(early.wait(kHang), 1);
  EXPECT_EQ(late.wait(kHang), 2);
}

TEST_F(NodeAnswerTest, CallsBackUseTheConnectionThatIsLeft) {
  // A peer without an address is connected twice, as after a restart that nobody noticed.
  start_node();
  const PeerPtr first = enter("p");
  expect_serves(first);
  const PeerPtr second = enter("p");
  expect_serves(second);
  const auto over_first = rpc_async(*b, "p", f);
  ASSERT_TRUE(first->next(MessageKind::kRequest));
  ScriptedPeer::hang_up(first, Status(StatusCode::kUnavailable, "no answer to keepalive"));
  EXPECT_EQ(error_of(over_first).code(), StatusCode::kUnavailable);
  const auto over_second = rpc_async(*b, "p", f);
  const auto sent = second->next(MessageKind::kRequest);
  ASSERT_TRUE(sent) << error_of(over_second).to_string();
  ScriptedPeer::say(second, response(sent->header.call_id, 5));
  EXPECT_EQ(over_second.wait(kHang), 5);
}

// ---- Back-pressure.

TEST_F(NodeAnswerTest, APeerThatDoesNotReadItsAnswersIsNotReadFrom) {
  start_node();
  const PeerPtr peer = enter("p");
  peer->set_queued(MessageLimits().output_high_bytes + 1);
  ScriptedPeer::say(peer, add_request(1, 2, 1));
  EXPECT_TRUE(peer->wait_paused(true));
  ASSERT_TRUE(peer->next(MessageKind::kResponse));
  ScriptedPeer::drain(peer);
  EXPECT_TRUE(peer->wait_paused(false));
  expect_serves(peer);
}

TEST_F(NodeAnswerTest, APeerThatOwesAnAnswerIsReadFrom) {
  start_node();
  const PeerPtr peer = enter("p");
  const auto call = rpc_async(*b, "p", f);
  const auto sent = peer->next(MessageKind::kRequest);
  ASSERT_TRUE(sent);
  peer->set_queued(MessageLimits().output_high_bytes + 1);
  ScriptedPeer::say(peer, add_request(1, 2, 1));
  ASSERT_TRUE(peer->next(MessageKind::kResponse));
  EXPECT_TRUE(peer->wait_paused(false));
  ScriptedPeer::say(peer, response(sent->header.call_id, 3));
  EXPECT_EQ(call.wait(kHang), 3);
}

TEST_F(NodeAnswerTest, APausedPeerIsReadFromAgainWhenItOwesAnAnswer) {
  // Else two busy nodes that both call each other could wait for each other.
  start_node();
  const PeerPtr peer = enter("p");
  peer->set_queued(MessageLimits().output_high_bytes + 1);
  ScriptedPeer::say(peer, add_request(1, 2, 1));
  ASSERT_TRUE(peer->wait_paused(true));
  const auto call = rpc_async(*b, "p", f);
  ASSERT_TRUE(peer->next(MessageKind::kRequest));
  EXPECT_TRUE(peer->wait_paused(false));
}

}  // namespace
}  // namespace onward
