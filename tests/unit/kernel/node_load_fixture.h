// SPDX-License-Identifier: Apache-2.0
//
// A node b with functions whose ends, and whose time, are the test's.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "node_protocol_fixture.h"

namespace onward::test {

class NodeLoadTest : public NodeProtocolTest {
 protected:
  using Change = std::function<void(NodeOptions&)>;

  [[nodiscard]] NodeOptions limited(const Change& change) {
    NodeOptions server = options("b");
    server.listen = {"script://b", "inproc://b"};
    server.clock = &clock;
    server.transports.push_back([stage = stage](EventLoop& loop, const MessageLimits&) {
      return std::make_unique<ScriptedTransport>(loop, stage);
    });
    change(server);
    return server;
  }
  // With `more` functions than these.
  void start_limited(const Change& change, const Register& more = {}) {
    b = start(limited(change), [&](FunctionTable& table) {
      ASSERT_TRUE(table.add("add", &add_numbers).ok());
      ASSERT_TRUE(table.add("hold", [this](const std::string&) { return hold(); }).ok());
      ASSERT_TRUE(table.add("advance", [this](int ms) { clock.advance(std::chrono::milliseconds(ms)); }).ok());
      ASSERT_TRUE(table.add("stall", [this] { stalled->set_queued(60); }).ok());
      ASSERT_TRUE(table.add("ask", [](const std::string& node) { return rpc_async(node, remote<int()>("f")); }).ok());
      if (more) more(table);
    });
  }
  Future<int> hold() {
    const std::lock_guard lock(mutex_);
    held_.emplace_back();
    return held_.back();
  }
  // Answers the oldest that is held.
  void answer_one() {
    const std::lock_guard lock(mutex_);
    ASSERT_LT(answered_, held_.size());
    held_[answered_++].mark_complete(1);
  }
  [[nodiscard]] std::size_t count_held() {
    const std::lock_guard lock(mutex_);
    return held_.size() - answered_;
  }
  // Of a function of one string.
  static Message text_request(const char* function, const std::string& text, std::uint64_t call_id) {
    return in_flex(request(function, call_id), [&](Encoder& encoder) {
      encoder.begin_sequence(1);
      encoder.string(text);
      encoder.end_sequence();
    });
  }
  static Message hold_request(std::uint64_t call_id, std::size_t bytes = 10) {
    return text_request("hold", std::string(bytes, 'x'), call_id);
  }
  static Message advance_request(int ms, std::uint64_t call_id) {
    return in_flex(request("advance", call_id), [&](Encoder& encoder) {
      encoder.begin_sequence(1);
      encoder.integer(ms);
      encoder.end_sequence();
    });
  }
  static Message with_timeout(Message message, std::uint32_t timeout_ms) {
    message.header.timeout_ms = timeout_ms;
    return message;
  }
  // What comes for a request that is refused, at once.
  static Status refused(const PeerPtr& peer, Message message) {
    ScriptedPeer::say(peer, std::move(message));
    return error_in(peer->next(MessageKind::kError));
  }
  [[nodiscard]] bool wait_until_held(std::size_t count) {
    return wait_until(*b, [&](const Node::Statistics&) { return count_held() == count; });
  }

  ManualClock clock;
  PeerPtr stalled;  // of which "stall" lets some output wait

 private:
  std::mutex mutex_;
  std::vector<Future<int>> held_;
  std::size_t answered_ = 0;
};

}  // namespace onward::test
