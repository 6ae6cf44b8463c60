// SPDX-License-Identifier: Apache-2.0
#include "onward/task.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "loop_fixture.h"
#include "onward/combinators.h"

namespace onward {
namespace {

using std::chrono_literals::operator""ms;
using ::testing::HasSubstr;

class TaskTest : public test::LoopTest {
 protected:
  // As a function of the loop would have it: on the loop's thread.
  template <class F>
  void on_loop(F function) {
    loop.post(std::move(function));
    settle();
  }
};

Task<int> give(int value) { co_return value; }
Task<int> add_later(Future<int> x, Future<int> y) { co_return co_await std::move(x) + co_await std::move(y); }
Task<int> add_twice(Future<int> x, Future<int> y) { co_return 2 * co_await add_later(std::move(x), std::move(y)); }
Task<void> fail_with(std::string message) {
  throw std::out_of_range(message);
  co_return;
}

TEST_F(TaskTest, RunsWhenItIsSpawnedAndNotBefore) {
  bool ran = false;
  const auto make = [](bool& flag) -> Task<int> {
    flag = true;
    co_return 1;
  };
  Task<int> task = make(ran);
  EXPECT_FALSE(ran);
  Future<int> result;
  on_loop([&] {
    result = spawn(std::move(task));
    EXPECT_TRUE(ran);
    EXPECT_EQ(result.value(), 1);  // it never had to wait
  });
  EXPECT_EQ(result.value(), 1);
}

TEST_F(TaskTest, SpawnedFromAnotherThreadItBeginsOnTheLoop) {
  const Future<int> result = spawn(give(3));
  EXPECT_FALSE(result.done());
  settle();
  EXPECT_EQ(result.value(), 3);
}

TEST_F(TaskTest, OneThatNobodyRunsIsDestroyed) {
  const auto make = [](std::shared_ptr<int> held) -> Task<int> { co_return *held; };
  auto held = std::make_shared<int>(1);
  {
    const Task<int> never = make(held);
  }
  EXPECT_EQ(held.use_count(), 1);
}

TEST_F(TaskTest, WaitsForFuturesAndTasks) {
  const Future<int> x;
  const Future<int> y;
  const Future<int> result = spawn(add_twice(x, y));
  settle();
  x.mark_complete(1);
  settle();
  EXPECT_FALSE(result.done());
  std::thread([&] { y.mark_complete(2); }).join();
  EXPECT_FALSE(result.done());  // it goes on on its loop
  settle();
  EXPECT_EQ(result.value(), 6);
}

TEST_F(TaskTest, ErrorsAreThrownAtTheCoAwait) {
  const Future<int> x;
  const Future<std::string> result = spawn([x]() -> Task<std::string> {
    try {
      co_await x;
    } catch (const RpcError& error) {
      co_return error.status().message();
    }
    co_return "nothing was thrown";
  });
  settle();
  x.mark_error(Status(StatusCode::kNotFound, "gone"));
  settle();
  EXPECT_EQ(result.value(), "gone");
}

TEST_F(TaskTest, WhatItThrowsFailsTheFutureAndKeepsItsTypeInside) {
  const Future<std::string> inner = spawn([]() -> Task<std::string> {
    try {
      co_await fail_with("far");
    } catch (const std::out_of_range& error) {
      co_return error.what();
    }
    co_return "";
  });
  const Future<void> outer = spawn(fail_with("farther"));
  settle();
  EXPECT_EQ(inner.value(), "far");
  EXPECT_EQ(outer.status().to_string(), "UNKNOWN: farther [std::out_of_range]");
}

TEST_F(TaskTest, FuturesAndResultsThatItGivesAreOpened) {
  const Future<int> later;
  const Future<int> through = spawn([later]() -> Task<Future<int>> { co_return later; });
  const Future<int> refused = spawn([]() -> Task<Result<int>> { co_return fail(StatusCode::kNotFound, "no"); });
  const Future<void> status = spawn([]() -> Task<Status> { co_return Status(StatusCode::kAborted, "stop"); });
  settle();
  later.mark_complete(5);
  settle();
  EXPECT_EQ(through.value(), 5);
  EXPECT_EQ(refused.status().code(), StatusCode::kNotFound);
  EXPECT_EQ(status.status().code(), StatusCode::kAborted);
}

TEST_F(TaskTest, ThenTakesATask) {
  const Future<int> x;
  const Future<int> result = x.then([](int value) { return give(value + 1); });
  x.mark_complete(1);
  settle();
  EXPECT_EQ(result.value(), 2);
}

TEST_F(TaskTest, MoveOnlyValuesGoThrough) {
  const Future<std::unique_ptr<int>> made = spawn([]() -> Task<std::unique_ptr<int>> {
    Future<std::unique_ptr<int>> ready = Future<std::unique_ptr<int>>::of(std::make_unique<int>(4));
    co_return co_await std::move(ready);
  });
  settle();
  EXPECT_EQ(*made.value(), 4);
}

TEST_F(TaskTest, ABrokenPromiseIsThrown) {
  auto x = std::make_unique<Future<int>>();
  const Future<int> result = spawn([](Future<int> mine) -> Task<int> { co_return co_await mine; }(*x));
  settle();
  EXPECT_FALSE(result.done());
  x.reset();  // the coroutine's own handle cannot complete it while it waits
  settle();
  EXPECT_EQ(result.status().code(), StatusCode::kAborted);
  EXPECT_THAT(result.status().message(), HasSubstr("broken promise"));
}

TEST_F(TaskTest, ManyStepsDoNotGrowTheStack) {
  const Future<int> result = spawn([]() -> Task<int> {
    int sum = 0;
    for (int i = 0; i < 100'000; ++i) sum += co_await Future<int>::of(1).then([](int one) { return one; });
    co_return sum;
  });
  settle();
  EXPECT_EQ(result.value(), 100'000);
}

TEST_F(TaskTest, SleepsAndCombinators) {
  const Future<int> result = spawn([]() -> Task<int> {
    co_await sleep_for(10ms);
    const auto [x, y] = co_await when_all(spawn(give(1)), spawn(give(2)));
    const std::vector futures{Future<int>::of(3), Future<int>::of(4)};
    const std::vector<int> more = co_await when_all(futures);
    co_return x + y + more[0] + more[1];
  });
  settle();
  EXPECT_FALSE(result.done());
  clock.advance(10ms);
  settle();
  EXPECT_EQ(result.value(), 10);
}

TEST_F(TaskTest, AFutureOfAnotherLoopBringsItBackToItsOwn) {
  ManualClock other_clock;
  EventLoop other({}, other_clock);
  const Future<int> foreign(&other.handle());
  std::thread::id resumed;
  const Future<int> result = spawn([&]() -> Task<int> {
    const int value = co_await foreign;
    resumed = std::this_thread::get_id();
    co_return value;
  });
  settle();
  std::thread([&] {
    foreign.mark_complete(5);
    while (other.run_once(false)) {
    }
  }).join();
  EXPECT_FALSE(result.done());
  settle();
  EXPECT_EQ(result.value(), 5);
  EXPECT_EQ(resumed, std::this_thread::get_id());
}

TEST_F(TaskTest, WithoutANodeItCannotBegin) {
  LoopHandle::set_thread_default(nullptr);
  const Status status = test::thrown_by([] { return spawn(give(1)); });
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(status.message(), HasSubstr("init_rpc()"));
}

}  // namespace
}  // namespace onward
