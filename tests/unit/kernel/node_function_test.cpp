// SPDX-License-Identifier: Apache-2.0
//
// Functions that are added while the node runs, and results that are encoded already.
#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "node_fixture.h"

namespace onward {
namespace {

using namespace std::chrono_literals;
using test::add_numbers;
using test::error_of;
using test::Event;
using test::kHang;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Key;

class NodeFunctionTest : public test::NodeTest {
 protected:
  template <class F>
  static Future<void> add_to(Node& node, std::string_view name, F function) {
    return node.add_function(detail::make_function(name, std::move(function), "Came late."));
  }
  Future<void> add_parking(std::string_view name) {
    return add_to(*b, name, [this] { return parked; });
  }
  [[nodiscard]] Future<int> call(std::string_view name) const { return rpc_async(*a, "b", remote<int()>(name)); }

  const Future<int> parked{static_cast<LoopHandle*>(nullptr)};
};

TEST_F(NodeFunctionTest, OneThatIsAddedWhileTheNodeRunsIsFound) {
  start_pair();
  EXPECT_EQ(error_of(rpc_async(*a, "b", remote<int(int, int)>("late"), 1, 2)).code(), StatusCode::kUnimplemented);
  add_to(*b, "late", &add_numbers).wait(kHang);
  EXPECT_EQ(rpc_sync(*a, "b", remote<int(int, int)>("late"), 1, 2), 3);
  EXPECT_EQ(error_of(rpc_async(*a, "b", remote<int()>("late"))).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(a->statistics().connections, 1U);
  // Its address is not known: that is read by any thread.
  EXPECT_FALSE(b->name_of(reinterpret_cast<const void*>(&add_numbers)));
}

TEST_F(NodeFunctionTest, BeforeTheStartItIsThereAtOnce) {
  b = std::make_unique<Node>(options("b"));
  EXPECT_TRUE(add_to(*b, "early", [] { return 1; }).done());
  EXPECT_EQ(add_to(*b, "early", [] { return 2; }).status().code(), StatusCode::kAlreadyExists);
  ASSERT_TRUE(b->start().ok());
  EXPECT_EQ(rpc_sync(*b, "b", remote<int()>("early")), 1);
}

TEST_F(NodeFunctionTest, OnTheKernelThreadItIsThereAtOnce) {
  start_pair([](FunctionTable& table) {
    const auto learn = [](const std::string& name) { return add_to(*Node::current(), name, [] { return 4; }).done(); };
    ASSERT_TRUE(table.add("learn", learn).ok());
  });
  EXPECT_TRUE(rpc_sync(*a, "b", remote<bool(std::string)>("learn"), std::string("late")));
  EXPECT_EQ(call("late").wait(kHang), 4);
}

TEST_F(NodeFunctionTest, ErrorsAreThoseOfTheTable) {
  start_pair([](FunctionTable& table) { ASSERT_TRUE(table.add("add", &add_numbers).ok()); });
  const Status twice = error_of(add_to(*b, "add", [] { return 1; }));
  EXPECT_EQ(twice.code(), StatusCode::kAlreadyExists);
  EXPECT_THAT(twice.message(), HasSubstr("\"add\" is registered twice"));
  const Status reserved = error_of(add_to(*b, "onward.add", [] { return 1; }));
  EXPECT_EQ(reserved.code(), StatusCode::kInvalidArgument);
  const Status frozen = b->functions().add("late", &add_numbers);
  EXPECT_EQ(frozen.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(frozen.message(), HasSubstr("Node::add_function()"));
  EXPECT_EQ(rpc_sync(*a, "b", add_numbers, 1, 2), 3);
}

TEST_F(NodeFunctionTest, AfterTheEndItIsRefused) {
  start_pair();
  b->stop();
  const auto kept = std::make_shared<int>(1);
  const Future<void> late = add_to(*b, "late", [kept] { return *kept; });
  EXPECT_TRUE(late.done());
  EXPECT_EQ(kept.use_count(), 1);
  EXPECT_EQ(late.status().code(), StatusCode::kUnavailable);
  EXPECT_EQ(late.status().message(), "node b has shut down");
}

TEST_F(NodeFunctionTest, AllThatAreAddedAtOnceAreFoundOrRefused) {
  constexpr int kThreads = 4;
  constexpr int kEach = 50;
  start_pair([](FunctionTable& table) { ASSERT_TRUE(table.add("add", &add_numbers).ok()); });
  std::vector<std::thread> threads;
  std::atomic<int> taken = 0;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        // Each name by two threads.
        const std::string name = "late" + std::to_string((t / 2 * kEach) + i);
        const Status status = error_of(add_to(*b, name, [name] { return name; }));
        if (status.ok()) {
          ++taken;
        } else {
          EXPECT_EQ(status.code(), StatusCode::kAlreadyExists);
        }
      }
    });
  }
  for (int i = 0; i < 200; ++i) EXPECT_EQ(rpc_sync(*a, "b", add_numbers, i, 1), i + 1);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(taken, kThreads / 2 * kEach);
  for (int i = 0; i < kThreads / 2 * kEach; ++i) {
    const std::string name = "late" + std::to_string(i);
    EXPECT_EQ(rpc_sync(*a, "b", remote<std::string()>(name)), name);
  }
}

TEST_F(NodeFunctionTest, EachIsAnsweredWhileTheNodeStops) {
  start_pair();
  std::atomic<bool> over = false;
  std::thread adder([&] {
    for (int i = 0; !over; ++i) {
      const Status status = error_of(add_to(*b, "late" + std::to_string(i), [] { return 1; }));
      if (!status.ok()) {
        EXPECT_EQ(status.code(), StatusCode::kUnavailable) << status.to_string();
      }
    }
  });
  b->stop();
  over = true;
  adder.join();
}

TEST_F(NodeFunctionTest, LimitsHoldForItAsForOthers) {
  NodeOptions server = options("b");
  ASSERT_TRUE(server.per_function.add("late*", {.max_in_flight = 1, .adaptive = false}).ok());
  server.adaptive_limits = true;
  start_pair(options("a"), std::move(server));
  // Rules that came before it, and those that come behind.
  add_parking("late").wait(kHang);
  add_parking("other").wait(kHang);
  const auto held = call("late");
  const auto free = call("other");
  ASSERT_TRUE(wait_until_parked(*b, 2));
  const Status status = error_of(call("late"));
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(status.message(), AllOf(HasSubstr("late is called more"), HasSubstr("limits.functions")));
  EXPECT_THAT(b->statistics().adaptive_limits, Contains(Key("other")));
  NodeOptions changed = b->options();
  ASSERT_TRUE(changed.per_function.add("other", {.max_in_flight = 1}).ok());
  ASSERT_TRUE(b->reload(changed).ok());
  EXPECT_EQ(error_of(call("other")).code(), StatusCode::kResourceExhausted);
  parked.mark_complete(1);
  EXPECT_EQ(held.wait(kHang), 1);
  EXPECT_EQ(free.wait(kHang), 1);
}

// ---- Results that are encoded already.

// Answers with a string of so many bytes, which another thread has encoded.
class Prepared final : public Function {
 public:
  Prepared(std::string_view name, std::size_t bytes, const Signature& signature = detail::signature_of<std::string>())
      : Function(FunctionName::intern(name), signature, RunMode::kDirect, ""), bytes_(bytes) {}
  void invoke(IncomingCall& call) const noexcept override {
    Payload payload;
    std::thread([&] {
      const std::string text(bytes_, 'x');
      EXPECT_TRUE(call.codec.encode([&](Encoder& out) { out.string(text); }, payload).ok());
    }).join();
    call.sink.send_payload(call.message.header.call_id, call.codec, name(), std::move(payload));
  }

 private:
  std::size_t bytes_;
};

TEST_F(NodeFunctionTest, APayloadIsAnAnswerAsAResultIs) {
  NodeOptions client = options("a");
  client.limits.max_body_bytes = 2000;
  start_pair(std::move(client), options("b"), [](FunctionTable& table) {
    ASSERT_TRUE(table.insert(std::make_unique<Prepared>("small", 1000), nullptr).ok());
    ASSERT_TRUE(table.insert(std::make_unique<Prepared>("large", 3000), nullptr).ok());
  });
  EXPECT_EQ(rpc_sync(*a, "b", remote<std::string()>("small")), std::string(1000, 'x'));
  const Status status = error_of(rpc_async(*a, "b", remote<std::string()>("large")));
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(status.message(), AllOf(HasSubstr("the result of large cannot be sent: "), HasSubstr("body 2000")));
  ASSERT_EQ(status.trail().size(), 1U);
  EXPECT_EQ(status.trail()[0].function, "large");
  EXPECT_TRUE(wait_until_parked(*b, 0));
  EXPECT_EQ(lines.count("ended"), 0U) << lines.text();
}

TEST_F(NodeFunctionTest, ASignatureThatIsNotKnownAgreesWithAll) {
  const Signature number = detail::signature_of<int, int>();
  const Signature text = detail::signature_of<std::string>();
  EXPECT_TRUE(number.agrees_with(number.hash));
  EXPECT_TRUE(number.agrees_with(0));
  EXPECT_FALSE(number.agrees_with(text.hash));
  static const Signature any = [] {
    Signature made("(any...) -> any");
    made.hash = 0;
    return made;
  }();
  start_pair([](FunctionTable& table) {
    ASSERT_TRUE(table.insert(std::make_unique<Prepared>("any", 10, any), nullptr).ok());
    ASSERT_TRUE(table.insert(std::make_unique<Prepared>("text", 10), nullptr).ok());
  });
  EXPECT_EQ(rpc_sync(*a, "b", remote<std::string(int)>("any"), 1), std::string(10, 'x'));
  EXPECT_EQ(rpc_sync(*a, "b", remote<std::string()>("any")), std::string(10, 'x'));
  EXPECT_EQ(error_of(rpc_async(*a, "b", remote<std::string(int)>("text"), 1)).code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace onward
