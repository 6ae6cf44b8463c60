// SPDX-License-Identifier: Apache-2.0
//
// Futures between threads: who may complete them, wait for them, and drop them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pthread.h>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "loop_fixture.h"
#include "onward/future.h"

namespace onward {
namespace {

using namespace std::chrono_literals;
using test::Event;
using test::kHang;
using test::thrown_by;
using ::testing::HasSubstr;

Status demo_error() { return Status(StatusCode::kNotFound, "gone").with_type("demo::Gone"); }

// A loop on a thread of its own, to which the test's Futures belong.
class FutureThreadTest : public ::testing::Test {
 protected:
  FutureThreadTest() : loop_(std::make_unique<EventLoop>()), thread_([this] { loop_->run(); }) {
    LoopHandle::set_process_default(&loop_->handle());
  }
  ~FutureThreadTest() override {
    LoopHandle::set_process_default(nullptr);
    end_loop();
  }
  void end_loop() {
    if (!thread_.joinable()) return;
    loop_->stop();
    thread_.join();
    loop_.reset();
  }
  EventLoop& loop() { return *loop_; }

 private:
  std::unique_ptr<EventLoop> loop_;
  std::thread thread_;
};

void join_all(std::vector<std::thread>& threads) {
  for (std::thread& thread : threads) thread.join();
}

TEST_F(FutureThreadTest, B02_ItMayBeCompletedByAnyThread) {
  const Future<int> by_other;
  std::thread([by_other] { by_other.mark_complete(1); }).join();
  const Future<int> by_loop;
  loop().post([by_loop] { by_loop.mark_complete(2); });
  EXPECT_EQ(by_other.wait(kHang), 1);
  EXPECT_EQ(by_loop.wait(kHang), 2);
}

TEST_F(FutureThreadTest, B12_ManyThreadsWaitForOne) {
  const Future<std::string> future;
  std::atomic<int> right = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, copy = future] {
      if (copy.wait(kHang) == "value" && copy.wait(kHang) == "value") ++right;
    });
  }
  loop().post([&] { future.mark_complete("value"); });
  join_all(threads);
  EXPECT_EQ(right, 8);
}

TEST_F(FutureThreadTest, B12_WaitThrowsTheOriginalErrorInEachThread) {
  const Future<int> future;
  std::atomic<int> right = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, copy = future] {
      if (thrown_by([&] { return copy.wait(kHang); }).type() == "demo::Gone") ++right;
    });
  }
  future.mark_error(demo_error());
  join_all(threads);
  EXPECT_EQ(right, 4);
}

TEST_F(FutureThreadTest, B12_WaitGivesUpAndTheFutureGoesOn) {
  const Future<int> future;
  for (const Duration limit : {Duration(0ms), Duration(5ms), Duration(-1s)}) {
    const Status status = thrown_by([&] { return future.wait(limit); });
    EXPECT_EQ(status.code(), StatusCode::kDeadlineExceeded);
    EXPECT_THAT(status.message(), HasSubstr("still pending"));
  }
  EXPECT_FALSE(future.done());
  future.mark_complete(1);
  EXPECT_EQ(future.wait(0ms), 1);
}

TEST_F(FutureThreadTest, B12_AVeryLongWaitIsNoOverflow) {
  const Future<int> future;
  std::thread late([future] { future.mark_complete(1); });
  EXPECT_EQ(future.wait(Duration::max()), 1);
  late.join();
}

TEST_F(FutureThreadTest, B12_AKernelThreadThatWaitsThrowsAtOnce) {
  const Future<int> never;
  Event done;
  Status status;
  loop().post([&] {
    status = thrown_by([&] { return never.wait(); });
    done.set();
  });
  ASSERT_TRUE(done.wait());
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(status.message(), HasSubstr("kernel thread"));
}

TEST_F(FutureThreadTest, B13_CallbacksRunOnTheLoopWhereverTheyWereAdded) {
  std::atomic<int> inside = 0;
  std::atomic<int> outside = 0;
  std::vector<Future<void>> ends;
  const Future<int> future;
  for (int i = 0; i < 100; ++i) {
    if (i == 50) future.mark_complete(1);
    ends.push_back(future.then([&](int) { ++(loop().in_loop_thread() ? inside : outside); }));
  }
  for (const auto& end : ends) end.wait(kHang);
  EXPECT_EQ(inside, 100);
  EXPECT_EQ(outside, 0);
}

TEST_F(FutureThreadTest, B11_OfManyThreadsOneCompletes) {
  for (int round = 0; round < 300; ++round) {
    const Future<int> future;
    std::atomic<int> winners = 0;
    std::atomic<int> refused = 0;
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&, t] {
        const Status status =
            thrown_by([&] { return t % 2 == 0 ? future.mark_complete(t) : future.mark_error(demo_error()), 0; });
        ++(status.ok() ? winners : refused);
      });
    }
    join_all(threads);
    ASSERT_EQ(winners, 1);
    ASSERT_EQ(refused, 3);
    static_cast<void>(future.status());
  }
}

TEST_F(FutureThreadTest, B13_EachCallbackRunsOnceWhenAddingAndCompletingRace) {
  for (int round = 0; round < 300; ++round) {
    const Future<int> future;
    std::atomic<int> ran = 0;
    std::vector<std::thread> threads;
    for (int t = 0; t < 3; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 20; ++i) future.add_callback([&](int) { ++ran; });
      });
    }
    threads.emplace_back([&] { future.mark_complete(1); });
    join_all(threads);
    future.then([](int) {}).wait(kHang);  // added last, runs last
    ASSERT_EQ(ran, 60);
  }
}

TEST_F(FutureThreadTest, B04_APromiseDroppedByAnotherThreadWakesWhoWaits) {
  for (int round = 0; round < 300; ++round) {
    std::optional<Future<int>> promise(std::in_place);
    const Future<int> waiting = *promise;
    std::thread other([held = std::move(*promise)]() mutable { const Future<int> last = std::move(held); });
    promise.reset();
    const Status status = thrown_by([&] { return waiting.wait(kHang); });
    other.join();
    ASSERT_EQ(status.code(), StatusCode::kAborted) << status.to_string();
  }
}

TEST_F(FutureThreadTest, B04_WhenAllHandlesWaitThePromiseIsBroken) {
  // Three threads, each waiting on a handle of its own: nobody is left who could complete it.
  for (int round = 0; round < 100; ++round) {
    std::vector<std::thread> threads;
    std::atomic<int> broken = 0;
    {
      const Future<int> future;
      for (int t = 0; t < 3; ++t) {
        threads.emplace_back([&broken, copy = future] {
          if (thrown_by([&] { return copy.wait(kHang); }).code() == StatusCode::kAborted) ++broken;
        });
      }
    }
    join_all(threads);
    ASSERT_EQ(broken, 3);
  }
}

TEST_F(FutureThreadTest, B04_AHandleThatIsHeldByACallbackThatMayRunIsNoBrokenPromise) {
  const Future<int> trigger;
  Future<int> result;
  trigger.add_callback([result](int x) { result.mark_complete(x + 1); });
  std::thread later([trigger] { trigger.mark_complete(1); });
  EXPECT_EQ(result.wait(kHang), 2);
  later.join();
}

TEST_F(FutureThreadTest, HandlesAreDroppedByManyThreadsWhileItCompletes) {
  for (int round = 0; round < 300; ++round) {
    auto token = std::make_shared<int>(round);
    const std::weak_ptr<int> alive = token;
    {
      const Future<std::shared_ptr<int>> future;
      std::vector<std::thread> threads;
      for (int t = 0; t < 3; ++t) {
        threads.emplace_back([copy = future]() mutable { const Future<std::shared_ptr<int>> last = std::move(copy); });
      }
      threads.emplace_back([future, value = std::move(token)]() mutable { future.try_complete(std::move(value)); });
      join_all(threads);
      ASSERT_EQ(*future.wait(kHang), round);
    }
    ASSERT_TRUE(alive.expired());
  }
}

TEST_F(FutureThreadTest, AWaitEndsWhenTheLoopDoes) {
  const Future<int> never;
  const Future<int> keeps = never;
  Status status;
  Event waits;
  std::thread waiter([&] {
    waits.set();
    status = thrown_by([&] { return never.wait(); });
  });
  ASSERT_TRUE(waits.wait());
  end_loop();
  waiter.join();
  EXPECT_EQ(status.code(), StatusCode::kUnavailable);
  EXPECT_EQ(thrown_by([&] { return never.wait(); }).code(), StatusCode::kUnavailable);
  EXPECT_EQ(Future<int>::of(1).wait(), 1);
}

// Runs `function` on a thread whose stack is small: recursion over a long chain would not fit.
void on_a_small_stack(const std::function<void()>& function) {
  constexpr std::size_t kStackBytes = std::size_t{256} << 10;
  pthread_attr_t attributes;
  ASSERT_EQ(pthread_attr_init(&attributes), 0);
  ASSERT_EQ(pthread_attr_setstacksize(&attributes, kStackBytes), 0);
  pthread_t thread{};
  const auto start = [](void* it) -> void* {
    (*static_cast<const std::function<void()>*>(it))();
    return nullptr;
  };
  ASSERT_EQ(pthread_create(&thread, &attributes, start, const_cast<void*>(static_cast<const void*>(&function))), 0);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
}

constexpr int kLong = 1'000'000;

TEST(FutureChain, AMillionThensNeedNoStack) {
  on_a_small_stack([] {
    EventLoop loop;
    const Future<int> start(&loop.handle());
    Future<int> end = start;
    for (int i = 0; i < kLong; ++i) end = end.then([](int x) { return x + 1; });
    start.mark_complete(0);
    while (!end.done()) loop.run_once(false);
    EXPECT_EQ(end.value(), kLong);
  });
}

TEST(FutureChain, AMillionThensFailWithoutStack) {
  on_a_small_stack([] {
    EventLoop loop;
    const Future<int> start(&loop.handle());
    Future<int> end = start;
    for (int i = 0; i < kLong; ++i) end = end.then([](int x) { return x + 1; });
    start.mark_error(demo_error());
    while (!end.done()) loop.run_once(false);
    EXPECT_EQ(end.status().message(), "gone");
  });
}

TEST(FutureChain, AMillionThensAreDroppedWithoutStack) {
  on_a_small_stack([] {
    std::optional<EventLoop> loop(std::in_place);
    const Future<int> start(&loop->handle());
    Future<int> end = start;
    for (int i = 0; i < kLong; ++i) end = end.then([](int x) { return x + 1; });
    loop.reset();
    start.mark_complete(0);
    EXPECT_EQ(end.status().code(), StatusCode::kUnavailable);
  });
}

TEST(FutureChain, AMillionThensOfAPromiseThatBreaksNeedNoStack) {
  on_a_small_stack([] {
    EventLoop loop;
    LoopHandle::set_thread_default(&loop.handle());
    Future<int> end;
    {
      const Future<int> start;
      end = start.then([](int x) { return x; });
      for (int i = 0; i < kLong; ++i) end = end.then([](int x) { return x + 1; });
    }
    while (!end.done()) loop.run_once(false);
    EXPECT_EQ(end.status().code(), StatusCode::kAborted);
    LoopHandle::set_thread_default(nullptr);
  });
}

TEST(FutureChain, AMillionFlattenedFuturesNeedNoStack) {
  on_a_small_stack([] {
    EventLoop loop;
    LoopHandle::set_thread_default(&loop.handle());
    // Each step returns a Future of the next: a loop, written with Futures.
    std::function<Future<int>(int)> count = [&](int left) -> Future<int> {
      if (left == 0) return Future<int>::of(7);
      return Future<void>::of().then([&count, left] { return count(left - 1); });
    };
    const Future<int> end = count(kLong / 10);
    while (!end.done()) loop.run_once(false);
    EXPECT_EQ(end.value(), 7);
    LoopHandle::set_thread_default(nullptr);
  });
}

TEST(FutureChain, PromisesThatHoldEachOtherBreakWithoutStack) {
  on_a_small_stack([] {
    EventLoop loop;
    LoopHandle::set_thread_default(&loop.handle());
    {
      // The callback of each holds the next, and the first is dropped.
      const Future<int> first;
      Future<int> last = first;
      for (int i = 0; i < kLong / 10; ++i) {
        Future<int> next;
        last.add_callback([next](int x) { next.mark_complete(x); });
        last = next;
      }
    }
    while (loop.run_once(false)) {
    }
    LoopHandle::set_thread_default(nullptr);
  });
}

}  // namespace
}  // namespace onward
