// SPDX-License-Identifier: Apache-2.0
//
// What a node does with a peer that introduces itself, and asks, as it should not.
#include <chrono>

#include "node_protocol_fixture.h"

namespace onward {
namespace {

using namespace std::chrono_literals;
using test::NodeProtocolTest;
using test::ScriptedPeer;
using ::testing::AllOf;
using ::testing::HasSubstr;

// ---- The handshake.

TEST_F(NodeProtocolTest, BothSayHelloAndThenCallsAreServed) {
  start_node();
  const PeerPtr peer = stage->enter("p");
  const auto said = peer->next(MessageKind::kHello);
  ASSERT_TRUE(said);
  const auto mine = wire::decode_hello(said->payload.body.bytes());
  ASSERT_TRUE(mine);
  EXPECT_EQ(mine->node, "b");
  EXPECT_EQ(mine->codecs.size(), 2U);
  EXPECT_EQ(mine->max_body_bytes, MessageLimits().max_body_bytes);
  ScriptedPeer::say(peer, hello_of("p"));
  expect_serves(peer);
}

TEST_F(NodeProtocolTest, WhatComesBeforeHelloClosesTheConnection) {
  start_node();
  for (const MessageKind kind : {MessageKind::kRequest, MessageKind::kResponse, MessageKind::kError, MessageKind::kPing,
                                 MessageKind::kGoaway, MessageKind::kCancel, static_cast<MessageKind>(99)}) {
    const PeerPtr peer = stage->enter("p");
    ScriptedPeer::say(peer, wire::bare(kind, 1));
    const Status reason = peer->wait_closed();
    EXPECT_EQ(reason.code(), StatusCode::kInvalidArgument) << static_cast<int>(kind);
    EXPECT_THAT(reason.message(), AllOf(HasSubstr("before HELLO"), HasSubstr("script://p")));
  }
  ASSERT_TRUE(lines.wait_for("before HELLO"));
  expect_serves(enter("good"));
}

TEST_F(NodeProtocolTest, ASecondHelloClosesTheConnection) {
  start_node();
  const PeerPtr peer = enter("p");
  ScriptedPeer::say(peer, hello_of("p"));
  EXPECT_THAT(peer->wait_closed().message(), HasSubstr("a second HELLO from p"));
}

TEST_F(NodeProtocolTest, AHelloThatCannotBeReadClosesTheConnection) {
  start_node();
  const PeerPtr peer = stage->enter("p");
  Message broken = hello_of("p");
  broken.payload.body = Buffer::copy_of("not a table at all");
  ScriptedPeer::say(peer, std::move(broken));
  EXPECT_THAT(peer->wait_closed().message(), HasSubstr("malformed HELLO"));
}

TEST_F(NodeProtocolTest, VersionsThatDoNotMeetCloseTheConnectionAndSayWhy) {
  start_node();
  const PeerPtr newer = stage->enter("p");
  wire::Hello future = hello("p");
  future.protocol_min = 2;
  future.protocol_max = 5;
  ScriptedPeer::say(newer, wire::encode_hello(future));
  const Status reason = newer->wait_closed();
  EXPECT_EQ(reason.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(reason.message(),
              AllOf(HasSubstr("versions 2 to 5"), HasSubstr("this node 1 to 1"), HasSubstr("upgrade")));

  const PeerPtr wide = stage->enter("q");
  future.protocol_min = 1;
  ScriptedPeer::say(wide, wire::encode_hello(future));
  expect_serves(wide);
}

// ---- Requests.

TEST_F(NodeProtocolTest, RequestsThatCannotBeServedAreAnsweredWithTheReason) {
  start_node();
  const PeerPtr peer = enter("p");
  ScriptedPeer::say(peer, request("no_such", 1));
  EXPECT_EQ(error_in(peer->next(MessageKind::kError)).code(), StatusCode::kUnimplemented);

  Message codec = add_request(1, 2, 2);
  codec.header.codec = 200;
  ScriptedPeer::say(peer, std::move(codec));
  const Status unknown_codec = error_in(peer->next(MessageKind::kError));
  EXPECT_EQ(unknown_codec.code(), StatusCode::kUnimplemented);
  EXPECT_THAT(unknown_codec.message(), HasSubstr("codec 200"));

  Message signature = add_request(1, 2, 3);
  signature.header.signature = 12345;
  ScriptedPeer::say(peer, std::move(signature));
  EXPECT_EQ(error_in(peer->next(MessageKind::kError)).code(), StatusCode::kInvalidArgument);

  Message garbage = request("add", 4);
  garbage.payload.body = Buffer::copy_of("\xFF\xFF\xFF\xFF\xFF garbage");
  ScriptedPeer::say(peer, std::move(garbage));
  const Status unreadable = error_in(peer->next(MessageKind::kError));
  EXPECT_EQ(unreadable.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(unreadable.message(), HasSubstr("add(int32, int32) -> int32"));

  ScriptedPeer::say(peer, request("add", 5));  // no body
  EXPECT_EQ(error_in(peer->next(MessageKind::kError)).code(), StatusCode::kInvalidArgument);
  expect_serves(peer);
}

TEST_F(NodeProtocolTest, TheCallIdOfAnUnansweredRequestAgainEndsTheConnection) {
  start_node();
  const PeerPtr peer = enter("p");
  ScriptedPeer::say(peer, park_request(9));
  ScriptedPeer::say(peer, park_request(9));
  EXPECT_TRUE(lines.wait_for("a second request with the call id 9 before the first was answered")) << lines.text();
  EXPECT_TRUE(wait_until_parked(*b, 0));
  parked.mark_complete(1);
  expect_serves(enter("q"));
}

TEST_F(NodeProtocolTest, ACallIdMayComeAgainOnceItWasAnswered) {
  start_node();
  const PeerPtr peer = enter("p");
  ScriptedPeer::say(peer, park_request(9));
  ASSERT_TRUE(wait_until_parked(*b, 1));
  parked.mark_complete(1);
  EXPECT_TRUE(peer->next(MessageKind::kResponse));
  ScriptedPeer::say(peer, park_request(9));
  EXPECT_TRUE(peer->next(MessageKind::kResponse));
}

TEST_F(NodeProtocolTest, ACancelledRequestIsNotAnswered) {
  start_node();
  const PeerPtr peer = enter("p");
  ScriptedPeer::say(peer, park_request(9));
  ScriptedPeer::say(peer, park_request(10));
  ASSERT_TRUE(wait_until_parked(*b, 2));
  ScriptedPeer::say(peer, wire::bare(MessageKind::kCancel, 9));
  ScriptedPeer::say(peer, wire::bare(MessageKind::kCancel, 11));  // nobody's
  ASSERT_TRUE(wait_until_parked(*b, 1));
  parked.mark_complete(1);
  const auto answer = peer->next(MessageKind::kResponse);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->header.call_id, 10U);
  expect_serves(peer);
}

TEST_F(NodeProtocolTest, ARequestWhoseTimeIsOverIsNotRun) {
  start_node();
  const PeerPtr peer = enter("p");
  Message late = add_request(1, 2, 9);
  late.header.timeout_ms = 0;
  ScriptedPeer::say(peer, std::move(late));
  EXPECT_EQ(error_in(peer->next(MessageKind::kError)).code(), StatusCode::kDeadlineExceeded);
}

TEST_F(NodeProtocolTest, AContextThatIsNoneIsRefused) {
  start_node();
  const PeerPtr peer = enter("p");
  const auto with_context = [&](std::string_view bytes) {
    Message message = add_request(1, 2, 9);
    message.header.flags = MessageHeader::kHasContext;
    message.payload.segments.push_back(Buffer::copy_of(bytes));
    ScriptedPeer::say(peer, std::move(message));
    return error_in(peer->next(MessageKind::kError));
  };
  EXPECT_EQ(with_context("").code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(with_context("no table at all").code(), StatusCode::kInvalidArgument);
  expect_serves(peer);
}

TEST_F(NodeProtocolTest, AParkedCallWhosePeerHasGoneIsDropped) {
  start_node();
  const PeerPtr peer = enter("p");
  ScriptedPeer::say(peer, park_request(1));
  ASSERT_TRUE(wait_until_parked(*b, 1));
  ScriptedPeer::hang_up(peer, Status());
  ASSERT_TRUE(wait_until(*b, [](const auto& s) { return s.connections == 0; }));
  parked.mark_complete(1);
  expect_serves(enter("q"));
  EXPECT_EQ(b->statistics().requests_in_flight, 0U);
}

TEST_F(NodeProtocolTest, AParkedCallWhosePeerHasGoneDoesNotHoldUpTheEnd) {
  start_node();
  const PeerPtr peer = enter("p");
  ScriptedPeer::say(peer, park_request(1));
  ASSERT_TRUE(wait_until_parked(*b, 1));
  ScriptedPeer::hang_up(peer, Status());
  ASSERT_TRUE(wait_until(*b, [](const auto& s) { return s.connections == 0; }));
  b->stop(0s);
  b.reset();
  EXPECT_NO_THROW(parked.mark_complete(1));
}

TEST_F(NodeProtocolTest, PingsAreEchoed) {
  start_node();
  const PeerPtr peer = enter("p");
  ScriptedPeer::say(peer, wire::bare(MessageKind::kPing, 0xFEDC'BA98'7654'3210));
  const auto pong = peer->next(MessageKind::kPong);
  ASSERT_TRUE(pong);
  EXPECT_EQ(pong->header.call_id, 0xFEDC'BA98'7654'3210);
}

TEST_F(NodeProtocolTest, MessagesThatNobodyWaitsForAreDropped) {
  start_node();
  const PeerPtr peer = enter("p");
  for (const std::uint64_t call_id : {std::uint64_t{0}, std::uint64_t{1} << 32, ~std::uint64_t{0}}) {
    ScriptedPeer::say(peer, response(call_id, 1));
    ScriptedPeer::say(peer, wire::encode_error(call_id, Status(StatusCode::kInternal, "x")));
    ScriptedPeer::say(peer, wire::bare(MessageKind::kError, call_id));
    ScriptedPeer::say(peer, wire::bare(MessageKind::kCancel, call_id));
    ScriptedPeer::say(peer, wire::bare(MessageKind::kPong, call_id));
  }
  expect_serves(peer);
}

}  // namespace
}  // namespace onward
