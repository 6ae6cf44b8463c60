// SPDX-License-Identifier: Apache-2.0
//
// The wheel against a std::multimap that does the same slowly.
#include "onward/timing_wheel.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <vector>

namespace onward {
namespace {

class TestTimer final : public WheelTimer {
 public:
  std::function<void()> action;
  std::uint64_t fired = 0;
  std::uint64_t dropped = 0;

  void on_timer() override {
    ++fired;
    EXPECT_FALSE(armed());
    if (action) action();
  }
  void on_dropped() noexcept override { ++dropped; }
};

TEST(TimingWheel, IsEmptyAtFirst) {
  TimingWheel wheel(1000);
  EXPECT_EQ(wheel.size(), 0U);
  EXPECT_EQ(wheel.next_tick(), TimingWheel::kNever);
  EXPECT_EQ(wheel.advance(5000), 0U);
}

TEST(TimingWheel, FiresAtItsTickAndNotBefore) {
  // Distances around each level's edges, from starts around them too.
  for (const std::uint64_t start :
       {0ULL, 1ULL, 255ULL, 256ULL, 65535ULL, 65536ULL, 16777215ULL, 16777216ULL, 4294967295ULL}) {
    for (const std::uint64_t after :
         {1ULL, 2ULL, 254ULL, 255ULL, 256ULL, 257ULL, 511ULL, 65535ULL, 65536ULL, 65537ULL, 16777215ULL, 16777216ULL,
          16777217ULL, 4294967295ULL, 4294967296ULL, 4294967297ULL, 20000000000ULL}) {
      TimingWheel wheel(start);
      TestTimer timer;
      wheel.arm(timer, start + after);
      wheel.advance(start + after - 1);
      ASSERT_EQ(timer.fired, 0U) << start << "+" << after;
      ASSERT_TRUE(timer.armed());
      ASSERT_EQ(wheel.advance(start + after), 1U) << start << "+" << after;
      ASSERT_EQ(timer.fired, 1U);
      ASSERT_EQ(wheel.size(), 0U);
    }
  }
}

TEST(TimingWheel, ATickThatHasPassedFiresAtTheNextAdvance) {
  TimingWheel wheel(100);
  TestTimer past;
  TestTimer now;
  wheel.arm(past, 3);
  wheel.arm(now, 100);
  EXPECT_EQ(past.fired + now.fired, 0U);
  EXPECT_EQ(wheel.advance(101), 2U);
}

TEST(TimingWheel, AdvancingBackwardsOrNowhereFiresNothing) {
  TimingWheel wheel(100);
  TestTimer timer;
  wheel.arm(timer, 101);
  EXPECT_EQ(wheel.advance(100), 0U);
  EXPECT_EQ(wheel.advance(7), 0U);
  EXPECT_EQ(wheel.advance(101), 1U);
}

TEST(TimingWheel, RearmingMovesATimer) {
  TimingWheel wheel;
  TestTimer timer;
  wheel.arm(timer, 10);
  wheel.arm(timer, 70'000);
  EXPECT_EQ(wheel.size(), 1U);
  EXPECT_EQ(wheel.advance(69'999), 0U);
  wheel.arm(timer, 70'005);
  EXPECT_EQ(wheel.advance(70'004), 0U);
  EXPECT_EQ(wheel.advance(70'005), 1U);
}

TEST(TimingWheel, CancelledTimersDoNotFire) {
  TimingWheel wheel;
  TestTimer timer;
  wheel.arm(timer, 10);
  wheel.cancel(timer);
  wheel.cancel(timer);
  EXPECT_FALSE(timer.armed());
  EXPECT_EQ(wheel.size(), 0U);
  EXPECT_EQ(wheel.advance(1000), 0U);
}

TEST(TimingWheel, CallbacksMayArmAndCancelAny) {
  TimingWheel wheel;
  TestTimer first;
  TestTimer second;
  TestTimer other;
  // Two in one tick: whichever fires first cancels the other.
  first.action = [&] { wheel.cancel(second); };
  second.action = [&] { wheel.cancel(first); };
  wheel.arm(first, 5);
  wheel.arm(second, 5);
  EXPECT_EQ(wheel.advance(5), 1U);
  EXPECT_EQ(first.fired + second.fired, 1U);

  // One that arms itself again, for a tick that this advance still reaches; and another one.
  TestTimer again;
  again.action = [&] {
    if (again.fired < 4) wheel.arm(again, 5 + again.fired * 300);
    wheel.arm(other, 1700);
  };
  wheel.arm(again, 6);
  EXPECT_EQ(wheel.advance(2000), 5U);
  EXPECT_EQ(again.fired, 4U);
  EXPECT_EQ(other.fired, 1U);
}

TEST(TimingWheel, ATimerThatArmsItselfForNowFiresInALaterTick) {
  TimingWheel wheel(10);
  TestTimer timer;
  timer.action = [&] { wheel.arm(timer, 0); };
  wheel.arm(timer, 11);
  EXPECT_EQ(wheel.advance(11), 1U);  // and returns
  EXPECT_TRUE(timer.armed());
  EXPECT_EQ(wheel.advance(12), 1U);
  wheel.cancel(timer);
}

TEST(TimingWheel, ATimerMayDestroyItselfWhenItFires) {
  struct Once final : WheelTimer {
    explicit Once(bool& gone) : gone_(gone) {}
    ~Once() { gone_ = true; }
    void on_timer() override { delete this; }
    bool& gone_;
  };
  TimingWheel wheel;
  bool gone = false;
  wheel.arm(*new Once(gone), 3);
  EXPECT_EQ(wheel.advance(3), 1U);
  EXPECT_TRUE(gone);
  EXPECT_EQ(wheel.advance(1000), 0U);
}

TEST(TimingWheel, ClearDropsAll) {
  TimingWheel wheel;
  std::deque<TestTimer> timers(100);
  for (std::size_t i = 0; i < timers.size(); ++i) wheel.arm(timers[i], 1 + i * i * 1000);
  wheel.clear();
  for (const TestTimer& timer : timers) {
    EXPECT_EQ(timer.dropped, 1U);
    EXPECT_EQ(timer.fired, 0U);
    EXPECT_FALSE(timer.armed());
  }
  EXPECT_EQ(wheel.size(), 0U);
  EXPECT_EQ(wheel.next_tick(), TimingWheel::kNever);
}

TEST(TimingWheel, SleepingUntilTheNextTickMissesNothing) {
  TimingWheel wheel(123'456);
  std::deque<TestTimer> timers(2000);
  std::minstd_rand random(7);
  for (TestTimer& timer : timers) wheel.arm(timer, 123'456 + random() % (std::uint64_t{1} << (random() % 36)));
  std::size_t wake_ups = 0;
  std::uint64_t before = 0;
  while (wheel.size() > 0) {
    const std::uint64_t next = wheel.next_tick();
    ASSERT_GT(next, before);
    wheel.advance(next);
    before = next;
    ++wake_ups;
  }
  EXPECT_LE(wake_ups, timers.size() * 4);  // each level a timer passes may cost one in vain
}

// The model: what is armed, by tick.
class Differential {
 public:
  explicit Differential(std::uint32_t seed) : random_(seed), now_(random_() % 3 == 0 ? 0 : random64(40)), wheel_(now_) {
    for (std::size_t i = 0; i < kTimers; ++i) {
      timers_.emplace_back();
      timers_.back().action = [this, i] { on_fired(i); };
    }
  }

  void run(int steps) {
    for (int step = 0; step < steps && !::testing::Test::HasFatalFailure(); ++step) {
      const std::uint32_t what = random_() % 10;
      const std::size_t which = random_() % kTimers;
      if (what < 6) {
        arm(which, random_() % 20 == 0 ? random64(40) : now_ + random64(1 + random_() % 35));
      } else if (what < 8) {
        wheel_.cancel(timers_[which]);
        forget(which);
      } else {
        advance(random64(1 + random_() % 34));
      }
      check();
    }
  }

 private:
  static constexpr std::size_t kTimers = 300;

  std::uint64_t random64(std::uint32_t bits) {
    return ((std::uint64_t{random_()} << 32) | random_()) & ((std::uint64_t{1} << bits) - 1);
  }
  void arm(std::size_t which, std::uint64_t tick) {
    wheel_.arm(timers_[which], tick);
    forget(which);
    armed_.emplace(std::max(tick, now_ + 1), which);
  }
  void forget(std::size_t which) {
    for (auto at = armed_.begin(); at != armed_.end(); ++at) {
      if (at->second != which) continue;
      armed_.erase(at);
      return;
    }
  }
  void advance(std::uint64_t by) {
    const std::uint64_t target = now_ + by;
    fired_.clear();
    advancing_to_ = target;
    const std::size_t count = wheel_.advance(target);
    ASSERT_EQ(count, fired_.size());
    ASSERT_TRUE(std::ranges::is_sorted(fired_)) << "timers fired out of order";
    now_ = target;
    ASSERT_TRUE(armed_.empty() || armed_.begin()->first > now_) << "a timer did not fire";
  }
  // In a callback: the timer must be the earliest of the model, and now is its tick.
  void on_fired(std::size_t which) {
    const auto at = std::ranges::find_if(armed_, [&](const auto& entry) { return entry.second == which; });
    ASSERT_NE(at, armed_.end()) << "a timer fired that was not armed";
    ASSERT_LE(at->first, advancing_to_) << "a timer fired early";
    now_ = at->first;
    fired_.push_back(at->first);
    armed_.erase(at);
    if (random_() % 4 == 0) arm(random_() % kTimers, now_ + random64(1 + random_() % 20));
    if (random_() % 8 == 0) {
      const std::size_t victim = random_() % kTimers;
      wheel_.cancel(timers_[victim]);
      forget(victim);
    }
  }
  void check() {
    ASSERT_EQ(wheel_.size(), armed_.size());
    const std::uint64_t next = wheel_.next_tick();
    if (armed_.empty()) {
      ASSERT_EQ(next, TimingWheel::kNever);
      return;
    }
    ASSERT_GT(next, now_);
    ASSERT_LE(next, armed_.begin()->first);
    if (armed_.begin()->first / 256 == now_ / 256) {
      ASSERT_EQ(next, armed_.begin()->first);
    }
  }

  std::independent_bits_engine<std::mt19937, 32, std::uint32_t> random_;
  std::uint64_t now_;
  std::uint64_t advancing_to_ = 0;
  TimingWheel wheel_;
  std::deque<TestTimer> timers_;
  std::multimap<std::uint64_t, std::size_t> armed_;
  std::vector<std::uint64_t> fired_;
};

TEST(TimingWheel, DoesWhatAMultimapDoes) {
  for (int round = 0; round < 40; ++round) {
    const std::uint32_t seed = std::random_device{}();
    SCOPED_TRACE("seed " + std::to_string(seed));
    Differential differential(seed);
    differential.run(1500);
    if (HasFatalFailure()) return;
  }
}

TEST(TimingWheel, AMillionTimersCostMemoryNotTime) {
  // Counted, not timed: waking up for a far timer must not touch the others one by one.
  TimingWheel wheel;
  std::deque<TestTimer> timers(1'000'000);
  for (std::size_t i = 0; i < timers.size(); ++i) wheel.arm(timers[i], 3'000'000'000 + i % 1000);
  std::size_t wake_ups = 0;
  while (wheel.next_tick() < 3'000'000'000) {
    wheel.advance(wheel.next_tick());
    ++wake_ups;
  }
  EXPECT_LE(wake_ups, 4U);
  for (TestTimer& timer : timers) wheel.cancel(timer);
  EXPECT_EQ(wheel.size(), 0U);
}

}  // namespace
}  // namespace onward
