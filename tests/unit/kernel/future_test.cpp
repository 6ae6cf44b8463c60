// SPDX-License-Identifier: Apache-2.0
//
// What users of Futures rely on, on one thread. The numbers in the names are those of the list of
// behaviours in CONTRIBUTING: 1 to 5 async functions, 9 flattening, 11 to 16 Futures.
#include "onward/future.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "loop_fixture.h"

namespace onward {
namespace {

using namespace std::chrono_literals;
using test::thrown_by;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class FutureTest : public test::LoopTest {
 protected:
  std::vector<std::string> happened;
};

using test::demo_error;

// ---- 1, 2: an async function is a function.

Future<int> add_later(Future<int> a, int b) {
  return a.then([b](int value) { return value + b; });
}

TEST_F(FutureTest, B01_AnAsyncFunctionCalledLocallyReturnsItsFuture) {
  const Future<int> a;
  const Future<int> sum = add_later(a, 2);
  settle();
  EXPECT_FALSE(sum.done());
  a.mark_complete(1);
  settle();
  EXPECT_EQ(sum.value(), 3);
}

TEST_F(FutureTest, B02_ACompletedFutureIsDoneAtOnce) {
  EXPECT_EQ(Future<int>::of(7).value(), 7);
  EXPECT_TRUE(Future<void>::of().done());
  const auto failed = Future<int>::failed(demo_error());
  EXPECT_TRUE(failed.done());
  EXPECT_EQ(failed.status().message(), "gone");
}

TEST_F(FutureTest, ACompletedFutureIsDoneAtOnceAlsoForItsChild) {
  const auto sum = Future<int>::of(7).then([](int x) { return x + 1; });
  EXPECT_FALSE(sum.done());
  settle();
  EXPECT_EQ(sum.value(), 8);
}

// ---- 3: one Future, many who wait.

TEST_F(FutureTest, B03_OneFutureAnswersAllWhoWait) {
  const Future<int> one;
  std::vector<Future<int>> children;
  for (int i = 0; i < 100; ++i) children.push_back(one.then([i](int x) { return x + i; }));
  one.mark_complete(1000);
  settle();
  for (int i = 0; i < 100; ++i) EXPECT_EQ(children[static_cast<std::size_t>(i)].value(), 1000 + i);
  const auto late = one.then([](int x) { return x; });
  settle();
  EXPECT_EQ(late.value(), 1000);
}

// ---- 5: exceptions in callbacks.

TEST_F(FutureTest, B05_AnExceptionInACallbackReachesTheEndOfTheChain) {
  const Future<int> start;
  int skipped = 0;
  const auto end = start.then([](int) -> int { throw std::out_of_range("too far"); })
                       .then([&](int x) { return ++skipped, x; })
                       .then([&](int) { ++skipped; });
  start.mark_complete(1);
  settle();
  EXPECT_EQ(skipped, 0);
  EXPECT_EQ(end.status().code(), StatusCode::kUnknown);
  EXPECT_EQ(end.status().type(), "std::out_of_range");
  EXPECT_EQ(end.status().message(), "too far");
}

TEST_F(FutureTest, B05_AnRpcErrorThrownInACallbackKeepsItsStatus) {
  const auto end = Future<int>::of(1).then([](int) -> int { throw RpcError(demo_error()); });
  settle();
  EXPECT_EQ(end.status().to_string(), "NOT_FOUND: gone [demo::Gone]");
}

TEST_F(FutureTest, B05_AnExceptionInAddCallbackFailsTheFutureThatItCaptured) {
  const test::LogLines lines;
  const Future<int> start;
  Future<int> result;
  start.add_callback([held = result](int) {
    if (held.done()) return;
    throw std::runtime_error("half way");
  });
  const auto end = result.then([](int x) { return x; });
  result = Future<int>();  // the callback has the last handle
  start.mark_complete(1);
  settle();
  EXPECT_EQ(end.status().message(), "half way");
  EXPECT_EQ(end.status().type(), "std::runtime_error");
  EXPECT_EQ(lines.count("half way"), 0U) << lines.text();
}

TEST_F(FutureTest, B05_AnExceptionThatNobodyCanSeeIsLogged) {
  const test::LogLines lines;
  const auto start = Future<int>::of(1);
  start.add_callback([](int) { throw std::runtime_error("unseen one"); });
  start.on_done([](const auto&) { throw std::runtime_error("unseen two"); });
  settle();
  EXPECT_EQ(lines.count("unseen one"), 1U) << lines.text();
  EXPECT_EQ(lines.count("unseen two"), 1U) << lines.text();
}

// ---- 6: failing by hand.

TEST_F(FutureTest, B06_MarkErrorFailsIt) {
  const Future<int> future;
  future.mark_error(demo_error());
  EXPECT_TRUE(future.done());
  EXPECT_EQ(thrown_by([&] { return future.value(); }).to_string(), "NOT_FOUND: gone [demo::Gone]");
  const Future<int> other;
  other.mark_error(std::make_exception_ptr(std::out_of_range("far")));
  EXPECT_EQ(other.status().type(), "std::out_of_range");
}

TEST_F(FutureTest, MarkErrorWithOkIsAnErrorNevertheless) {
  const Future<int> future;
  future.mark_error(Status());
  EXPECT_EQ(future.status().code(), StatusCode::kInternal);
}

// ---- 9: flattening.

TEST_F(FutureTest, B09_AReturnedFutureIsFlattened) {
  const Future<int> outer;
  const Future<std::string> inner;
  const Future<std::string> flat = outer.then([inner](int) { return inner; });
  outer.mark_complete(1);
  settle();
  EXPECT_FALSE(flat.done());
  inner.mark_complete("late");
  settle();
  EXPECT_EQ(flat.value(), "late");
}

TEST_F(FutureTest, B09_AnyNestingIsFlattened) {
  const auto three = [](int x) { return Future<Future<Future<int>>>::of(Future<Future<int>>::of(Future<int>::of(x))); };
  const Future<int> flat = Future<int>::of(5).then(three);
  const Future<int> mixed = Future<int>::of(5).then([](int x) { return Future<Result<int>>::of(Result<int>(x)); });
  const Future<void> nothing = Future<void>::of().then([] { return Future<Future<void>>::of(Future<void>::of()); });
  settle();
  EXPECT_EQ(flat.value(), 5);
  EXPECT_EQ(mixed.value(), 5);
  EXPECT_TRUE(nothing.done());
  EXPECT_TRUE(nothing.status().ok());
}

TEST_F(FutureTest, B09_ErrorsInsideAreTheErrorsOfTheWhole) {
  const auto inner_fails = Future<int>::of(1).then([](int) { return Future<int>::failed(demo_error()); });
  const auto deep =
      Future<int>::of(1).then([](int) { return Future<Future<int>>::of(Future<int>::failed(demo_error())); });
  const auto outer = Future<int>::of(1).then([](int) { return Future<Future<int>>::failed(demo_error()); });
  const auto result = Future<int>::of(1).then([](int) -> Result<int> { return std::unexpected(demo_error()); });
  const auto empty = Future<int>::of(1).then([](int) -> Result<void> { return std::unexpected(demo_error()); });
  const auto status = Future<int>::of(1).then([](int) { return demo_error(); });
  settle();
  for (const Status& each :
       {inner_fails.status(), deep.status(), outer.status(), result.status(), empty.status(), status.status()}) {
    EXPECT_EQ(each.to_string(), "NOT_FOUND: gone [demo::Gone]");
  }
}

TEST_F(FutureTest, B09_ResultAndStatusAreOpened) {
  const Future<int> value = Future<void>::of().then([]() -> Result<int> { return 4; });
  const Future<void> done = Future<void>::of().then([] { return Status(); });
  const Future<void> empty = Future<void>::of().then([]() -> Result<void> { return {}; });
  settle();
  EXPECT_EQ(value.value(), 4);
  EXPECT_TRUE(done.done() && done.status().ok());
  EXPECT_TRUE(empty.done() && empty.status().ok());
}

// ---- 11: completing twice.

TEST_F(FutureTest, B11_CompletingTwiceIsAnErrorWhicheverCameFirst) {
  const auto check = [](auto first, auto second, const char* text) {
    const Future<int> future;
    first(future);
    const Status status = thrown_by([&] { return second(future), 0; });
    EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
    EXPECT_THAT(status.message(), HasSubstr(text));
    static_cast<void>(future.status());
  };
  const auto value = [](const Future<int>& future) { future.mark_complete(1); };
  const auto error = [](const Future<int>& future) { future.mark_error(demo_error()); };
  check(value, value, "completed already, with a value");
  check(value, error, "completed already, with a value");
  check(error, value, "completed already, with the error NOT_FOUND: gone");
  check(error, error, "completed already, with the error NOT_FOUND: gone");
}

TEST_F(FutureTest, B11_TheFirstCompletionStays) {
  const Future<int> future;
  EXPECT_TRUE(future.try_complete(1));
  EXPECT_FALSE(future.try_complete(2));
  EXPECT_FALSE(future.try_fail(demo_error()));
  EXPECT_EQ(future.value(), 1);
}

// ---- 12: value before completion.

TEST_F(FutureTest, B12_ValueBeforeCompletionIsAnError) {
  const Future<int> future;
  EXPECT_EQ(thrown_by([&] { return future.value(); }).code(), StatusCode::kFailedPrecondition);
  EXPECT_TRUE(future.status().ok());
  EXPECT_FALSE(future.done());
  future.mark_complete(1);
  EXPECT_EQ(future.value(), 1);
  EXPECT_EQ(future.value(), 1);
}

TEST_F(FutureTest, B12_WaitReturnsTheValueAnyNumberOfTimes) {
  const auto future = Future<std::string>::of("kept");
  EXPECT_EQ(future.wait(), "kept");
  EXPECT_EQ(future.wait(), "kept");
  EXPECT_EQ(future.wait(1ms), "kept");
  EXPECT_EQ(Future<std::string>(future).wait(), "kept");  // a handle that goes leaves the value to others
  EXPECT_EQ(future.wait(), "kept");
  const auto failed = Future<int>::failed(demo_error());
  for (int i = 0; i < 3; ++i) EXPECT_EQ(thrown_by([&] { return failed.wait(); }).message(), "gone");
}

TEST_F(FutureTest, B12_WaitOnTheKernelThreadThrowsAtOnce) {
  const Future<int> pending;
  const auto ready = Future<int>::of(1);
  loop.post([&] {
    for (const Future<int>& future : {pending, ready}) {
      for (const Status& status :
           {thrown_by([&] { return future.wait(); }), thrown_by([&] { return future.wait(1h); })}) {
        EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
        EXPECT_THAT(status.message(), HasSubstr("wait() was called on the kernel thread"));
      }
    }
    EXPECT_EQ(ready.value(), 1);
  });
  settle();
  pending.mark_complete(1);
}

// ---- 13: callbacks.

TEST_F(FutureTest, B13_CallbacksRunOnceInTheOrderAdded) {
  const Future<int> future;
  future.add_callback([&](int x) { happened.push_back("callback " + std::to_string(x)); });
  const auto child = future.then([&](int) { happened.push_back("then"); });
  future.on_done([&](const auto& result) { happened.push_back("done " + std::to_string(*result)); });
  future.on_error([&](const Status&) { happened.push_back("never"); });
  future.add_callback([&](int) { happened.push_back("last"); });
  future.mark_complete(1);
  settle();
  settle();
  EXPECT_THAT(happened, ElementsAre("callback 1", "then", "done 1", "last"));
}

TEST_F(FutureTest, B13_CallbacksAddedAfterCompletionRunToo) {
  const auto future = Future<int>::of(1);
  for (int i = 0; i < 3; ++i) future.add_callback([&, i](int) { happened.push_back(std::to_string(i)); });
  settle();
  future.add_callback([&](int) { happened.push_back("later"); });
  settle();
  EXPECT_THAT(happened, ElementsAre("0", "1", "2", "later"));
}

TEST_F(FutureTest, B13_CallbacksAddedByACallbackComeLast) {
  const Future<int> future;
  future.add_callback([&](int) {
    happened.push_back("first");
    future.add_callback([&](int) { happened.push_back("third"); });
  });
  future.add_callback([&](int) { happened.push_back("second"); });
  future.mark_complete(1);
  loop.run_once(false);
  EXPECT_THAT(happened, ElementsAre("first", "second", "third"));
}

TEST_F(FutureTest, B13_CallbacksNeverRunInline) {
  const Future<int> future;
  const auto note = [&](int) { happened.push_back("ran"); };
  loop.post([&] {
    future.add_callback(note);
    future.mark_complete(1);
    future.add_callback(note);
    EXPECT_TRUE(happened.empty());
  });
  loop.run_once(false);  // but in the same turn
  EXPECT_THAT(happened, ElementsAre("ran", "ran"));
}

TEST_F(FutureTest, B13_CallbacksRunOnTheKernelThread) {
  const auto future = Future<int>::of(1);
  bool inside = false;
  future.add_callback([&](int) { inside = loop.in_loop_thread(); });
  EXPECT_FALSE(inside);
  settle();
  EXPECT_TRUE(inside);
}

TEST_F(FutureTest, B13_AddCallbackReturnsTheFutureForMore) {
  const Future<int> future;
  const Future<int>& same =
      future.add_callback([&](int) { happened.push_back("a"); }).add_callback([&](int) { happened.push_back("b"); });
  EXPECT_EQ(&same, &future);
  future.mark_complete(1);
  settle();
  EXPECT_THAT(happened, ElementsAre("a", "b"));
}

// ---- 14: then.

TEST_F(FutureTest, B14_ThenGivesAFutureOfTheCallbacksResult) {
  const auto text = Future<int>::of(41).then([](int x) { return std::to_string(x + 1); });
  const Future<void> nothing = text.then([](const std::string&) {});
  settle();
  EXPECT_EQ(text.value(), "42");
  EXPECT_TRUE(nothing.done());
}

TEST_F(FutureTest, B14_ACallbackThatThrowsFailsItsOwnChildOnly) {
  const Future<int> future;
  const auto bad = future.then([](int) -> int { throw std::runtime_error("mine"); });
  const auto good = future.then([](int x) { return x; });
  future.mark_complete(1);
  settle();
  EXPECT_EQ(bad.status().message(), "mine");
  EXPECT_EQ(good.value(), 1);
  EXPECT_EQ(future.value(), 1);
}

TEST_F(FutureTest, B14_ErrorsSkipToTheEnd) {
  const Future<int> future;
  int calls = 0;
  const auto end = future.then([&](int x) { return ++calls, x; }).then([&](int x) { return ++calls, x; });
  end.on_error([&](const Status& status) { happened.push_back(status.message()); });
  future.mark_error(demo_error());
  settle();
  EXPECT_EQ(calls, 0);
  EXPECT_THAT(happened, ElementsAre("gone"));
}

TEST_F(FutureTest, B14_OnErrorThatReturnsAValueRecovers) {
  const auto failed = Future<int>::failed(demo_error());
  const auto value = failed.on_error([](const Status&) { return 5; });
  const auto future = failed.on_error([](const Status&) { return Future<int>::of(6); });
  const auto result = failed.on_error([](const Status&) -> Result<int> { return 7; });
  const auto again = failed.on_error([](const Status&) -> int { throw std::runtime_error("worse"); });
  const auto untouched = Future<int>::of(1).on_error([](const Status&) { return 5; });
  settle();
  EXPECT_EQ(value.value(), 5);
  EXPECT_EQ(future.value(), 6);
  EXPECT_EQ(result.value(), 7);
  EXPECT_EQ(again.status().message(), "worse");
  EXPECT_EQ(untouched.value(), 1);
}

}  // namespace
}  // namespace onward
