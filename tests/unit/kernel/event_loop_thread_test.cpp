// SPDX-License-Identifier: Apache-2.0
//
// A loop that turns on a thread of its own: posts, wake-ups, sleep and the report of slow callbacks.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <atomic>
#include <thread>
#include <vector>

#include "loop_fixture.h"
#include "onward/event_loop.h"

namespace onward {
namespace {

using namespace std::chrono_literals;
using test::Event;
using ::testing::HasSubstr;

class LoopThread {
 public:
  explicit LoopThread(EventLoopOptions options = {}, Clock& clock = Clock::steady())
      : loop(std::move(options), clock), thread_([this] { loop.run(); }) {}
  ~LoopThread() { join(); }
  LoopThread(const LoopThread&) = delete;
  LoopThread& operator=(const LoopThread&) = delete;
  void join() {
    if (!thread_.joinable()) return;
    loop.stop();
    thread_.join();
  }
  // Runs `function` on the loop and waits for it.
  void call(std::move_only_function<void()> function) {
    Event done;
    loop.post([&] {
      function();
      done.set();
    });
    ASSERT_TRUE(done.wait());
  }

  EventLoop loop;

 private:
  std::thread thread_;
};

TEST(EventLoopThread, StaysAwakeForAsLongAsItIsTold) {
  ManualClock clock;
  EventLoop loop({}, clock);
  bool expired = false;
  while (loop.run_once(false)) {
  }
  EXPECT_EQ(loop.stay_awake(50us), clock.now() + 50us);
  // It may sleep, but does not: else nothing would wake it.
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(loop.run_once(true));
  loop.stay_awake(20us);  // changes nothing
  Timer timer(loop, [&] { expired = true; });
  timer.arm(1ms);
  clock.advance(49us);
  for (int i = 0; i < 3; ++i) loop.run_once(true);
  EXPECT_FALSE(expired);
  std::thread later([&] { clock.advance(1ms); });
  while (!expired) loop.run_once(true);
  later.join();
}

TEST(EventLoopThread, EachThreadsPostsKeepTheirOrder) {
  constexpr int kThreads = 4;
  constexpr int kPosts = 20'000;
  std::vector<std::vector<int>> seen(kThreads);
  {
    LoopThread running;
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < kPosts; ++i) {
          running.loop.post([&, t, i] { seen[static_cast<std::size_t>(t)].push_back(i); });
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
  for (const auto& numbers : seen) {
    ASSERT_EQ(numbers.size(), static_cast<std::size_t>(kPosts));
    EXPECT_TRUE(std::ranges::is_sorted(numbers));
  }
}

TEST(EventLoopThread, EveryPostWakesASleepingLoop) {
  LoopThread running;
  for (int i = 0; i < 2000; ++i) {
    Event done;
    running.loop.post([&] { done.set(); });
    ASSERT_TRUE(done.wait()) << "post " << i << " was not noticed";
  }
}

TEST(EventLoopThread, StopBeforeRunIsNotLost) {
  EventLoop loop;
  loop.stop();
  std::thread([&] { loop.run(); }).join();
}

TEST(EventLoopThread, RunsAgainAfterStop) {
  EventLoop loop;
  for (int i = 0; i < 3; ++i) {
    loop.stop();
    loop.run();
  }
}

TEST(EventLoopThread, MovingTheClockWakesTheLoop) {
  ManualClock clock;
  LoopThread running({}, clock);
  Event fired;
  std::unique_ptr<Timer> timer;
  running.call([&] {
    timer = std::make_unique<Timer>(running.loop, [&] { fired.set(); });
    timer->arm(24h);
  });
  clock.advance(24h);
  EXPECT_TRUE(fired.wait());
  running.call([&] { timer.reset(); });
}

TEST(EventLoopThread, RealTimersFireInRealTime) {
  LoopThread running;
  Event fired;
  TimePoint due;
  TimePoint seen;
  std::unique_ptr<Timer> far;
  std::unique_ptr<Timer> timer;
  running.call([&] {
    far = std::make_unique<Timer>(running.loop, [] {});
    far->arm(1h);
    timer = std::make_unique<Timer>(running.loop, [&] {
      seen = Clock::steady().now();
      fired.set();
    });
    due = running.loop.now() + 20ms;
    timer->arm(20ms);
  });
  EXPECT_TRUE(fired.wait());
  EXPECT_GE(seen, due);
  running.call([&] {
    timer.reset();
    far.reset();
  });
}

// Counts the turns of its loop: a loop that turns for nothing would be seen by it.
std::size_t turns_within(EventLoop& loop, Duration real_time) {
  std::size_t turns = 0;
  Timer end(loop, [&] { loop.stop(); });
  loop.run_once(false);  // time is now
  end.arm(real_time);
  while (end.armed()) {
    loop.run_once();
    ++turns;
  }
  return turns;
}

std::chrono::microseconds thread_cpu_time() {
  rusage usage{};
  ::getrusage(RUSAGE_THREAD, &usage);
  const auto sum = [](const timeval& t) {
    return std::chrono::seconds(t.tv_sec) + std::chrono::microseconds(t.tv_usec);
  };
  return sum(usage.ru_utime) + sum(usage.ru_stime);
}

TEST(EventLoopThread, AnIdleLoopDoesNotTurn) {
  EventLoop loop;
  const auto before = thread_cpu_time();
  EXPECT_LE(turns_within(loop, 300ms), 5U);
  EXPECT_LE(thread_cpu_time() - before, 100ms);
}

TEST(EventLoopThread, AFarTimerDoesNotMakeAnIdleLoopTurn) {
  EventLoop loop;
  Timer far(loop, [] {});
  far.arm(1000h);
  Timer moved(loop, [] {});
  moved.arm(1h);
  EXPECT_LE(turns_within(loop, 300ms), 8U);
}

TEST(EventLoopThread, BusyPollTurnsOnlyAfterSomethingHappened) {
  EventLoop loop({.busy_poll = 50ms});
  Timer guard(loop, [] {});
  loop.run_once(false);
  guard.arm(2s);
  loop.post([] {});
  loop.run_once(false);
  const TimePoint until = loop.now() + 50ms;
  std::size_t turns = 0;
  // Each returns at once, although it may sleep and nothing is there.
  while (Clock::steady().now() + 5ms < until) {
    loop.run_once();
    ++turns;
  }
  EXPECT_GT(turns, 5U);
  while (Clock::steady().now() < until) loop.run_once(false);
  EXPECT_LE(turns_within(loop, 300ms), 5U);
}

TEST(EventLoopThread, WaitersAreToldWhenTheLoopEnds) {
  auto running = std::make_unique<LoopThread>();
  LoopHandle& handle = running->loop.handle();
  LoopHandle::retain(&handle);
  std::atomic<int> told = 0;
  const auto tell = [](void* who) { ++*static_cast<std::atomic<int>*>(who); };
  EXPECT_TRUE(handle.on_close(&told, tell));
  int cancelled = 0;
  EXPECT_TRUE(handle.on_close(&cancelled, [](void* who) { ++*static_cast<int*>(who); }));
  handle.cancel_on_close(&cancelled);
  running.reset();
  EXPECT_EQ(told, 1);
  EXPECT_EQ(cancelled, 0);
  EXPECT_FALSE(handle.on_close(&told, tell));
  EXPECT_EQ(told, 1);
  LoopHandle::release(&handle);
}

class SlowCallback : public ::testing::Test {
 protected:
  struct Report {
    std::string activity;
    Duration held;
  };
  static void hold(Duration time) {
    const auto until = std::chrono::steady_clock::now() + time;
    while (std::chrono::steady_clock::now() < until) {
    }
  }
  EventLoopOptions options() {
    EventLoopOptions result;
    result.slow_callback = 20ms;
    result.on_slow_callback = [this](const std::string& activity, Duration held) {
      reports.push_back({activity, held});
    };
    return result;
  }
  std::vector<Report> reports;
};

TEST_F(SlowCallback, IsReportedOnceWithItsName) {
  EventLoop loop(options());
  const Activity slow{"demo.slow"};
  const Activity fast{"demo.fast"};
  loop.post([&] {
    loop.callback_done(&fast);
    hold(25ms);
    loop.callback_done(&slow);
    loop.callback_done(&fast);
  });
  loop.run_once(false);
  ASSERT_EQ(reports.size(), 1U);
  EXPECT_EQ(reports[0].activity, "demo.slow");
  EXPECT_GE(reports[0].held, 20ms);
}

TEST_F(SlowCallback, WhatOneHoldsIsNotPutOnAnother) {
  EventLoop loop(options());
  const Activity next{"demo.next"};
  loop.post([] { hold(25ms); });
  loop.post([&] { loop.callback_done(&next); });
  loop.run_once(false);
  ASSERT_EQ(reports.size(), 1U);
  EXPECT_NE(reports[0].activity, "demo.next");
}

TEST_F(SlowCallback, TimersAreMeasuredToo) {
  ManualClock clock;
  EventLoop loop(options(), clock);
  Timer slow(loop, [] { hold(25ms); });
  slow.arm(1ms);
  clock.advance(1ms);
  loop.run_once(false);
  EXPECT_EQ(reports.size(), 1U);
}

TEST_F(SlowCallback, TimeBetweenTurnsDoesNotCount) {
  EventLoop loop(options());
  const Activity next{"demo.next"};
  loop.post([&] { loop.callback_done(&next); });
  loop.run_once(false);
  hold(25ms);
  loop.post([&] { loop.callback_done(&next); });
  loop.run_once(false);
  EXPECT_TRUE(reports.empty());
}

TEST_F(SlowCallback, GoesToTheLogByDefault) {
  test::LogLines lines;
  EventLoop loop({.slow_callback = 1ms});
  const Activity slow{"demo.slow"};
  loop.post([&] {
    hold(2ms);
    loop.callback_done(&slow);
  });
  loop.run_once(false);
  EXPECT_EQ(lines.count("demo.slow held the kernel thread for"), 1U) << lines.text();
  EXPECT_THAT(lines.text(), HasSubstr("register it as blocking"));
}

TEST_F(SlowCallback, ZeroMeasuresNothing) {
  EventLoopOptions off = options();
  off.slow_callback = Duration::zero();
  EventLoop loop(std::move(off));
  loop.post([&] {
    hold(2ms);
    loop.callback_done(nullptr);
  });
  loop.run_once(false);
  EXPECT_TRUE(reports.empty());
}

}  // namespace
}  // namespace onward
