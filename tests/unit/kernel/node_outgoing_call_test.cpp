// SPDX-License-Identifier: Apache-2.0
//
// Calls as the kernel sees them, of an owner that has no Future: what it is told, and how it ends them.
#include <algorithm>
#include <atomic>
#include <deque>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "known_transport.h"
#include "node_protocol_fixture.h"

namespace onward {
namespace {

using namespace std::chrono_literals;
using test::Event;
using test::kHang;
using test::NodeProtocolTest;
using test::ScriptedPeer;
using ::testing::HasSubstr;

class OwnCall;

// What a call was told, and what its owner does then.
struct Told {
  std::atomic<int> responses = 0;
  std::atomic<int> failures = 0;
  std::atomic<int> unknown = 0;
  std::atomic<int> ends = 0;
  Status error;
  std::string peer;  // that has answered
  Event ended;
  OwnCall* call = nullptr;
  std::function<void()> when_failed = {};
  std::function<bool()> when_unknown = {};

  [[nodiscard]] bool wait() { return ended.wait(); }
};

class OwnCall final : public OutgoingCall {
 public:
  OwnCall(const FunctionName& name, const Signature& signature, Told& told)
      : OutgoingCall(name, signature), told_(told) {
    told.call = this;
  }
  void on_response(const Codec&, InboundMessage&) noexcept override {
    ++told_.responses;
    told_.peer = answered_by().name();
  }
  void on_failure(const Status& error) noexcept override {
    ++told_.failures;
    told_.error = error;
    if (told_.when_failed) told_.when_failed();
  }
  bool on_unknown_function() noexcept override {
    ++told_.unknown;
    told_.peer = answered_by().name();
    return told_.when_unknown && told_.when_unknown();
  }
  void destroy() noexcept override {
    Told& told = told_;
    told.call = nullptr;
    pool_delete(this);
    ++told.ends;
    told.ended.set();
  }

 private:
  Told& told_;
};

// Of a function without parameters that returns an int.
void begin(Node& node, const Destination& to, std::string_view function, Told& told) {
  const FunctionName& name = FunctionName::intern(function);
  const Signature& signature = detail::signature_of<int>();
  const Codec* codec = node.codec({}).value();
  Message message;
  const Status encoded = codec->encode(
      [](Encoder& out) {
        out.begin_sequence(0);
        out.end_sequence();
      },
      message.payload);
  EXPECT_TRUE(encoded.ok());
  message.header.codec = codec->id();
  message.header.function_id = name.id;
  message.header.signature = signature.hash;
  node.start_call(*pool_new<OwnCall>(name, signature, told), to, std::move(message));
}

class NodeOutgoingCallTest : public NodeProtocolTest {
 protected:
  // Runs `step` on the node's kernel thread.
  static void on_kernel_thread(Node& node, const std::function<void()>& step) {
    Event done;
    node.loop().post([&] {
      step();
      done.set();
    });
    ASSERT_TRUE(done.wait());
  }
  static void cancel(Node& node, Told& told, const Status& reason) {
    on_kernel_thread(node, [&] { told.call->cancel(reason); });
  }
  static void expect_failed_once(Told& told) {
    ASSERT_TRUE(told.wait());
    EXPECT_EQ(told.failures, 1);
    EXPECT_EQ(told.responses, 0);
    EXPECT_EQ(told.ends, 1);
  }
};

TEST_F(NodeOutgoingCallTest, OneThatItsOwnerCancelsIsCancelledAtThePeer) {
  start_node();
  const PeerPtr peer = enter("p");
  Told told;
  begin(*b, "p", "f", told);
  const auto sent = peer->next(MessageKind::kRequest);
  ASSERT_TRUE(sent);
  on_kernel_thread(*b, [&] {
    told.call->cancel(Status(StatusCode::kAborted, "enough"));
    EXPECT_EQ(told.ends, 1);
  });
  expect_failed_once(told);
  EXPECT_EQ(told.error.to_string(), "ABORTED: call of f at p (script://p): enough");
  const auto cancelled = peer->next(MessageKind::kCancel);
  ASSERT_TRUE(cancelled);
  EXPECT_EQ(cancelled->header.call_id, sent->header.call_id);
  EXPECT_EQ(b->statistics().calls_in_flight, 0U);
  // A late answer finds nobody.
  ScriptedPeer::say(peer, response(sent->header.call_id, 1));
  expect_serves(peer);
  EXPECT_EQ(told.responses, 0);
}

TEST_F(NodeOutgoingCallTest, OneThatWaitsForItsPeerIsNotSent) {
  start_node();
  Told told;
  Told other;
  begin(*b, "known", "f", told);
  begin(*b, "known", "g", other);
  const PeerPtr peer = stage->next_dialled();
  ASSERT_NE(peer, nullptr);
  cancel(*b, told, {});
  expect_failed_once(told);
  EXPECT_EQ(told.error.to_string(), "CANCELLED: call of f at known (script://known): cancelled");
  ScriptedPeer::say(peer, hello_of("known"));
  const auto sent = peer->next(MessageKind::kRequest);
  ASSERT_TRUE(sent);
  EXPECT_EQ(sent->header.function_id, function_id("g"));
  ScriptedPeer::say(peer, response(sent->header.call_id, 1));
  ASSERT_TRUE(other.wait());
  EXPECT_EQ(other.responses, 1);
}

TEST_F(NodeOutgoingCallTest, OneThatIsOnItsWayToTheKernelThreadFailsThere) {
  start_node();
  const PeerPtr peer = enter("p");
  expect_serves(peer);
  Told told;
  on_kernel_thread(*b, [&] {
    std::thread([&] { begin(*b, "p", "f", told); }).join();
    told.call->cancel(Status(StatusCode::kAborted, "enough"));
    EXPECT_EQ(told.ends, 0);
  });
  expect_failed_once(told);
  EXPECT_EQ(told.error.to_string(), "ABORTED: call of f at p: it was cancelled before it was sent");
  Told next;
  begin(*b, "p", "g", next);
  const auto sent = peer->next(MessageKind::kRequest);
  ASSERT_TRUE(sent);
  EXPECT_EQ(sent->header.function_id, function_id("g"));
  ScriptedPeer::say(peer, response(sent->header.call_id, 1));
  ASSERT_TRUE(next.wait());
}

// Whoever is told that a peer cannot be reached may give up others that wait for it.
TEST_F(NodeOutgoingCallTest, OneThatFailsMayCancelOthersThatFailWithIt) {
  NodeOptions client = options("a");
  introduce(client, "nobody");
  a = start(std::move(client));
  constexpr std::size_t kCalls = 10;
  std::vector<Told> told(kCalls);
  for (std::size_t i = 0; i < kCalls; ++i) {
    told[i].when_failed = [&told, i] {
      for (const std::size_t other : {i + 1, i + 3, i + 4, kCalls - 1 - i}) {
        if (other == i || other >= kCalls || told[other].failures > 0) continue;
        told[other].call->cancel(Status(StatusCode::kAborted, "given up"));
      }
    };
  }
  on_kernel_thread(*a, [&] {
    for (Told& each : told) begin(*a, to("nobody", {.fail_fast = true}), "f", each);
  });
  for (Told& each : told) expect_failed_once(each);
  EXPECT_EQ(told[0].error.code(), StatusCode::kUnavailable);
  EXPECT_EQ(told[1].error.code(), StatusCode::kAborted);
  EXPECT_EQ(a->statistics().calls_in_flight, 0U);
}

// Also where the list of those that wait is tidied up meanwhile.
TEST_F(NodeOutgoingCallTest, ThoseThatFailTogetherDoSoInTheirOrder) {
  NodeOptions client = options("a");
  introduce(client, "nobody");
  client.connect_backoff = client.connect_backoff_max = 1h;
  a = start(std::move(client));
  constexpr std::size_t kCalls = 200;
  constexpr std::size_t kTidies = 150;
  Told patient;
  Told more;
  std::vector<Told> told(kCalls);
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < kCalls; ++i) {
    told[i].when_failed = [&, i] {
      order.push_back(i);
      if (i == kTidies) begin(*a, "nobody", "f", more);
    };
  }
  on_kernel_thread(*a, [&] {
    begin(*a, "nobody", "f", patient);
    for (Told& each : told) begin(*a, to("nobody", {.fail_fast = true}), "f", each);
  });
  for (Told& each : told) expect_failed_once(each);
  EXPECT_EQ(a->statistics().calls_in_flight, 2U);
  EXPECT_EQ(order.size(), kCalls);
  EXPECT_TRUE(std::ranges::is_sorted(order));
  a->stop(0s);
  expect_failed_once(patient);
  expect_failed_once(more);
}

TEST_F(NodeOutgoingCallTest, AnUnknownFunctionMayBeItsOwnersToSeeTo) {
  start_pair([](FunctionTable& table) { ASSERT_TRUE(table.add("there", [] { return 1; }).ok()); });
  Told second;
  Told first;
  first.when_unknown = [&] {
    begin(*a, "b", "there", second);
    return true;
  };
  begin(*a, "b", "absent", first);
  ASSERT_TRUE(first.wait());
  EXPECT_EQ(first.unknown, 1);
  EXPECT_EQ(first.failures, 0);
  EXPECT_EQ(first.ends, 1);
  ASSERT_TRUE(second.wait());
  EXPECT_EQ(second.responses, 1);
  Told plain;
  begin(*a, "b", "absent", plain);
  expect_failed_once(plain);
  EXPECT_EQ(plain.unknown, 1);
  EXPECT_EQ(plain.error.code(), StatusCode::kUnimplemented);
  EXPECT_THAT(plain.error.message(), HasSubstr("\"absent\" is not registered at b (inproc://b)"));
}

TEST_F(NodeOutgoingCallTest, AFunctionThatSaysUnimplementedItselfIsKnown) {
  start_pair([](FunctionTable& table) {
    for (const char* words : {"", "not yet"}) {
      const auto refuse = [words]() -> Result<int> { return fail(StatusCode::kUnimplemented, words); };
      ASSERT_TRUE(table.add(words == std::string_view() ? "silent" : "polite", refuse).ok());
    }
  });
  for (const char* name : {"silent", "polite"}) {
    Told told;
    told.when_unknown = [] { return true; };
    begin(*a, "b", name, told);
    expect_failed_once(told);
    EXPECT_EQ(told.unknown, 0);
    EXPECT_EQ(told.error.code(), StatusCode::kUnimplemented);
    EXPECT_EQ(told.error.message(), name == std::string_view("silent") ? "" : "not yet");
  }
}

TEST_F(NodeOutgoingCallTest, KnowsWhoHasAnswered) {
  NodeOptions client = options("a");
  introduce(client, "b");
  client.transports = {[make = client.transports.front()](EventLoop& loop, const MessageLimits& limits) {
    return std::make_unique<test::KnownTransport>(make(loop, limits),
                                                  PeerIdentity{.names = {"certified", "b"}, .names_nodes = true}, true);
  }};
  start_pair(std::move(client), options("b"),
             [](FunctionTable& table) { ASSERT_TRUE(table.add("there", [] { return 1; }).ok()); });
  for (const char* name : {"there", "absent"}) {
    Told told;
    begin(*a, "b", name, told);
    ASSERT_TRUE(told.wait());
    EXPECT_EQ(told.peer, "certified") << name;
  }
}

// Wherever they stand: sent, waiting for a connection, or on their way to the kernel thread.
TEST_F(NodeOutgoingCallTest, AllEndWithTheirNodeOnWhateverThreadTheyWereMade) {
  constexpr std::size_t kThreads = 4;
  NodeOptions client = options("a");
  client.peers["b"] = {"inproc://b"};
  client.peers["nobody"] = {"inproc://nobody"};
  start_pair(std::move(client), options("b"),
             [this](FunctionTable& table) { ASSERT_TRUE(table.add("park", [this] { return parked; }).ok()); });
  std::vector<std::deque<Told>> told(kThreads);
  std::vector<std::thread> threads;
  std::atomic<bool> over = false;
  std::atomic<std::size_t> begun = 0;
  const CallContext root = CallContext::make(a->loop());
  for (std::size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      const ContextScope scope(t % 2 == 0 ? root : CallContext());
      // Some behind the end as well.
      for (int behind = 0; behind < 10; behind += over ? 1 : 0) {
        begin(*a, to(behind % 2 == 0 ? "b" : "nobody", {.timeout = kNoTimeout}), "park", told[t].emplace_back());
        begin(*a, to("nobody", {.timeout = kNoTimeout}), "park", told[t].emplace_back());
        if (++begun > 2000) std::this_thread::yield();
      }
    });
  }
  while (begun < 100) std::this_thread::yield();
  a->stop(0s);
  over = true;
  for (std::thread& thread : threads) thread.join();
  for (auto& calls : told) {
    for (Told& each : calls) {
      expect_failed_once(each);
      EXPECT_EQ(each.error.code(), StatusCode::kUnavailable) << each.error.to_string();
    }
  }
}

}  // namespace
}  // namespace onward
