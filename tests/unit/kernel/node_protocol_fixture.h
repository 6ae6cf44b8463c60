// SPDX-License-Identifier: Apache-2.0
//
// A node whose peers are the test's: what they say is up to it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "node_fixture.h"
#include "scripted_transport.h"

namespace onward::test {

class NodeProtocolTest : public NodeTest {
 protected:
  using PeerPtr = std::shared_ptr<ScriptedPeer>;

  void start_node() {
    NodeOptions server = options("b");
    server.listen = {"script://b"};
    server.peers["known"] = {"script://known"};
    server.transports = {[stage = stage](EventLoop& loop, const MessageLimits&) {
      return std::make_unique<ScriptedTransport>(loop, stage);
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
  static Message in_flex(Message message, FunctionRef<void(Encoder&)> write) {
    EXPECT_TRUE(make_flex_codec()->encode(write, message.payload).ok());
    return message;
  }
  static Message add_request(int x, int y, std::uint64_t call_id) {
    return in_flex(request("add", call_id), [&](Encoder& encoder) {
      encoder.begin_sequence(2);
      encoder.integer(x);
      encoder.integer(y);
      encoder.end_sequence();
    });
  }
  // Of a function without parameters.
  static Message plain_request(const char* function, std::uint64_t call_id) {
    return in_flex(request(function, call_id), [](Encoder& encoder) {
      encoder.begin_sequence(0);
      encoder.end_sequence();
    });
  }
  static Message park_request(std::uint64_t call_id) { return plain_request("park", call_id); }
  static Message response(std::uint64_t call_id, int value) {
    Message message;
    message.header.kind = MessageKind::kResponse;
    message.header.codec = 1;
    message.header.call_id = call_id;
    return in_flex(std::move(message), [&](Encoder& encoder) { encoder.integer(value); });
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

  const std::shared_ptr<Stage> stage = std::make_shared<Stage>();
  const Future<int> parked{static_cast<LoopHandle*>(nullptr)};
  const Remote<int()> f = remote<int()>("f");
};

}  // namespace onward::test
