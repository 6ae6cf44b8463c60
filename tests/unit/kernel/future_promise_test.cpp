// SPDX-License-Identifier: Apache-2.0
//
// Broken promises, failures that nobody looks at (behaviours 4 and 16), and the values themselves.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "loop_fixture.h"
#include "onward/future.h"

namespace onward {
namespace {

using ::testing::HasSubstr;

class FuturePromiseTest : public test::LoopTest {
 protected:
  test::LogLines lines;
};

using test::demo_error;

// ---- 4: a dropped promise fails at once.

TEST_F(FuturePromiseTest, B04_TheLastHandleThatGoesBreaksThePromise) {
  const auto child = [&] {
    const Future<int> promise;
    auto result = promise.then([](int x) { return x; });
    settle();
    EXPECT_FALSE(result.done());
    return result;
  }();
  settle();
  ASSERT_TRUE(child.done());
  EXPECT_EQ(child.status().code(), StatusCode::kAborted);
  EXPECT_THAT(child.status().message(), HasSubstr("broken promise"));
  EXPECT_THAT(child.status().message(), HasSubstr("future_promise_test.cpp:"));  // where it was made
}

TEST_F(FuturePromiseTest, B04_ACopyKeepsThePromise) {
  auto promise = std::make_unique<Future<int>>();
  const auto child = promise->then([](int x) { return x; });
  auto copy = std::make_unique<Future<int>>(*promise);
  const auto moved = std::make_unique<Future<int>>(std::move(*promise));
  promise.reset();
  copy.reset();
  settle();
  EXPECT_FALSE(child.done());
  moved->mark_complete(3);
  settle();
  EXPECT_EQ(child.value(), 3);
}

TEST_F(FuturePromiseTest, B04_ACallbackThatIsSkippedPassesItsErrorOn) {
  // The example of the first page: ret is completed by a callback, and this one never runs.
  const Future<int> call;
  const Future<int> answer = [&] {
    Future<int> ret;
    call.add_callback([=](int sum) { ret.mark_complete(sum + 1); });
    return ret.then([](int x) { return x; });
  }();
  call.mark_error(demo_error());
  settle();
  EXPECT_EQ(answer.status().to_string(), "NOT_FOUND: gone [demo::Gone]");
  EXPECT_EQ(lines.count("never looked at"), 0U) << lines.text();
}

TEST_F(FuturePromiseTest, B04_ItsErrorIsPassedOnThroughAnyNumberOfCallbacks) {
  const Future<int> call;
  Future<int> last;
  {
    Future<int> first;
    Future<int> second;
    last = second.then([](int x) { return x; });
    first.add_callback([=](int x) { second.mark_complete(x); });
    call.add_callback([=](int x) { first.mark_complete(x); });
  }
  call.mark_error(demo_error());
  settle();
  EXPECT_EQ(last.status().to_string(), "NOT_FOUND: gone [demo::Gone]");
}

TEST_F(FuturePromiseTest, B04_WithAnotherHandleASkippedCallbackBreaksNothing) {
  const auto call = Future<int>::failed(demo_error());
  const Future<int> ret;
  call.add_callback([=](int) { ret.mark_complete(1); });
  settle();
  EXPECT_FALSE(ret.done());
  ret.mark_complete(2);
  EXPECT_EQ(ret.value(), 2);
}

TEST_F(FuturePromiseTest, B04_ThenTheFirstReasonIsTheOneTold) {
  std::optional<Future<int>> ret(std::in_place);
  const auto child = ret->then([](int x) { return x; });
  const auto call = Future<int>::failed(demo_error());
  call.add_callback([held = *ret](int) { held.mark_complete(1); });
  settle();
  ret.reset();  // the last handle, but the other went because of an error
  settle();
  EXPECT_EQ(child.status().message(), "gone");
}

TEST_F(FuturePromiseTest, B04_ThenCallbacksPassTheErrorToWhatTheyCaptured) {
  const auto call = Future<int>::failed(demo_error());
  Future<int> seen;
  {
    Future<int> ret;
    seen = ret.then([](int x) { return x; });
    const auto child = call.then([=](int x) { ret.mark_complete(x); });
    settle();
    EXPECT_EQ(child.status().message(), "gone");
  }
  settle();
  EXPECT_EQ(seen.status().message(), "gone");
}

TEST_F(FuturePromiseTest, B04_AFutureThatKeepsItselfIsNoBrokenPromise) {
  // Its callback holds a handle of it: a cycle, which only completion ends.
  std::weak_ptr<int> alive;
  {
    const auto token = std::make_shared<int>(1);
    alive = token;
    Future<int> future;
    future.add_callback([future, token](int) {});
    future.mark_complete(1);
  }
  settle();
  EXPECT_TRUE(alive.expired());
}

TEST_F(FuturePromiseTest, DroppingThousandsOfLinkedPromisesNeedsNoStack) {
  // Each is held by the callback of the one before; the first goes, and all follow.
  std::optional<Future<int>> first(std::in_place);
  Future<int> last = *first;
  for (int i = 0; i < 200'000; ++i) {
    Future<int> next;
    last.add_callback([next](int x) { next.mark_complete(x); });
    last = next;
  }
  const auto child = last.then([](int x) { return x; });
  last = Future<int>::of(0);
  first.reset();
  settle();
  EXPECT_THAT(child.status().message(), HasSubstr("broken promise"));
}

// ---- 16: failures that nobody looks at.

TEST_F(FuturePromiseTest, B16_AFailureThatNobodyLooksAtIsReportedOnceWithItsOrigin) {
  {
    const Future<int> future;
    future.mark_error(demo_error());
  }
  settle();
  EXPECT_EQ(lines.count("add on_error() or wait() for it: NOT_FOUND: gone"), 1U) << lines.text();
  EXPECT_EQ(lines.count("future_promise_test.cpp:"), 1U) << lines.text();
}

TEST_F(FuturePromiseTest, B16_TheEndOfAChainReportsForAllOfIt) {
  {
    const Future<int> future;
    static_cast<void>(future.then([](int x) { return x; }).then([](int x) { return x; }));
    future.mark_error(demo_error());
  }
  settle();
  EXPECT_EQ(lines.count("never looked at"), 1U) << lines.text();
}

TEST_F(FuturePromiseTest, B16_WhatWasLookedAtIsNotReported) {
  const auto failed = [] { return Future<int>::failed(demo_error()); };
  static_cast<void>(failed().status());
  EXPECT_THROW(static_cast<void>(failed().wait()), RpcError);
  failed().on_error([](const Status&) {});
  failed().on_done([](const auto&) {});
  static_cast<void>(failed().on_error([](const Status&) { return 1; }));
  settle();
  EXPECT_EQ(lines.count("never looked at"), 0U) << lines.text();
}

TEST_F(FuturePromiseTest, B16_ACallbackForValuesAloneDoesNotLook) {
  Future<int>::failed(demo_error()).add_callback([](int) {});
  settle();
  EXPECT_EQ(lines.count("never looked at"), 1U) << lines.text();
}

TEST_F(FuturePromiseTest, B16_ABrokenPromiseThatNobodyCouldSeeIsNoNews) {
  {
    const Future<int> unused;
  }
  Future<int> replaced;
  replaced = Future<int>::of(1);
  settle();
  EXPECT_EQ(lines.count(""), 0U) << lines.text();
  {
    static_cast<void>(Future<int>().then([](int x) { return x; }));
  }
  settle();
  EXPECT_EQ(lines.count("never looked at"), 1U) << lines.text();  // the child is one that somebody asked for
}

// ---- Values.

TEST_F(FuturePromiseTest, CarriesWhatCannotBeCopied) {
  const Future<std::unique_ptr<int>> future;
  int seen = 0;
  future.add_callback([&](const std::unique_ptr<int>& value) { seen = *value; });
  future.mark_complete(std::make_unique<int>(5));
  settle();
  EXPECT_EQ(seen, 5);
  Future<std::unique_ptr<int>> taken;
  taken.mark_complete(std::make_unique<int>(6));
  EXPECT_EQ(*std::move(taken).wait(), 6);
}

struct Tracked {
  static inline int alive = 0;
  static inline int copies = 0;
  Tracked() { ++alive; }
  Tracked(const Tracked&) { ++alive, ++copies; }
  Tracked(Tracked&&) noexcept { ++alive; }
  Tracked& operator=(const Tracked&) = default;
  Tracked& operator=(Tracked&&) noexcept = default;
  ~Tracked() { --alive; }
};

TEST_F(FuturePromiseTest, ValuesAreMovedAndDestroyed) {
  Tracked::copies = 0;
  {
    const Future<int> start;
    const auto end =
        start.then([](int) { return Tracked(); }).then([](const Tracked&) { return Future<Tracked>::of(Tracked()); });
    start.mark_complete(1);
    settle();
    EXPECT_EQ(Tracked::alive, 1);
    static_cast<void>(end.value());
  }
  settle();
  EXPECT_EQ(Tracked::alive, 0);
  EXPECT_EQ(Tracked::copies, 0);
}

TEST_F(FuturePromiseTest, CallbacksAreDestroyedOnceTheyRan) {
  const auto token = std::make_shared<int>(0);
  const Future<int> future;
  future.add_callback([token](int) {});
  static_cast<void>(future.then([token](int) {}));
  future.on_done([token](const auto&) {});
  future.on_error([token](const Status&) {});
  EXPECT_EQ(token.use_count(), 5);
  future.mark_complete(1);
  settle();
  EXPECT_EQ(token.use_count(), 1);
}

struct ThrowsWhenCopied {
  ThrowsWhenCopied() = default;
  ThrowsWhenCopied(const ThrowsWhenCopied&) { throw std::runtime_error("cannot be copied today"); }
  ThrowsWhenCopied(ThrowsWhenCopied&&) noexcept {}
  ThrowsWhenCopied& operator=(const ThrowsWhenCopied&) = delete;
};

TEST_F(FuturePromiseTest, AValueThatThrowsWhenItIsPassedOnFailsTheReceiver) {
  const Future<ThrowsWhenCopied> inner;
  const auto outer = Future<int>::of(1).then([inner](int) { return inner; });
  settle();
  inner.mark_complete(ThrowsWhenCopied());
  settle();
  ASSERT_TRUE(outer.done());
  EXPECT_EQ(outer.status().message(), "cannot be copied today");
}

TEST(FutureWithoutLoop, NeedsOneForItsFirstCallbackOnly) {
  const Future<int> future;
  future.mark_complete(1);
  EXPECT_EQ(future.wait(), 1);
  const auto expect_refusal = [](auto function) {
    try {
      function();
      ADD_FAILURE();
    } catch (const RpcError& error) {
      EXPECT_EQ(error.code(), StatusCode::kFailedPrecondition);
      EXPECT_THAT(error.status().message(), HasSubstr("init_rpc()"));
    }
  };
  expect_refusal([&] { future.add_callback([](int) {}); });
  expect_refusal([&] { static_cast<void>(future.then([](int) {})); });
  expect_refusal([&] { future.on_done([](const auto&) {}); });

  EventLoop loop;
  int seen = 0;
  loop.post([&] { future.add_callback([&](int x) { seen = x; }); });
  loop.run_once(false);
  EXPECT_EQ(seen, 1);
}

TEST(FutureAfterTheLoop, CallbacksAreDroppedAndChildrenFail) {
  const test::LogLines lines;
  auto loop = std::make_unique<EventLoop>();
  const Future<int> pending(&loop->handle());
  const Future<int> ready(&loop->handle());
  ready.mark_complete(1);
  int ran = 0;
  pending.add_callback([&](int) { ++ran; });
  const auto child = pending.then([&](int) { return ++ran; });
  const auto queued = ready.then([&](int) { return ++ran; });
  Status told;
  pending.on_done([&](const auto& result) { told = result ? Status() : result.error(); });
  loop.reset();
  EXPECT_EQ(queued.status().code(), StatusCode::kUnavailable);
  pending.mark_complete(1);
  EXPECT_EQ(child.status().code(), StatusCode::kUnavailable);
  EXPECT_EQ(told.code(), StatusCode::kUnavailable);
  const auto late = ready.then([&](int) { return ++ran; });
  EXPECT_EQ(late.status().code(), StatusCode::kUnavailable);
  EXPECT_EQ(ran, 0);
  EXPECT_EQ(ready.value(), 1);
}

// ---- Callbacks that are taken back: who waited is cancelled.

class Listed final : public detail::FutureCallback {
 public:
  Listed(std::vector<int>& ran, int number) : ran_(ran), number_(number) {}
  void run(detail::FutureStateBase&, bool) noexcept override { ran_.push_back(number_); }
  void drop(const Status&) noexcept override {}

 private:
  std::vector<int>& ran_;
  int number_;
};

TEST_F(FuturePromiseTest, CallbacksAreTakenBackInAnyOrder) {
  constexpr int kCount = 4;
  for (unsigned removed = 0; removed < 1U << kCount; ++removed) {
    for (const bool backwards : {false, true}) {
      const Future<int> future;
      detail::FutureStateBase& state = *detail::FutureAccess::state(future);
      std::vector<int> ran;
      std::vector<int> expected;
      std::vector<std::unique_ptr<Listed>> callbacks;
      for (int i = 0; i < kCount; ++i) {
        state.add_callback(*callbacks.emplace_back(std::make_unique<Listed>(ran, i)));
        if ((removed >> i & 1) == 0) expected.push_back(i);
      }
      for (int i = 0; i < kCount; ++i) {
        const int which = backwards ? kCount - 1 - i : i;
        if ((removed >> which & 1) == 0) continue;
        EXPECT_TRUE(state.remove_callback(*callbacks[static_cast<std::size_t>(which)]));
      }
      // The end of the list is where it belongs.
      state.add_callback(*callbacks.emplace_back(std::make_unique<Listed>(ran, kCount)));
      expected.push_back(kCount);
      future.mark_complete(1);
      settle();
      EXPECT_EQ(ran, expected) << removed;
    }
  }
}

}  // namespace
}  // namespace onward
