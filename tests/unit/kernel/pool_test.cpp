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
      held.push_back(pool.run([&, threads] {
        if (++begun == threads) all.set();
        EXPECT_TRUE(gate.wait());
      }));
    }
    EXPECT_TRUE(all.wait());
    return held;
  }

  // A job that takes `time` by `clock`, alone in the pool; returns when the pool knows.
  void take(Pool& pool, Duration time) {
    pool.run([&] { clock.advance(time); }).wait(kHang);
    await_idle(pool);
  }
  static void await_idle(const Pool& pool) {
    while (pool.statistics().running > 0) std::this_thread::yield();
  }

  EventLoop loop;
  ManualClock clock;
  Event gate;

 private:
  std::thread thread_;
};

TEST_F(PoolTest, RunsJobsOnItsThreadsAndAnswersOnTheLoop) {
  Pool pool(loop.handle(), "p", {.threads = 2});
  std::thread::id ran_on;
  const auto result = pool.run([&] {
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
  const Future<int> nested = pool.run([] { return Future<Future<int>>::of(Future<int>::of(3)); });
  const Future<int> result = pool.run([]() -> Result<int> { return fail(StatusCode::kNotFound, "gone"); });
  const Future<void> nothing = pool.run([] {});
  const Future<void> status = pool.run([] { return Status(StatusCode::kAborted, "stopped"); });
  EXPECT_EQ(nested.wait(kHang), 3);
  EXPECT_EQ(error_of(result).message(), "gone");
  EXPECT_EQ(error_of(nothing).to_string(), "OK");
  EXPECT_EQ(error_of(status).message(), "stopped");
}

TEST_F(PoolTest, ExceptionsFailTheFutureAndKeepTheThread) {
  Pool pool(loop.handle(), "p", {.threads = 1});
  for (int i = 0; i < 3; ++i) {
    const Status status = error_of(pool.run([]() -> int { throw std::out_of_range("far"); }));
    EXPECT_EQ(status.type(), "std::out_of_range");
  }
  EXPECT_EQ(pool.run([] { return 1; }).wait(kHang), 1);
}

TEST_F(PoolTest, AJobMayBlockOnAFuture) {
  Pool pool(loop.handle(), "p", {.threads = 1});
  const Future<int> later(&loop.handle());
  const auto result = pool.run([later] { return later.wait(kHang) + 1; });
  loop.post([later] { later.mark_complete(1); });
  EXPECT_EQ(result.wait(kHang), 2);
}

TEST_F(PoolTest, JobsRunInTheirOrder) {
  Pool pool(loop.handle(), "p", {.threads = 1});
  std::vector<int> order;
  std::vector<Future<void>> ends;
  for (int i = 0; i < 100; ++i) ends.push_back(pool.run([&, i] { order.push_back(i); }));
  for (const auto& end : ends) end.wait(kHang);
  EXPECT_TRUE(std::ranges::is_sorted(order));
}

TEST_F(PoolTest, UsesAllOfItsThreadsAndNoMore) {
  Pool pool(loop.handle(), "p", {.threads = 3});
  auto held = occupy(pool, 3);
  const auto fourth = pool.run([] {});
  EXPECT_EQ(pool.queued(), 1U);
  EXPECT_FALSE(fourth.done());
  gate.set();
  fourth.wait(kHang);
  for (const auto& each : held) each.wait(kHang);
}

TEST_F(PoolTest, AFullQueueIsResourceExhausted) {
  Pool pool(loop.handle(), "p", {.threads = 1, .queue_limit = 2});
  auto held = occupy(pool, 1);
  const auto first = pool.run([] { return 1; });
  const auto second = pool.run([] { return 2; });
  const auto refused = pool.run([] { return 3; });
  EXPECT_TRUE(refused.done());
  const Status status = error_of(refused);
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(status.message(), HasSubstr("the pool of node p is full"));
  EXPECT_THAT(status.message(), HasSubstr("pool.queue_limit"));
  gate.set();
  EXPECT_EQ(first.wait(kHang), 1);
  EXPECT_EQ(second.wait(kHang), 2);
  EXPECT_EQ(pool.run([] { return 4; }).wait(kHang), 4);
}

TEST_F(PoolTest, WhatAFreeThreadWillTakeDoesNotCountAsWaiting) {
  // As many jobs as there are threads, at once, and a queue that is shorter than that.
  for (int round = 0; round < 20; ++round) {
    Pool pool(loop.handle(), "p", {.threads = 4, .queue_limit = 1});
    std::vector<Future<int>> results;
    for (int i = 0; i < 4; ++i) results.push_back(pool.run([i] { return i; }));
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
  const auto late = pool.run([&] { ran = true; }, Clock::steady().now());
  const auto in_time = pool.run([] { return 1; }, Clock::steady().now() + 1h);
  gate.set();
  const Status status = error_of(late);
  EXPECT_EQ(status.code(), StatusCode::kDeadlineExceeded);
  EXPECT_FALSE(ran);
  EXPECT_EQ(in_time.wait(kHang), 1);
}

TEST_F(PoolTest, AJobWhoseDeadlineHasPassedIsNotTaken) {
  Pool pool(loop.handle(), "p", {.threads = 1}, clock);
  const auto late = pool.run([] { ADD_FAILURE(); }, clock.now());
  EXPECT_TRUE(late.done());
  EXPECT_EQ(error_of(late).code(), StatusCode::kDeadlineExceeded);
  EXPECT_EQ(pool.statistics().expired, 1U);
}

TEST_F(PoolTest, AJobThatWouldWaitForMoreThanHalfOfItsTimeIsRefusedAtOnce) {
  Pool pool(loop.handle(), "p", {.threads = 2}, clock);
  take(pool, 10ms);
  auto held = occupy(pool, 2);  // 10 ms each are expected
  std::vector<Future<void>> queued;
  for (int i = 0; i < 4; ++i) queued.push_back(pool.run([] {}));
  // Six jobs of 10 ms for two threads: 30 ms.
  const auto refused = pool.run([] { ADD_FAILURE(); }, clock.now() + 60ms - 1us);
  EXPECT_TRUE(refused.done());
  const Status status = error_of(refused);
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(status.message(), HasSubstr("would wait for about 30.0 ms of the 59.9 ms that are left"));
  const auto taken = pool.run([] { return 1; }, clock.now() + 60ms);
  EXPECT_FALSE(taken.done());
  // The two that run have half of their time left: 7 jobs, less 10 ms.
  clock.advance(5ms);
  EXPECT_EQ(error_of(pool.run([] {}, clock.now() + 59ms)).code(), StatusCode::kResourceExhausted);
  const auto last = pool.run([] { return 2; }, clock.now() + 60ms);
  const auto patient = pool.run([] { return 3; });
  EXPECT_EQ(pool.statistics().refused, 2U);
  EXPECT_EQ(pool.statistics().queued, 7U);
  gate.set();
  EXPECT_EQ(taken.wait(kHang), 1);
  EXPECT_EQ(last.wait(kHang), 2);
  EXPECT_EQ(patient.wait(kHang), 3);
}

TEST_F(PoolTest, AFreeThreadTakesAJobHoweverLongItMayTake) {
  Pool pool(loop.handle(), "p", {.threads = 1}, clock);
  take(pool, 1h);
  // It was slow once: without trying it would be so for ever.
  EXPECT_EQ(pool.run([] { return 1; }, clock.now() + 1ms).wait(kHang), 1);
}

TEST_F(PoolTest, AJobThatCannotEndInTimeMakesWayForOneThatCan) {
  Pool pool(loop.handle(), "p", {.threads = 1}, clock);
  const FunctionName& quick = FunctionName::intern("pool_test.quick");
  const FunctionName& slow = FunctionName::intern("pool_test.slow");
  const test::RunsFor in_quick(loop.handle(), &quick);
  {
    const test::RunsFor in_slow(loop.handle(), &slow);
    take(pool, 20ms);
  }
  take(pool, 1ms);
  auto held = occupy(pool, 1);  // expected to end in 1 ms
  const auto hopeless = [&] {
    const test::RunsFor in_slow(loop.handle(), &slow);
    return pool.run([] { ADD_FAILURE(); }, clock.now() + 24ms);
  }();
  const auto in_time = pool.run([] { return 1; }, clock.now() + 1h);
  EXPECT_FALSE(hopeless.done());
  clock.advance(5ms);  // 19 ms are left
  gate.set();
  const Status status = error_of(hopeless);
  EXPECT_EQ(status.code(), StatusCode::kDeadlineExceeded);
  EXPECT_THAT(status.message(), HasSubstr("of the deadline 19.0 ms were left, and such a job takes about 20.0 ms"));
  EXPECT_EQ(in_time.wait(kHang), 1);
  await_idle(pool);
  EXPECT_EQ(pool.statistics().expired, 1U);
}

TEST_F(PoolTest, ExpiredJobsHoldNoPlace) {
  Pool pool(loop.handle(), "p", {.threads = 1, .queue_limit = 2}, clock);
  auto held = occupy(pool, 1);
  const auto first = pool.run([] { ADD_FAILURE(); }, clock.now() + 10ms);
  const auto second = pool.run([] { ADD_FAILURE(); }, clock.now() + 10ms);
  EXPECT_EQ(error_of(pool.run([] {})).code(), StatusCode::kResourceExhausted);
  clock.advance(10ms);
  EXPECT_FALSE(first.done());
  const auto third = pool.run([] { return 3; });
  EXPECT_EQ(error_of(first).code(), StatusCode::kDeadlineExceeded);
  EXPECT_EQ(error_of(second).code(), StatusCode::kDeadlineExceeded);
  EXPECT_EQ(pool.queued(), 1U);
  gate.set();
  EXPECT_EQ(third.wait(kHang), 3);
}

TEST_F(PoolTest, JobsWithoutADeadlineAreOnlyBoundedByTheQueue) {
  Pool pool(loop.handle(), "p", {.threads = 1, .queue_limit = 100}, clock);
  take(pool, 1h);
  auto held = occupy(pool, 1);
  std::vector<Future<void>> patient;
  for (int i = 0; i < 100; ++i) patient.push_back(pool.run([] {}));
  EXPECT_THAT(error_of(pool.run([] {})).message(), HasSubstr("is full"));
  gate.set();
  for (const auto& each : patient) each.wait(kHang);
}

// While each job runs, ten more come: what is begun ends in time, and the thread never stands idle.
TEST_F(PoolTest, AtTenTimesItsCapacityWhatRunsEndsInTime) {
  constexpr Duration kService = 2ms;
  constexpr Duration kDeadline = 40ms;
  constexpr int kJobs = 1000;
  Pool pool(loop.handle(), "p", {.threads = 1}, clock);
  take(pool, kService);
  int ran = 0;
  int in_time = 0;
  std::vector<Future<void>> asked;
  Event all;
  const TimePoint begun = clock.now();
  std::function<void(TimePoint)> job = [&](TimePoint deadline) {
    for (int i = 0; i < 10; ++i) {
      clock.advance(kService / 10);
      const TimePoint next = clock.now() + kDeadline;
      asked.push_back(pool.run([&job, next] { job(next); }, next));
    }
    if (clock.now() <= deadline) ++in_time;
    if (++ran == kJobs) all.set();
  };
  static_cast<void>(pool.run([&] { job(clock.now() + kDeadline); }));
  ASSERT_TRUE(all.wait());
  pool.stop();
  for (const auto& each : asked) static_cast<void>(error_of(each));
  EXPECT_GE(in_time * 10, ran * 9) << in_time << " of " << ran;
  EXPECT_EQ((clock.now() - begun) / kService, ran);
}

TEST_F(PoolTest, StopFailsWhatWaitsAndLetsWhatRunsFinish) {
  Pool pool(loop.handle(), "p", {.threads = 1});
  auto held = occupy(pool, 1);
  const auto queued = pool.run([] { ADD_FAILURE(); });
  std::thread stopper([&] { pool.stop(); });
  EXPECT_EQ(error_of(queued).code(), StatusCode::kUnavailable);  // while the other still runs
  gate.set();
  stopper.join();
  EXPECT_TRUE(error_of(held[0]).ok());
  const auto late = pool.run([] {});
  EXPECT_EQ(error_of(late).code(), StatusCode::kUnavailable);
  EXPECT_THAT(error_of(late).message(), HasSubstr("has stopped"));
  pool.stop();
}

TEST_F(PoolTest, StopWithoutAJobEver) {
  Pool pool(loop.handle(), "p", {});
  pool.stop();
  EXPECT_EQ(error_of(pool.run([] {})).code(), StatusCode::kUnavailable);
}

TEST_F(PoolTest, CapturesAreDestroyedBeforeTheResultIsOld) {
  Pool pool(loop.handle(), "p", {.threads = 1});
  const auto token = std::make_shared<int>(0);
  const auto refused = std::make_shared<int>(0);
  pool.run([token] {}).wait(kHang);
  pool.run([] {}).wait(kHang);  // the thread has let go of the job before
  EXPECT_EQ(token.use_count(), 1);
  pool.stop();
  static_cast<void>(error_of(pool.run([refused] {})));
  EXPECT_EQ(refused.use_count(), 1);
}

TEST_F(PoolTest, ManyThreadsGiveJobs) {
  Pool pool(loop.handle(), "p", {.threads = 4, .queue_limit = 100'000});
  std::atomic<int> sum = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 1000; ++i) static_cast<void>(pool.run([&] { ++sum; }));
    });
  }
  for (std::thread& thread : threads) thread.join();
  while (pool.queued() > 0) pool.run([] {}).wait(kHang);
  pool.stop();
  EXPECT_EQ(sum, 4000);
}

TEST_F(PoolTest, OutlivesItsLoop) {
  auto other = std::make_unique<EventLoop>();
  Pool pool(other->handle(), "p", {.threads = 1});
  Event begun;
  Event may_end;
  const auto result = pool.run([&] {
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
