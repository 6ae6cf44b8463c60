// SPDX-License-Identifier: Apache-2.0
#include "onward/pool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "loop_fixture.h"

namespace onward {
namespace {

using namespace std::chrono_literals;
using test::Event;
using test::kHang;
using ::testing::HasSubstr;

template <class T>
Status error_of(const Future<T>& future) {
  try {
    static_cast<void>(future.wait(kHang));
  } catch (const RpcError& error) {
    return error.status();
  }
  return {};
}

class PoolTest : public ::testing::Test {
 protected:
  PoolTest() : thread_([this] { loop.run(); }) {}
  ~PoolTest() override {
    loop.stop();
    thread_.join();
  }
  // Jobs that hold all threads until `gate` opens; returns when they have begun.
  std::vector<Future<void>> occupy(Pool& pool, std::size_t threads) {
    std::vector<Future<void>> held;
    std::atomic<std::size_t> begun = 0;
    Event all;
    for (std::size_t i = 0; i < threads; ++i) {
      held.push_back(pool.submit([&, threads] {
        if (++begun == threads) all.set();
        EXPECT_TRUE(gate.wait());
      }));
    }
    EXPECT_TRUE(all.wait());
    return held;
  }

  EventLoop loop;
  Event gate;

 private:
  std::thread thread_;
};

TEST_F(PoolTest, RunsJobsOnItsThreadsAndAnswersOnTheLoop) {
  Pool pool(loop.handle(), "p", {.threads = 2});
  std::thread::id ran_on;
  const auto result = pool.submit([&] {
    ran_on = std::this_thread::get_id();
    EXPECT_FALSE(loop.in_loop_thread());
    EXPECT_EQ(LoopHandle::current(), &loop.handle());
    return 7;
  });
  bool on_loop = false;
  result.then([&](int) { on_loop = loop.in_loop_thread(); }).wait(kHang);
  EXPECT_EQ(result.wait(kHang), 7);
  EXPECT_NE(ran_on, std::this_thread::get_id());
  EXPECT_TRUE(on_loop);
}

TEST_F(PoolTest, OpensWhatAJobReturns) {
  Pool pool(loop.handle(), "p", {});
  const Future<int> nested = pool.submit([] { return Future<Future<int>>::of(Future<int>::of(3)); });
  const Future<int> result = pool.submit([]() -> Result<int> { return fail(StatusCode::kNotFound, "gone"); });
  const Future<void> nothing = pool.submit([] {});
  const Future<void> status = pool.submit([] { return Status(StatusCode::kAborted, "stopped"); });
  EXPECT_EQ(nested.wait(kHang), 3);
  EXPECT_EQ(error_of(result).message(), "gone");
  EXPECT_EQ(error_of(nothing).to_string(), "OK");
  EXPECT_EQ(error_of(status).message(), "stopped");
}

TEST_F(PoolTest, ExceptionsFailTheFutureAndKeepTheThread) {
  Pool pool(loop.handle(), "p", {.threads = 1});
  for (int i = 0; i < 3; ++i) {
    const Status status = error_of(pool.submit([]() -> int { throw std::out_of_range("far"); }));
    EXPECT_EQ(status.type(), "std::out_of_range");
  }
  EXPECT_EQ(pool.submit([] { return 1; }).wait(kHang), 1);
}

TEST_F(PoolTest, AJobMayBlockOnAFuture) {
  Pool pool(loop.handle(), "p", {.threads = 1});
  const Future<int> later(&loop.handle());
  const auto result = pool.submit([later] { return later.wait(kHang) + 1; });
  loop.post([later] { later.mark_complete(1); });
  EXPECT_EQ(result.wait(kHang), 2);
}

TEST_F(PoolTest, JobsRunInTheirOrder) {
  Pool pool(loop.handle(), "p", {.threads = 1});
  std::vector<int> order;
  std::vector<Future<void>> ends;
  for (int i = 0; i < 100; ++i) ends.push_back(pool.submit([&, i] { order.push_back(i); }));
  for (const auto& end : ends) end.wait(kHang);
  EXPECT_TRUE(std::ranges::is_sorted(order));
}

TEST_F(PoolTest, UsesAllOfItsThreadsAndNoMore) {
  Pool pool(loop.handle(), "p", {.threads = 3});
  auto held = occupy(pool, 3);
  const auto fourth = pool.submit([] {});
  EXPECT_EQ(pool.queued(), 1U);
  EXPECT_FALSE(fourth.done());
  gate.set();
  fourth.wait(kHang);
  for (const auto& each : held) each.wait(kHang);
}

TEST_F(PoolTest, AFullQueueIsResourceExhausted) {
  Pool pool(loop.handle(), "p", {.threads = 1, .queue_limit = 2});
  auto held = occupy(pool, 1);
  const auto first = pool.submit([] { return 1; });
  const auto second = pool.submit([] { return 2; });
  const auto refused = pool.submit([] { return 3; });
  EXPECT_TRUE(refused.done());
  const Status status = error_of(refused);
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(status.message(), HasSubstr("the pool of node p is full"));
  EXPECT_THAT(status.message(), HasSubstr("pool.queue_limit"));
  gate.set();
  EXPECT_EQ(first.wait(kHang), 1);
  EXPECT_EQ(second.wait(kHang), 2);
  EXPECT_EQ(pool.submit([] { return 4; }).wait(kHang), 4);
}

TEST_F(PoolTest, WhatAFreeThreadWillTakeDoesNotCountAsWaiting) {
  // As many jobs as there are threads, at once, and a queue that is shorter than that.
  for (int round = 0; round < 20; ++round) {
    Pool pool(loop.handle(), "p", {.threads = 4, .queue_limit = 1});
    std::vector<Future<int>> results;
    for (int i = 0; i < 4; ++i) results.push_back(pool.submit([i] { return i; }));
    for (int i = 0; i < 4; ++i) {
      const Status status = error_of(results[static_cast<std::size_t>(i)]);
      EXPECT_TRUE(status.ok()) << status.to_string();
    }
  }
}

TEST_F(PoolTest, AJobThatIsTooLateIsNotRun) {
  Pool pool(loop.handle(), "p", {.threads = 1});
  auto held = occupy(pool, 1);
  bool ran = false;
  const auto late = pool.submit([&] { ran = true; }, Clock::steady().now());
  const auto in_time = pool.submit([] { return 1; }, Clock::steady().now() + 1h);
  gate.set();
  const Status status = error_of(late);
  EXPECT_EQ(status.code(), StatusCode::kDeadlineExceeded);
  EXPECT_FALSE(ran);
  EXPECT_EQ(in_time.wait(kHang), 1);
}

TEST_F(PoolTest, StopFailsWhatWaitsAndLetsWhatRunsFinish) {
  Pool pool(loop.handle(), "p", {.threads = 1});
  auto held = occupy(pool, 1);
  const auto queued = pool.submit([] { ADD_FAILURE(); });
  std::thread stopper([&] { pool.stop(); });
  EXPECT_EQ(error_of(queued).code(), StatusCode::kUnavailable);  // while the other still runs
  gate.set();
  stopper.join();
  EXPECT_TRUE(error_of(held[0]).ok());
  const auto late = pool.submit([] {});
  EXPECT_EQ(error_of(late).code(), StatusCode::kUnavailable);
  EXPECT_THAT(error_of(late).message(), HasSubstr("has stopped"));
  pool.stop();
}

TEST_F(PoolTest, StopWithoutAJobEver) {
  Pool pool(loop.handle(), "p", {});
  pool.stop();
  EXPECT_EQ(error_of(pool.submit([] {})).code(), StatusCode::kUnavailable);
}

TEST_F(PoolTest, CapturesAreDestroyedBeforeTheResultIsOld) {
  Pool pool(loop.handle(), "p", {.threads = 1});
  const auto token = std::make_shared<int>(0);
  const auto refused = std::make_shared<int>(0);
  pool.submit([token] {}).wait(kHang);
  pool.submit([] {}).wait(kHang);  // the thread has let go of the job before
  EXPECT_EQ(token.use_count(), 1);
  pool.stop();
  static_cast<void>(error_of(pool.submit([refused] {})));
  EXPECT_EQ(refused.use_count(), 1);
}

TEST_F(PoolTest, ManyThreadsSubmit) {
  Pool pool(loop.handle(), "p", {.threads = 4, .queue_limit = 100'000});
  std::atomic<int> sum = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 1000; ++i) static_cast<void>(pool.submit([&] { ++sum; }));
    });
  }
  for (std::thread& thread : threads) thread.join();
  while (pool.queued() > 0) pool.submit([] {}).wait(kHang);
  pool.stop();
  EXPECT_EQ(sum, 4000);
}

TEST_F(PoolTest, OutlivesItsLoop) {
  auto other = std::make_unique<EventLoop>();
  Pool pool(other->handle(), "p", {.threads = 1});
  Event begun;
  Event may_end;
  const auto result = pool.submit([&] {
    begun.set();
    EXPECT_TRUE(may_end.wait());
    return 5;
  });
  ASSERT_TRUE(begun.wait());
  other.reset();
  may_end.set();
  pool.stop();
  EXPECT_EQ(result.value(), 5);
}

}  // namespace
}  // namespace onward
