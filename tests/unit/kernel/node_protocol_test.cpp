// SPDX-License-Identifier: Apache-2.0
//
// What a node does with a peer that says what it should not, or says it late, twice, or to the wrong one.
#include "node_fixture.h"
#include "scripted_transport.h"

namespace onward {
namespace {

using namespace std::chrono_literals;
using test::error_of;
using test::kHang;
using test::ScriptedPeer;
using ::testing::AllOf;
using ::testing::HasSubstr;

int add_numbers(int x, int y) { return x + y; }

class NodeProtocolTest : public test::NodeTest {
 protected:
  using PeerPtr = std::shared_ptr<ScriptedPeer>;

  void start_node() {
    NodeOptions server = options("b");
    server.listen = {"script://b"};
    server.peers["known"] = {"script://known"};
    server.transports = {[stage = stage](EventLoop& loop, const MessageLimits&) {
      return std::make_unique<test::ScriptedTransport>(loop, stage);
    }};
    b = start(std::move(server), [this](FunctionTable& table) {
      ASSERT_TRUE(table.add("add", &add_numbers).ok());
      ASSERT_TRUE(table.add("park", [this] { return parked; }).ok());
    });
  }
  static wire::Hello hello(const std::string& name) {
    return {.node = name,
            .software = "script",
            .max_body_bytes = 1 << 20,
            .max_message_bytes = 1 << 20,
            .codecs = {{1, "flex"}, {3, "raw"}, {77, "own"}}};
  }
  static Message hello_of(const std::string& name) { return wire::encode_hello(hello(name)); }
  // Connected and introduced.
  PeerPtr enter(const std::string& name) {
    PeerPtr peer = stage->enter(name);
    EXPECT_TRUE(peer->next(MessageKind::kHello));
    ScriptedPeer::say(peer, hello_of(name));
    return peer;
  }
  static Message request(const char* function, std::uint64_t call_id) {
    Message message;
    message.header.kind = MessageKind::kRequest;
    message.header.codec = 1;
    message.header.call_id = call_id;
    message.header.function_id = function_id(function);
    return message;
  }
  static Message add_request(int x, int y, std::uint64_t call_id) {
    Message message = request("add", call_id);
    EXPECT_TRUE(make_flex_codec()
                    ->encode(
                        [&](Encoder& encoder) {
                          encoder.begin_sequence(2);
                          encoder.integer(x);
                          encoder.integer(y);
                          encoder.end_sequence();
                        },
                        message.payload)
                    .ok());
    return message;
  }
  static Message park_request(std::uint64_t call_id) {
    Message message = request("park", call_id);
    EXPECT_TRUE(make_flex_codec()
                    ->encode(
                        [](Encoder& encoder) {
                          encoder.begin_sequence(0);
                          encoder.end_sequence();
                        },
                        message.payload)
                    .ok());
    return message;
  }
  static Message response(std::uint64_t call_id, int value) {
    Message message;
    message.header.kind = MessageKind::kResponse;
    message.header.codec = 1;
    message.header.call_id = call_id;
    EXPECT_TRUE(make_flex_codec()->encode([&](Encoder& encoder) { encoder.integer(value); }, message.payload).ok());
    return message;
  }
  static Status error_in(const std::optional<Message>& message) {
    if (!message) return {StatusCode::kDeadlineExceeded, "no message came"};
    const auto error = wire::decode_error(message->payload.body.bytes());
    return error ? error->status : error.error();
  }
  void expect_serves(const PeerPtr& peer) {
    ScriptedPeer::say(peer, add_request(2, 3, 4711));
    const auto answer = peer->next(MessageKind::kResponse);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->header.call_id, 4711U);
    EXPECT_FALSE(peer->closed());
  }

  const std::shared_ptr<test::Stage> stage = std::make_shared<test::Stage>();
  const Future<int> parked{static_cast<LoopHandle*>(nullptr)};
  const Remote<int()> f = remote<int()>("f");
};

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

TEST_F(NodeProtocolTest, TheSameCallIdTwiceIsAnsweredTwice) {
  start_node();
  const PeerPtr peer = enter("p");
  ScriptedPeer::say(peer, park_request(9));
  ScriptedPeer::say(peer, park_request(9));
  ASSERT_TRUE(wait_until_parked(*b, 2));
  parked.mark_complete(1);
  for (int i = 0; i < 2; ++i) {
    const auto answer = peer->next(MessageKind::kResponse);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->header.call_id, 9U);
  }
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

// ---- Answers.

TEST_F(NodeProtocolTest, AnswersAreTakenOnceAndFromTheRightOne) {
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

TEST_F(NodeProtocolTest, AnswersThatCannotBeReadFailTheCall) {
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

TEST_F(NodeProtocolTest, ACallThatRunsOutIsCancelledAtThePeer) {
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

TEST_F(NodeProtocolTest, TimeoutsTravelAsTheTimeThatIsLeft) {
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

TEST_F(NodeProtocolTest, AfterGoawayCallsInFlightAreAnsweredAndNewOnesGoElsewhere) {
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

TEST_F(NodeProtocolTest, CallsBackUseTheConnectionThatIsLeft) {
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

TEST_F(NodeProtocolTest, APeerThatDoesNotReadItsAnswersIsNotReadFrom) {
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

TEST_F(NodeProtocolTest, APeerThatOwesAnAnswerIsReadFrom) {
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

TEST_F(NodeProtocolTest, APausedPeerIsReadFromAgainWhenItOwesAnAnswer) {
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
