// SPDX-License-Identifier: Apache-2.0
//
// Behaviour 15: Futures made of Futures.
#include "onward/combinators.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "loop_fixture.h"

namespace onward {
namespace {

using namespace std::chrono_literals;
using test::kHang;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class CombinatorsTest : public test::LoopTest {};

Status error(const char* text) { return {StatusCode::kNotFound, text}; }

TEST_F(CombinatorsTest, B15_WhenAllKeepsTheOrderOfItsInput) {
  const std::vector<Future<int>> three{Future<int>(), Future<int>(), Future<int>()};
  const auto all = when_all(three);
  three[2].mark_complete(2);
  three[0].mark_complete(0);
  settle();
  EXPECT_FALSE(all.done());
  three[1].mark_complete(1);
  settle();
  EXPECT_THAT(all.value(), ElementsAre(0, 1, 2));
}

TEST_F(CombinatorsTest, B15_WhenAllTakesDuplicatesAndNone) {
  const Future<std::string> one;
  const auto all = when_all(std::vector{one, one, one});
  const auto none = when_all(std::vector<Future<int>>());
  const auto no_voids = when_all(std::vector<Future<void>>());
  one.mark_complete("x");
  settle();
  EXPECT_THAT(all.value(), ElementsAre("x", "x", "x"));
  EXPECT_TRUE(none.value().empty());
  EXPECT_TRUE(no_voids.done());
  EXPECT_EQ(one.value(), "x");
}

TEST_F(CombinatorsTest, B15_WhenAllFailsEarlyWithTheFirstError) {
  const std::vector<Future<int>> three{Future<int>(), Future<int>(), Future<int>()};
  const auto all = when_all(three);
  three[1].mark_error(error("first"));
  settle();
  ASSERT_TRUE(all.done());
  EXPECT_EQ(all.status().message(), "first");
  three[0].mark_error(error("second"));
  three[2].mark_complete(1);
  settle();
  EXPECT_EQ(all.status().message(), "first");
}

TEST_F(CombinatorsTest, B15_WhenAllOfVoids) {
  const std::vector<Future<void>> two{Future<void>(), Future<void>()};
  const auto all = when_all(two);
  two[0].mark_complete();
  settle();
  EXPECT_FALSE(all.done());
  two[1].mark_complete();
  settle();
  EXPECT_TRUE(all.done() && all.status().ok());
  const auto failing = when_all(std::vector{Future<void>::of(), Future<void>::failed(error("x"))});
  settle();
  EXPECT_EQ(failing.status().message(), "x");
}

TEST_F(CombinatorsTest, B15_WhenAllOfSeveralTypes) {
  const Future<int> number;
  const Future<std::string> text;
  const Future<void> nothing;
  const auto all = when_all(number, text, nothing);
  nothing.mark_complete();
  text.mark_complete("a");
  number.mark_complete(1);
  settle();
  EXPECT_EQ(std::get<0>(all.value()), 1);
  EXPECT_EQ(std::get<1>(all.value()), "a");
  const auto failing = when_all(number, Future<int>::failed(error("x")));
  settle();
  EXPECT_EQ(failing.status().message(), "x");
}

TEST_F(CombinatorsTest, B15_WhenAllOfBrokenPromisesFails) {
  const auto all = [] { return when_all(std::vector{Future<int>(), Future<int>()}); }();
  settle();
  EXPECT_EQ(all.status().code(), StatusCode::kAborted);
}

TEST_F(CombinatorsTest, B15_WhenAllOfThousands) {
  std::vector<Future<int>> futures;
  for (int i = 0; i < 10'000; ++i) futures.push_back(i % 2 == 0 ? Future<int>::of(i) : Future<int>());
  const auto all = when_all(futures);
  for (int i = 1; i < 10'000; i += 2) futures[static_cast<std::size_t>(i)].mark_complete(i);
  settle();
  for (int i = 0; i < 10'000; ++i) ASSERT_EQ(all.value()[static_cast<std::size_t>(i)], i);
}

TEST_F(CombinatorsTest, B15_WhenAnyGivesTheFirstThatSucceeds) {
  const std::vector<Future<int>> three{Future<int>(), Future<int>(), Future<int>()};
  const auto any = when_any(three);
  three[0].mark_error(error("lost"));
  settle();
  EXPECT_FALSE(any.done());
  three[2].mark_complete(7);
  three[1].mark_complete(8);
  settle();
  EXPECT_EQ(any.value(), (std::pair<std::size_t, int>(2, 7)));
}

TEST_F(CombinatorsTest, B15_WhenAnyFailsWhenAllHaveFailedOrThereAreNone) {
  const std::vector<Future<void>> two{Future<void>(), Future<void>()};
  const auto any = when_any(two);
  two[1].mark_error(error("one"));
  two[0].mark_error(error("two"));
  const auto none = when_any(std::vector<Future<int>>());
  settle();
  EXPECT_EQ(any.status().message(), "two");
  EXPECT_EQ(none.status().code(), StatusCode::kInvalidArgument);
}

TEST_F(CombinatorsTest, B15_WithTimeoutGivesWhatComesInTime) {
  const Future<int> value;
  const Future<int> failing;
  const auto limited = with_timeout(value, 100ms);
  const auto failed = with_timeout(failing, 100ms);
  settle();
  clock.advance(99ms);
  settle();
  value.mark_complete(1);
  failing.mark_error(error("own"));
  settle();
  EXPECT_EQ(limited.value(), 1);
  EXPECT_EQ(failed.status().message(), "own");
  clock.advance(1s);
  settle();
  EXPECT_EQ(limited.value(), 1);
}

TEST_F(CombinatorsTest, B15_WithTimeoutFailsAndTheFutureGoesOn) {
  const Future<int> late;
  const auto limited = with_timeout(late, 100ms);
  settle();
  clock.advance(100ms);
  settle();
  ASSERT_TRUE(limited.done());
  EXPECT_EQ(limited.status().code(), StatusCode::kDeadlineExceeded);
  EXPECT_THAT(limited.status().message(), HasSubstr("100 ms"));
  EXPECT_FALSE(late.done());
  late.mark_complete(1);
  settle();
  EXPECT_EQ(late.value(), 1);
}

TEST_F(CombinatorsTest, B15_WithTimeoutOfWhatIsDoneAlready) {
  const auto ready = with_timeout(Future<int>::of(1), 0ms);
  settle();
  EXPECT_EQ(ready.value(), 1);
}

TEST_F(CombinatorsTest, B15_WithTimeoutOfForEver) {
  const Future<int> late;
  const auto limited = with_timeout(late, Duration::max());
  const auto negative = with_timeout(late, Duration::min());
  settle();
  clock.advance(24h * 365 * 100);
  settle();
  EXPECT_FALSE(limited.done());
  EXPECT_EQ(negative.status().code(), StatusCode::kDeadlineExceeded);
  late.mark_complete(1);
  settle();
  EXPECT_EQ(limited.value(), 1);
}

TEST_F(CombinatorsTest, B15_WithTimeoutFromACallback) {
  const Future<int> inner;
  const auto limited = Future<int>::of(1).then([&](int) { return with_timeout(inner, 10ms); });
  settle();
  clock.advance(11ms);
  settle();
  EXPECT_EQ(limited.status().code(), StatusCode::kDeadlineExceeded);
}

TEST_F(CombinatorsTest, SleepForTakesTheClocksTime) {
  const auto slept = sleep_for(50ms);
  settle();
  clock.advance(49ms);
  settle();
  EXPECT_FALSE(slept.done());
  clock.advance(1ms);
  settle();
  EXPECT_TRUE(slept.done() && slept.status().ok());
}

TEST_F(CombinatorsTest, TimersLeaveNothingBehind) {
  const auto token = std::make_shared<int>(0);
  for (int i = 0; i < 10; ++i) {
    const Future<std::shared_ptr<int>> future;
    static_cast<void>(with_timeout(future, 1h));
    if (i % 2 == 0) settle();
    future.mark_complete(token);
  }
  settle();
  EXPECT_EQ(token.use_count(), 1);
}

TEST(CombinatorsEnd, TimersFailWhenTheLoopEnds) {
  auto loop = std::make_unique<EventLoop>();
  LoopHandle::set_thread_default(&loop->handle());
  const Future<int> never;
  const auto queued = with_timeout(never, 1h);
  const auto asleep = sleep_for(1h);
  loop->run_once(false);
  const auto armed = with_timeout(never, 1h);
  const auto more = sleep_for(1h);
  LoopHandle::set_thread_default(nullptr);
  loop.reset();
  for (const Status& status : {queued.status(), asleep.status(), armed.status(), more.status()}) {
    EXPECT_EQ(status.code(), StatusCode::kUnavailable) << status.to_string();
  }
  never.mark_complete(1);
}

TEST(CombinatorsEnd, WithoutANodeTheySayWhatToDo) {
  const Future<int> future;
  for (const auto& call : {std::function<void()>([] { static_cast<void>(sleep_for(1s)); }),
                           std::function<void()>([&] { static_cast<void>(with_timeout(future, 1s)); })}) {
    try {
      call();
      ADD_FAILURE();
    } catch (const RpcError& thrown) {
      EXPECT_EQ(thrown.code(), StatusCode::kFailedPrecondition);
      EXPECT_THAT(thrown.status().message(), HasSubstr("init_rpc()"));
    }
  }
}

TEST(CombinatorsThread, B15_WaitAllReturnsAllOrThrowsTheFirstError) {
  EventLoop loop;
  std::thread turning([&] { loop.run(); });
  LoopHandle::set_thread_default(&loop.handle());
  const std::vector<Future<int>> values{Future<int>::of(1), Future<int>()};
  loop.post([late = values[1]] { late.mark_complete(2); });
  EXPECT_THAT(wait_all(values), ElementsAre(1, 2));
  wait_all(std::vector{Future<void>::of(), Future<void>::of()});
  try {
    static_cast<void>(wait_all(std::vector{Future<int>(), Future<int>::failed(error("first"))}));
    ADD_FAILURE();
  } catch (const RpcError& thrown) {
    // The one that nobody will complete is a broken promise; either may be seen first.
    EXPECT_TRUE(thrown.status().message() == "first" || thrown.code() == StatusCode::kAborted) << thrown.what();
  }
  test::Event refused;
  loop.post([&] {
    EXPECT_THROW(static_cast<void>(wait_all(values)), RpcError);
    refused.set();
  });
  EXPECT_TRUE(refused.wait());
  LoopHandle::set_thread_default(nullptr);
  loop.stop();
  turning.join();
}

TEST(CombinatorsThread, B15_FuturesOfTwoLoopsMayBeCombined) {
  EventLoop first;
  EventLoop second;
  std::thread one([&] { first.run(); });
  std::thread two([&] { second.run(); });
  LoopHandle::set_thread_default(&first.handle());
  for (int round = 0; round < 300; ++round) {
    std::vector<Future<int>> futures;
    for (int i = 0; i < 20; ++i) futures.emplace_back(i % 2 == 0 ? &first.handle() : &second.handle());
    const auto all = when_all(futures);
    for (int i = 0; i < 20; ++i) futures[static_cast<std::size_t>(i)].mark_complete(i);
    ASSERT_EQ(all.wait(kHang).back(), 19);
  }
  LoopHandle::set_thread_default(nullptr);
  first.stop();
  second.stop();
  one.join();
  two.join();
}

}  // namespace
}  // namespace onward
