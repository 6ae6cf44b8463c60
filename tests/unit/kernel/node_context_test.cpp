// SPDX-License-Identifier: Apache-2.0
//
// What calls inherit: the time that is left, cancellation, trace and baggage, over real connections.
#include <atomic>
#include <chrono>
#include <string>

#include "node_fixture.h"

namespace onward::test {
namespace {

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;
using std::chrono_literals::operator""h;
using ::testing::AllOf;
using ::testing::Gt;
using ::testing::HasSubstr;
using ::testing::Le;

// a calls b, which calls c.
class NodeContextTest : public NodeTest {
 protected:
  void TearDown() override {
    a.reset();
    b.reset();
    c.reset();
  }

  template <class Front, class Back>
  void start_three(Front in_front, Back in_back) {
    c = start(options("c"), [&](FunctionTable& table) { ASSERT_TRUE(table.add("back", in_back).ok()); });
    NodeOptions middle = options("b");
    introduce(middle, "c");
    b = start(std::move(middle), [&](FunctionTable& table) {
      ASSERT_TRUE(table.add("front", in_front).ok());
      ASSERT_TRUE(table.add("add", &add_numbers).ok());
    });
    NodeOptions client = options("a");
    introduce(client, "b");
    a = start(std::move(client));
  }

  std::unique_ptr<Node> c;
  const Remote<int()> front = remote<int()>("front");
  const Remote<int()> back = remote<int()>("back");
  // Of functions that wait for ever.
  const Future<int> never{static_cast<LoopHandle*>(nullptr)};
  Event cancelled;
  Status reason;
  // Waits for ever, and notes that nobody waits for it any more.
  [[nodiscard]] auto parks() {
    return [this] {
      watch = CallContext::current().on_cancel([this](const Status& why) {
        reason = why;
        cancelled.set();
      });
      return never;
    };
  }
  CancelSubscription watch;
};

TEST_F(NodeContextTest, ANestedCallHasTheTimeThatIsLeft) {
  std::atomic<Duration::rep> left{};
  start_three([this] { return rpc_async(to("c", {.timeout = 1h}), back); },
              [&] {
                left = CallContext::current().remaining().count();
                return 1;
              });
  EXPECT_EQ(rpc_sync(*a, to("b", {.timeout = 5s}), front), 1);
  EXPECT_THAT(Duration(left), AllOf(Gt(Duration::zero()), Le(Duration(5s))));
  EXPECT_EQ(rpc_sync(*a, to("b", {.timeout = kNoTimeout}), front), 1);
  EXPECT_THAT(Duration(left), AllOf(Gt(Duration(5s)), Le(Duration(1h))));
}

TEST_F(NodeContextTest, ADetachedCallHasItsOwn) {
  std::atomic<Duration::rep> left{};
  start_three([this] { return rpc_async(to("c", {.timeout = 1h, .detached = true}), back); },
              [&] {
                left = CallContext::current().remaining().count();
                return 1;
              });
  EXPECT_EQ(rpc_sync(*a, to("b", {.timeout = 5s}), front), 1);
  EXPECT_THAT(Duration(left), AllOf(Gt(Duration(5s)), Le(Duration(1h))));
}

TEST_F(NodeContextTest, CancellingACallCancelsWhatItCauses) {
  start_three([this] { return rpc_async("c", back); }, parks());
  const CallContext context = CallContext::make(a->loop());
  Future<int> call = call_in(context, *a, "b", front);
  ASSERT_TRUE(wait_until_parked(*c, 1));
  context.cancel(Status(StatusCode::kCancelled, "no longer wanted"));
  const Status status = error_of(call);
  EXPECT_EQ(status.code(), StatusCode::kCancelled);
  EXPECT_THAT(status.message(), AllOf(HasSubstr("call of front at b"), HasSubstr("no longer wanted")));
  ASSERT_TRUE(cancelled.wait());
  EXPECT_EQ(reason.code(), StatusCode::kCancelled);
  EXPECT_TRUE(wait_until_parked(*b, 0));
  EXPECT_TRUE(wait_until_parked(*c, 0));
  EXPECT_EQ(lines.count("never looked at"), 0U) << lines.text();
}

TEST_F(NodeContextTest, TheDeadlineOfTheOutermostCallerEndsAllOfThem) {
  start_three([this] { return rpc_async(to("c", {.timeout = kNoTimeout}), back); }, parks());
  const Status status = error_of(rpc_async(*a, to("b", {.timeout = 50ms}), front));
  EXPECT_EQ(status.code(), StatusCode::kDeadlineExceeded);
  ASSERT_TRUE(cancelled.wait());
  EXPECT_TRUE(wait_until_parked(*b, 0));
  EXPECT_TRUE(wait_until_parked(*c, 0));
  EXPECT_EQ(b->statistics().calls_in_flight, 0U);
}

TEST_F(NodeContextTest, ACallerThatGoesAwayCancelsItsCalls) {
  start_three([this] { return rpc_async("c", back); }, parks());
  const Future<int> call = rpc_async(*a, "b", front);
  ASSERT_TRUE(wait_until_parked(*c, 1));
  a.reset();
  ASSERT_TRUE(cancelled.wait());
  EXPECT_TRUE(wait_until_parked(*c, 0));
}

TEST_F(NodeContextTest, ADetachedCallOutlivesItsCaller) {
  start_three([this] { return rpc_async(to("c", {.detached = true}), back); }, parks());
  const Status status = error_of(rpc_async(*a, to("b", {.timeout = 30ms}), front));
  EXPECT_EQ(status.code(), StatusCode::kDeadlineExceeded);
  ASSERT_TRUE(wait_until_parked(*b, 0));
  ASSERT_TRUE(wait_until_parked(*c, 1));
  never.mark_complete(7);
  EXPECT_TRUE(wait_until_parked(*c, 0));
  EXPECT_FALSE(CallContext().cancelled());
}

TEST_F(NodeContextTest, AFutureOfManyCallsIsNotFailedByOneOfThem) {
  start_pair([this](FunctionTable& table) { ASSERT_TRUE(table.add("front", [this] { return never; }).ok()); });
  const auto patient = rpc_async(*a, "b", front);
  const auto hasty = rpc_async(*a, to("b", {.timeout = 20ms}), front);
  EXPECT_EQ(error_of(hasty).code(), StatusCode::kDeadlineExceeded);
  ASSERT_TRUE(wait_until_parked(*b, 1));
  never.mark_complete(3);
  EXPECT_EQ(patient.wait(kHang), 3);
}

TEST_F(NodeContextTest, ACallOfACancelledOneIsNotSent) {
  start_pair([](FunctionTable& table) { ASSERT_TRUE(table.add("add", &add_numbers).ok()); });
  const CallContext context = CallContext::make(a->loop());
  context.cancel(Status(StatusCode::kCancelled, "over"));
  const ContextScope scope(context);
  const Status status = error_of(rpc_async(*a, "b", add_numbers, 1, 2));
  EXPECT_EQ(status.code(), StatusCode::kCancelled);
  EXPECT_THAT(status.message(), AllOf(HasSubstr("was not sent"), HasSubstr("over")));
}

TEST_F(NodeContextTest, AJobOfACancelledCallDoesNotBegin) {
  Event begun;
  Event go_on;
  std::atomic<int> ran = 0;
  NodeOptions server = options("b");
  server.pool.threads = 1;
  start_pair(options("a"), std::move(server), [&](FunctionTable& table) {
    ASSERT_TRUE(table
                    .add("front", blocking([&] {
                           ++ran;
                           begun.set();
                           EXPECT_TRUE(go_on.wait());
                           return CallContext::current().cancelled() ? 1 : 0;
                         }))
                    .ok());
  });
  const auto first = rpc_async(*a, "b", front);
  ASSERT_TRUE(begun.wait());
  const CallContext context = CallContext::make(a->loop());
  const Future<int> second = call_in(context, *a, "b", front);
  ASSERT_TRUE(wait_until_parked(*b, 2));
  context.cancel();
  ASSERT_TRUE(wait_until_parked(*b, 1));
  go_on.set();
  EXPECT_EQ(first.wait(kHang), 0);
  b->stop();
  EXPECT_EQ(ran, 1);
}

TEST_F(NodeContextTest, ABlockingFunctionSeesThatItIsCancelled) {
  Event begun;
  Event seen;
  start_pair([&](FunctionTable& table) {
    ASSERT_TRUE(table
                    .add("front", blocking([&] {
                           Event told;
                           const auto watching = CallContext::current().on_cancel([&](const Status&) { told.set(); });
                           begun.set();
                           EXPECT_TRUE(told.wait());
                           EXPECT_TRUE(CallContext::current().cancelled());
                           seen.set();
                           return 0;
                         }))
                    .ok());
  });
  const CallContext context = CallContext::make(a->loop());
  const Future<int> call = call_in(context, *a, "b", front);
  ASSERT_TRUE(begun.wait());
  context.cancel();
  EXPECT_TRUE(seen.wait());
  EXPECT_EQ(error_of(call).code(), StatusCode::kCancelled);
}

TEST_F(NodeContextTest, TraceAndBaggageGoAllTheWay) {
  std::string seen;
  std::optional<TraceContext> in_front;
  std::optional<TraceContext> in_back;
  start_three(
      [&] {
        in_front = CallContext::current().trace();
        return rpc_async("c", back);
      },
      [&] {
        const CallContext call = CallContext::current();
        in_back = call.trace();
        seen = std::string(call.baggage().get("tenant").value_or("none"));
        return 1;
      });
  Baggage baggage;
  ASSERT_TRUE(baggage.set("tenant", "blue").ok());
  const TraceContext trace = TraceContext::generate();
  {
    const ContextScope scope(CallContext::make(a->loop(), {.trace = trace, .baggage = baggage}));
    EXPECT_EQ(rpc_sync(*a, "b", front), 1);
  }
  EXPECT_EQ(seen, "blue");
  ASSERT_TRUE(in_front && in_back);
  EXPECT_EQ(in_front->trace_id, trace.trace_id);
  EXPECT_EQ(in_back->trace_id, trace.trace_id);
  EXPECT_NE(in_front->span_id, trace.span_id);
  EXPECT_NE(in_back->span_id, in_front->span_id);
  EXPECT_EQ(rpc_sync(*a, "b", front), 1);
  EXPECT_EQ(seen, "none");
  EXPECT_FALSE(in_back);
}

TEST_F(NodeContextTest, ANodeThatTracesBeginsATraceForEachCall) {
  std::optional<TraceContext> seen;
  NodeOptions client = options("a");
  client.trace = true;
  start_pair(std::move(client), options("b"), [&](FunctionTable& table) {
    ASSERT_TRUE(table
                    .add("front",
                         [&] {
                           seen = CallContext::current().trace();
                           return 1;
                         })
                    .ok());
  });
  EXPECT_EQ(rpc_sync(*a, "b", front), 1);
  ASSERT_TRUE(seen);
  const auto first = seen->trace_id;
  EXPECT_EQ(rpc_sync(*a, "b", front), 1);
  EXPECT_NE(seen->trace_id, first);
}

TEST_F(NodeContextTest, TheCallerIsKnownInCallbacks) {
  start_three([this] { return rpc_async("c", back).then([](int) { return current_caller()->node == "a" ? 1 : 0; }); },
              [] { return current_caller()->node == "b" ? 1 : 0; });
  EXPECT_EQ(rpc_sync(*a, "b", front), 1);
}

TEST_F(NodeContextTest, ShutdownIsToldToWhoListens) {
  start_three([this] { return rpc_async("c", back); }, parks());
  const Future<int> call = rpc_async(*a, "b", front);
  ASSERT_TRUE(wait_until_parked(*c, 1));
  c->stop(Duration::zero());
  ASSERT_TRUE(cancelled.wait());
  EXPECT_EQ(reason.code(), StatusCode::kUnavailable);
  EXPECT_EQ(error_of(call).code(), StatusCode::kUnavailable);
}

}  // namespace
}  // namespace onward::test
