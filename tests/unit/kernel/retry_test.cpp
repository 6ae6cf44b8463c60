// SPDX-License-Identifier: Apache-2.0
#include "onward/retry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "loop_fixture.h"

namespace onward {
namespace {

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;
using std::chrono_literals::operator""h;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Ge;
using ::testing::HasSubstr;
using ::testing::Le;

// Attempts are Futures that the test completes.
class RetryTest : public test::LoopTest {
 protected:
  [[nodiscard]] auto attempt() {
    return [this](unsigned number) {
      EXPECT_EQ(number, attempts.size());
      attempts.emplace_back();
      contexts.push_back(CallContext::current());
      return attempts.back();
    };
  }
  void fail(std::size_t which, StatusCode code = StatusCode::kUnavailable) {
    attempts.at(which).mark_error(Status(code, "attempt " + std::to_string(which)));
    settle();
  }
  void pass(Duration time) {
    clock.advance(time);
    settle();
  }
  static Status outcome(const auto& future) {
    EXPECT_TRUE(future.done());
    return future.status();
  }
  std::vector<Future<int>> attempts;
  std::vector<CallContext> contexts;
  const RetryOptions exact{.attempts = 4, .backoff = 10ms, .max_backoff = 30ms, .multiplier = 2, .jitter = 0};
};

TEST_F(RetryTest, ASuccessIsAllThatIsWanted) {
  const Future<int> result = retry(attempt(), exact);
  settle();
  attempts.at(0).mark_complete(5);
  settle();
  EXPECT_EQ(result.value(), 5);
  pass(1h);
  EXPECT_EQ(attempts.size(), 1U);
}

TEST_F(RetryTest, TriesAgainWithGrowingPauses) {
  const Future<int> result = retry(attempt(), exact);
  settle();
  fail(0);
  pass(9ms);
  EXPECT_EQ(attempts.size(), 1U);
  pass(1ms);
  ASSERT_EQ(attempts.size(), 2U);
  fail(1);
  pass(19ms);
  EXPECT_EQ(attempts.size(), 2U);
  pass(1ms);
  ASSERT_EQ(attempts.size(), 3U);
  fail(2);
  pass(29ms);
  EXPECT_EQ(attempts.size(), 3U);  // 40 ms are more than max_backoff
  pass(1ms);
  ASSERT_EQ(attempts.size(), 4U);
  fail(3);
  EXPECT_EQ(outcome(result).to_string(), "UNAVAILABLE: attempt 3 (4 attempts)");
  pass(1h);
  EXPECT_EQ(attempts.size(), 4U);
}

TEST_F(RetryTest, OtherErrorsAreFinal) {
  const Future<int> result = retry(attempt(), exact);
  settle();
  fail(0, StatusCode::kInvalidArgument);
  EXPECT_EQ(outcome(result).to_string(), "INVALID_ARGUMENT: attempt 0");
}

TEST_F(RetryTest, WhatItThrowsIsAFailureToo) {
  int calls = 0;
  const Future<int> result = retry(
      [&]() -> Future<int> {
        if (++calls < 3) throw RpcError(StatusCode::kUnavailable, "thrown");
        return Future<int>::of(7);
      },
      exact);
  settle();
  pass(10ms);
  pass(20ms);
  EXPECT_EQ(result.value(), 7);
}

TEST_F(RetryTest, TasksAndVoidAreTriedAsWell) {
  int calls = 0;
  const Future<void> result = retry(
      [&calls]() -> Task<void> {
        co_await sleep_for(1ms);
        if (++calls < 2) throw RpcError(StatusCode::kUnavailable, "thrown");
      },
      exact);
  settle();
  pass(1ms);
  pass(10ms);
  pass(1ms);
  EXPECT_TRUE(outcome(result).ok());
  EXPECT_EQ(calls, 2);
}

TEST_F(RetryTest, NeverPastTheDeadlineOfTheCall) {
  Future<int> result;
  {
    const ContextScope scope(CallContext::make(loop.handle(), {.timeout = 15ms}));
    result = retry(attempt(), exact);
  }
  settle();
  fail(0);
  pass(10ms);
  fail(1);  // 5 ms are left, the pause would be 20
  EXPECT_EQ(outcome(result).to_string(), "UNAVAILABLE: attempt 1 (2 attempts, no more as the deadline is near)");
}

TEST_F(RetryTest, EndsWithTheCall) {
  const CallContext call = CallContext::make(loop.handle());
  Future<int> result;
  {
    const ContextScope scope(call);
    result = retry(attempt(), exact);
  }
  settle();
  fail(0);
  call.cancel();
  settle();
  EXPECT_EQ(outcome(result).code(), StatusCode::kCancelled);
  pass(1h);
  EXPECT_EQ(attempts.size(), 1U);
}

TEST_F(RetryTest, AnAttemptMayHaveItsOwnTime) {
  RetryOptions options = exact;
  options.attempt_timeout = 5ms;
  const Future<int> result = retry(attempt(), options);
  settle();
  EXPECT_EQ(contexts.at(0).remaining(), 5ms);
  pass(5ms);
  EXPECT_TRUE(contexts.at(0).cancelled());
  pass(10ms);
  ASSERT_EQ(attempts.size(), 2U);
  attempts.at(1).mark_complete(2);
  settle();
  EXPECT_EQ(result.value(), 2);
}

TEST_F(RetryTest, TheBudgetStopsAnOutageFromGrowing) {
  RetryOptions options = exact;
  options.attempts = 100;
  options.budget = std::make_shared<RetryBudget>(6, 1);
  const Future<int> result = retry(attempt(), options);
  settle();
  for (std::size_t i = 0; i < 3; ++i) {
    fail(i);
    pass(30ms);
  }
  EXPECT_EQ(outcome(result).message(), "attempt 2 (3 attempts, no more as the retry budget is used up)");
  options.budget->on_success();  // a call that goes well
  EXPECT_TRUE(options.budget->allows());
}

TEST_F(RetryTest, JitterStaysInItsBounds) {
  RetryOptions options = exact;
  options.jitter = 0.5;
  Duration least = Duration::max();
  Duration most = Duration::zero();
  for (int i = 0; i < 1000; ++i) {
    const Duration pause = detail::backoff_of(options, 0);
    least = std::min(least, pause);
    most = std::max(most, pause);
  }
  EXPECT_THAT(least, AllOf(Ge(Duration(5ms)), Le(Duration(6ms))));
  EXPECT_THAT(most, AllOf(Ge(Duration(14ms)), Le(Duration(15ms))));
  EXPECT_LE(detail::backoff_of(exact, 4000), Duration(30ms));
}

TEST_F(RetryTest, OptionsThatMakeNoSenseAreRefused) {
  const auto refused = [&](const RetryOptions& options) {
    return test::thrown_by([&] { return retry(attempt(), options); }).code();
  };
  EXPECT_EQ(refused({.attempts = 0}), StatusCode::kInvalidArgument);
  EXPECT_EQ(refused({.backoff = 2s, .max_backoff = 1s}), StatusCode::kInvalidArgument);
  EXPECT_EQ(refused({.multiplier = 0.5}), StatusCode::kInvalidArgument);
  EXPECT_EQ(refused({.jitter = 1.5}), StatusCode::kInvalidArgument);
  EXPECT_EQ(test::thrown_by([] { return RetryBudget(0); }).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(test::thrown_by([&] { return hedge(attempt(), {.copies = 0}); }).code(), StatusCode::kInvalidArgument);
}

using HedgeTest = RetryTest;

TEST_F(HedgeTest, AFastAnswerNeedsNoSecondCopy) {
  const Future<int> result = hedge(attempt(), {.delay = 20ms});
  settle();
  attempts.at(0).mark_complete(1);
  settle();
  EXPECT_EQ(result.value(), 1);
  pass(1h);
  EXPECT_EQ(attempts.size(), 1U);
}

TEST_F(HedgeTest, TheLoserIsCancelled) {
  const Future<int> result = hedge(attempt(), {.delay = 20ms, .copies = 3});
  settle();
  pass(19ms);
  EXPECT_EQ(attempts.size(), 1U);
  pass(1ms);
  ASSERT_EQ(attempts.size(), 2U);
  attempts.at(1).mark_complete(2);
  settle();
  EXPECT_EQ(result.value(), 2);
  EXPECT_EQ(contexts.at(0).status().message(), "another copy of it was faster");
  pass(1h);
  EXPECT_EQ(attempts.size(), 2U);
}

TEST_F(HedgeTest, AFailedCopyIsReplacedAtOnce) {
  const Future<int> result = hedge(attempt(), {.delay = 1h});
  settle();
  fail(0);
  ASSERT_EQ(attempts.size(), 2U);
  fail(1);
  EXPECT_EQ(outcome(result).message(), "attempt 1");
}

TEST_F(HedgeTest, AnErrorThatIsTheAnswerEndsAll) {
  const Future<int> result = hedge(attempt(), {.delay = 10ms});
  settle();
  pass(10ms);
  fail(1, StatusCode::kNotFound);
  EXPECT_EQ(outcome(result).code(), StatusCode::kNotFound);
  EXPECT_TRUE(contexts.at(0).cancelled());
}

TEST_F(HedgeTest, ALastCopyThatStillRunsMaySucceed) {
  const Future<int> result = hedge(attempt(), {.delay = 10ms});
  settle();
  pass(10ms);
  fail(1);
  EXPECT_FALSE(result.done());
  attempts.at(0).mark_complete(4);
  settle();
  EXPECT_EQ(result.value(), 4);
}

TEST_F(HedgeTest, EndsWithTheCall) {
  const CallContext call = CallContext::make(loop.handle());
  Future<int> result;
  {
    const ContextScope scope(call);
    result = hedge(attempt(), {.delay = 10ms});
  }
  settle();
  call.cancel();
  settle();
  EXPECT_EQ(outcome(result).code(), StatusCode::kCancelled);
  EXPECT_TRUE(contexts.at(0).cancelled());
  pass(1h);
  EXPECT_EQ(attempts.size(), 1U);
}

TEST_F(HedgeTest, TheBudgetHoldsForCopies) {
  auto budget = std::make_shared<RetryBudget>(2, 1);
  budget->on_failure();
  const Future<int> result = hedge(attempt(), {.delay = 10ms, .budget = budget});
  settle();
  pass(1h);
  EXPECT_EQ(attempts.size(), 1U);
  attempts.at(0).mark_complete(1);
  settle();
  EXPECT_EQ(result.value(), 1);
}

}  // namespace
}  // namespace onward
