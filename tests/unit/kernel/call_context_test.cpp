// SPDX-License-Identifier: Apache-2.0
#include "onward/call_context.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "loop_fixture.h"
#include "onward/combinators.h"
#include "onward/future.h"

namespace onward {
namespace {

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""h;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class CallContextTest : public test::LoopTest {
 protected:
  // As a function of the loop would have it: on the loop's thread.
  template <class F>
  void on_loop(F function) {
    loop.post(std::move(function));
    settle();
  }
  static Status because(const std::string& why) { return {StatusCode::kCancelled, why}; }

  std::vector<std::string> told;
  [[nodiscard]] auto tell(const std::string& who) {
    return [this, who](const Status& reason) { told.push_back(who + ": " + reason.to_string()); };
  }
  const FunctionName& named = FunctionName::intern("call_context_test.f");
};

TEST_F(CallContextTest, OutsideOfCallsThereIsNone) {
  const CallContext none = CallContext::current();
  EXPECT_FALSE(none);
  EXPECT_EQ(none.deadline(), TimePoint::max());
  EXPECT_EQ(none.remaining(), Duration::max());
  EXPECT_FALSE(none.cancelled());
  EXPECT_EQ(none.caller(), nullptr);
  EXPECT_FALSE(none.trace());
  EXPECT_TRUE(none.baggage().empty());
  none.cancel();
  EXPECT_FALSE(none.cancelled());
}

TEST_F(CallContextTest, ItStaysForAsLongAsAnybodyKeepsItAndNoLonger) {
  for (const std::size_t keepers : {0U, 1U, 7U, 8U, 9U, 40U}) {
    const auto caller = std::make_shared<const CallerInfo>(CallerInfo{.node = "n", .address = {}, .identity = {}});
    std::vector<CallContext> kept;
    {
      const test::RunsFor call(loop.handle(), &named, clock.now() + 1h, 0, caller);
      const auto keep = [&] {
        for (std::size_t i = 0; i < keepers; ++i) kept.push_back(CallContext::current());
      };
      keep();
      kept.clear();
      keep();
    }
    while (!kept.empty()) {
      EXPECT_EQ(kept.back().caller(), caller);
      EXPECT_EQ(caller.use_count(), 2) << keepers;
      kept.pop_back();
    }
    EXPECT_EQ(caller.use_count(), 1) << keepers;
  }
}

TEST_F(CallContextTest, ACallbackRunsInTheContextThatItWasAddedIn) {
  const auto caller = std::make_shared<const CallerInfo>(CallerInfo{.node = "n", .address = {}, .identity = {}});
  const Future<int> first;
  Future<int> second;
  {
    const test::RunsFor call(loop.handle(), &named, clock.now() + 1h, 0, caller);
    EXPECT_EQ(current_caller(), caller);
    second = first.then([&](int value) {
      EXPECT_EQ(current_caller(), caller);
      EXPECT_EQ(CallContext::current().deadline(), clock.now() + 1h);
      return value + 1;
    });
  }
  EXPECT_EQ(current_caller(), nullptr);
  std::thread([&] { first.mark_complete(1); }).join();
  settle();
  EXPECT_EQ(second.value(), 2);
  EXPECT_FALSE(CallContext::current());
}

TEST_F(CallContextTest, WhatIsPostedRunsInTheContextToo) {
  bool ran = false;
  {
    const test::RunsFor call(loop.handle(), &named, clock.now() + 1h);
    loop.post([&] {
      ran = true;
      EXPECT_EQ(CallContext::current().remaining(), 1h);
    });
  }
  settle();
  EXPECT_TRUE(ran);
}

TEST_F(CallContextTest, CancellationGoesDownAndNotUp) {
  const CallContext root = CallContext::make(loop.handle());
  const CallContext middle = root.child();
  const CallContext leaf = middle.child();
  middle.cancel(because("enough"));
  EXPECT_EQ(leaf.status().to_string(), "CANCELLED: enough");
  EXPECT_EQ(middle.status().to_string(), "CANCELLED: enough");
  EXPECT_FALSE(root.cancelled());
  middle.cancel(because("twice"));
  EXPECT_EQ(leaf.status().to_string(), "CANCELLED: enough");
  EXPECT_TRUE(leaf.child().cancelled());
}

TEST_F(CallContextTest, TheDeadlineIsTheEarliest) {
  const CallContext root = CallContext::make(loop.handle(), {.timeout = 100ms});
  EXPECT_EQ(root.child({.timeout = 1h}).remaining(), 100ms);
  const CallContext child = root.child({.timeout = 30ms});
  EXPECT_EQ(child.remaining(), 30ms);
  clock.advance(30ms);
  loop.run_once(false);
  EXPECT_EQ(child.status().code(), StatusCode::kDeadlineExceeded);
  EXPECT_EQ(child.remaining(), Duration::zero());
  EXPECT_FALSE(root.cancelled());
  EXPECT_EQ(root.remaining(), 70ms);
  EXPECT_TRUE(root.child({.timeout = -1ms}).cancelled());
}

TEST_F(CallContextTest, TheDeadlineNamesTheFunction) {
  const test::RunsFor call(loop.handle(), &named, clock.now() + 10ms);
  const CallContext context = CallContext::current();
  clock.advance(10ms);
  EXPECT_EQ(context.status().message(), "the deadline of the call of call_context_test.f has passed");
}

TEST_F(CallContextTest, ListenersAreToldOnceAndLater) {
  const CallContext root = CallContext::make(loop.handle());
  const CallContext child = root.child();
  CancelSubscription kept;
  on_loop([&] {
    kept = child.on_cancel(tell("child"));
    root.cancel(because("over"));
    EXPECT_TRUE(told.empty());
  });
  EXPECT_THAT(told, ElementsAre("child: CANCELLED: over"));
  on_loop([&] { child.cancel(); });
  EXPECT_EQ(told.size(), 1U);
}

TEST_F(CallContextTest, WhoComesLateIsToldToo) {
  const CallContext root = CallContext::make(loop.handle());
  root.cancel(because("over"));
  const CancelSubscription late = root.on_cancel(tell("late"));
  settle();
  EXPECT_THAT(told, ElementsAre("late: CANCELLED: over"));
}

TEST_F(CallContextTest, WhoHasLeftIsNotTold) {
  const CallContext root = CallContext::make(loop.handle());
  on_loop([&] {
    CancelSubscription gone = root.on_cancel(tell("gone"));
    const CancelSubscription replaced = root.on_cancel(tell("replaced"));
    gone = {};
  });
  std::optional<CancelSubscription> leaves = root.on_cancel(tell("leaves"));
  settle();
  root.cancel();
  leaves.reset();  // between cancel() and being told
  settle();
  EXPECT_TRUE(told.empty());
}

TEST_F(CallContextTest, TheDeadlineIsToldAtItsTime) {
  const CallContext root = CallContext::make(loop.handle(), {.timeout = 50ms});
  const CallContext child = root.child();
  CancelSubscription kept;
  on_loop([&] { kept = child.on_cancel(tell("child")); });
  clock.advance(49ms);
  settle();
  EXPECT_TRUE(told.empty());
  clock.advance(1ms);
  settle();
  EXPECT_THAT(told, ElementsAre("child: DEADLINE_EXCEEDED: the deadline has passed"));
}

TEST_F(CallContextTest, CancellingFromAnotherThreadTellsOnTheLoop) {
  const CallContext root = CallContext::make(loop.handle());
  const CancelSubscription kept = root.on_cancel(tell("root"));
  settle();
  std::thread([&] { root.cancel(because("elsewhere")); }).join();
  EXPECT_TRUE(root.cancelled());
  EXPECT_TRUE(told.empty());
  settle();
  EXPECT_THAT(told, ElementsAre("root: CANCELLED: elsewhere"));
}

TEST_F(CallContextTest, ADetachedOneOutlivesItsCallButNotTheNode) {
  TraceContext trace = TraceContext::generate();
  const CallContext root = CallContext::make(loop.handle(), {.timeout = 10ms, .trace = trace});
  const CallContext detached = root.detached();
  EXPECT_EQ(detached.deadline(), TimePoint::max());
  EXPECT_EQ(detached.trace(), trace);
  CancelSubscription kept;
  on_loop([&] { kept = detached.on_cancel(tell("detached")); });
  root.cancel();
  settle();
  EXPECT_FALSE(detached.cancelled());
  on_loop([&] { loop.cancel_background(Status(StatusCode::kUnavailable, "the end")); });
  EXPECT_THAT(told, ElementsAre("detached: UNAVAILABLE: the end"));
}

TEST_F(CallContextTest, AScopeMakesItCurrentAndNests) {
  const CallContext outer = CallContext::make(loop.handle(), {.timeout = 1h});
  {
    const ContextScope scope(outer);
    const ContextScope within(CallContext::current().child({.timeout = 10ms}));
    EXPECT_EQ(CallContext::current().remaining(), 10ms);
    {
      const ContextScope nothing{CallContext()};
      EXPECT_FALSE(CallContext::current());
    }
    EXPECT_EQ(CallContext::current().remaining(), 10ms);
  }
  EXPECT_FALSE(CallContext::current());
}

TEST_F(CallContextTest, MetadataIsInheritedAndReplaced) {
  Baggage baggage;
  ASSERT_TRUE(baggage.set("tenant", "a").ok());
  const CallContext root =
      CallContext::make(loop.handle(), {.trace = TraceContext::generate(), .baggage = std::move(baggage)});
  const CallContext child = root.child();
  EXPECT_EQ(child.trace(), root.trace());
  EXPECT_EQ(child.baggage().get("tenant"), "a");
  Baggage changed = child.baggage();
  ASSERT_TRUE(changed.set("tenant", "b").ok());
  EXPECT_EQ(child.child({.baggage = changed}).baggage().get("tenant"), "b");
  EXPECT_EQ(child.child({.baggage = changed}).trace(), root.trace());
  EXPECT_EQ(child.baggage().get("tenant"), "a");
}

TEST_F(CallContextTest, ARootNeedsANode) {
  LoopHandle::set_thread_default(nullptr);
  const Status status = test::thrown_by([] { return CallContext().child(); });
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(status.message(), HasSubstr("init_rpc()"));
}

TEST_F(CallContextTest, SleepingEndsWithTheCall) {
  const CallContext root = CallContext::make(loop.handle());
  Future<void> sleep;
  {
    const ContextScope scope(root);
    sleep = sleep_for(1h);
  }
  settle();
  root.cancel(because("wake up"));
  settle();
  EXPECT_EQ(sleep.status().to_string(), "CANCELLED: wake up");
}

TEST_F(CallContextTest, TheEndOfTheLoopTellsThoseThatListen) {
  auto own = std::make_unique<EventLoop>(EventLoopOptions{}, clock);
  const CallContext root = CallContext::make(own->handle());
  Status seen;
  const Future<void> sleeps = [&] {
    LoopHandle::set_thread_default(&own->handle());
    const ContextScope scope(root);
    return sleep_for(1h);
  }();
  own->run_once(false);
  own.reset();
  EXPECT_EQ(sleeps.status().code(), StatusCode::kUnavailable);
}

}  // namespace
}  // namespace onward
