// SPDX-License-Identifier: Apache-2.0
#include "onward/concurrency_limit.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <deque>
#include <queue>
#include <random>
#include <vector>

namespace onward {
namespace {

using namespace std::chrono_literals;

// A server that does `capacity` calls at once, each in about `base`, keeps the others in a queue, and is asked `rate`
// times a second; what the limit does not let in is refused. All in simulated time, with a fixed seed.
class Simulation {
 public:
  explicit Simulation(const ConcurrencyLimitOptions& options = {}) : limit(options) {}

  struct Outcome {
    std::size_t done = 0;
    std::size_t refused = 0;
    Duration latency{};  // average
  };

  Outcome run(Duration time) {
    Outcome outcome;
    const TimePoint end = now_ + time;
    while (now_ < end) {
      const TimePoint arrival = next_arrival_;
      if (!running_.empty() && running_.top().ends <= arrival) {
        finish(outcome);
      } else {
        now_ = arrival;
        next_arrival_ = now_ + Duration(static_cast<Duration::rep>(1e9 / rate));
        arrive(outcome);
      }
    }
    if (outcome.done > 0) outcome.latency /= static_cast<Duration::rep>(outcome.done);
    return outcome;
  }

  ConcurrencyLimit limit;
  std::size_t capacity = 10;
  Duration base = 10ms;
  double rate = 100;
  enum class Noise : std::uint8_t { kNone, kExponential } noise = Noise::kNone;
  double drops = 0;  // the share of calls that fail
  std::size_t least_limit = ~std::size_t{0};

 private:
  struct Call {
    TimePoint ends;
    TimePoint began;
    friend bool operator>(const Call& a, const Call& b) { return a.ends > b.ends; }
  };
  double chance() { return std::uniform_real_distribution<double>(0, 1)(random_); }
  Duration service_time() {
    if (noise == Noise::kNone) return base;
    return Duration(static_cast<Duration::rep>(-std::log(1 - chance()) * static_cast<double>(base.count())));
  }
  void arrive(Outcome& outcome) {
    if (running_.size() + waiting_.size() >= limit.limit()) {
      ++outcome.refused;
      return;
    }
    if (running_.size() < capacity) {
      running_.push({.ends = now_ + service_time(), .began = now_});
    } else {
      waiting_.push_back(now_);
    }
  }
  void finish(Outcome& outcome) {
    const Call call = running_.top();
    running_.pop();
    now_ = call.ends;
    limit.record(now_, now_ - call.began, running_.size() + waiting_.size() + 1, chance() < drops);
    if (!limit.probing()) least_limit = std::min(least_limit, limit.limit());
    ++outcome.done;
    outcome.latency += now_ - call.began;
    if (waiting_.empty() || running_.size() >= capacity) return;
    running_.push({.ends = now_ + service_time(), .began = waiting_.front()});
    waiting_.pop_front();
  }

  TimePoint now_ = TimePoint(1h);
  TimePoint next_arrival_ = now_;
  std::priority_queue<Call, std::vector<Call>, std::greater<>> running_;
  std::deque<TimePoint> waiting_;
  std::mt19937_64 random_{42};
};

TEST(ConcurrencyLimitTest, ComesToRestALittleAboveTheCapacity) {
  for (const std::size_t capacity : {4U, 10U, 50U, 200U}) {
    for (const auto noise : {Simulation::Noise::kNone, Simulation::Noise::kExponential}) {
      Simulation server;
      server.capacity = capacity;
      server.noise = noise;
      server.rate = static_cast<double>(capacity) * 100 * 10;  // ten times what it can do
      server.run(20s);
      const Simulation::Outcome outcome = server.run(9s);
      EXPECT_GE(server.limit.limit(), capacity) << capacity;
      EXPECT_LE(server.limit.limit(), capacity * 2 + 6) << capacity;
      EXPECT_GE(static_cast<double>(outcome.done), 0.95 * 9 * 100 * static_cast<double>(capacity));
      EXPECT_LE(outcome.latency, 30ms) << capacity;
    }
  }
}

TEST(ConcurrencyLimitTest, TheBaseLatencyIsFoundUnderConstantOverload) {
  Simulation server;
  server.rate = 10'000;
  server.run(200s);
  EXPECT_NEAR(static_cast<double>(server.limit.base_latency().count()), 10e6, 1e6);
  // A server that becomes slower for good is not overloaded: its limit is that of before.
  server.base = 40ms;
  server.run(100s);
  EXPECT_NEAR(static_cast<double>(server.limit.base_latency().count()), 40e6, 4e6);
  EXPECT_GE(server.limit.limit(), 10U);
  EXPECT_LE(server.limit.limit(), 26U);
  server.base = 5ms;
  server.run(2s);
  EXPECT_NEAR(static_cast<double>(server.limit.base_latency().count()), 5e6, 2e6);
}

TEST(ConcurrencyLimitTest, ShrinksWithTheCapacityAndGrowsBack) {
  Simulation server;
  server.capacity = 100;
  server.rate = 100'000;
  server.run(10s);
  EXPECT_GE(server.limit.limit(), 100U);
  server.capacity = 10;
  server.run(3s);
  EXPECT_LE(server.limit.limit(), 30U);
  server.capacity = 100;
  server.run(5s);
  EXPECT_GE(server.limit.limit(), 100U);
}

TEST(ConcurrencyLimitTest, NoiseAloneRefusesNobody) {
  Simulation server;
  server.noise = Simulation::Noise::kExponential;
  server.rate = 500;  // half of what it can do
  server.run(20s);
  server.least_limit = server.limit.limit();
  const Simulation::Outcome outcome = server.run(300s);
  EXPECT_LE(outcome.refused * 100, outcome.done) << outcome.refused << " refused of " << outcome.done;
  EXPECT_GE(server.least_limit, 8U);
}

TEST(ConcurrencyLimitTest, DoesNotGrowWhereTheLoadDoesNotAskForIt) {
  Simulation server({.initial = 40});
  server.rate = 200;  // two at a time
  server.run(60s);
  EXPECT_EQ(server.limit.limit(), 40U);
}

TEST(ConcurrencyLimitTest, DroppedCallsLowerIt) {
  Simulation server;
  server.capacity = 1000;
  server.rate = 40'000;
  server.run(10s);
  const std::size_t before = server.limit.limit();
  server.drops = 0.5;
  server.run(5s);
  EXPECT_LT(server.limit.limit(), before / 2);
  server.drops = 0;
  server.run(10s);
  EXPECT_GE(server.limit.limit(), before * 9 / 10);
}

TEST(ConcurrencyLimitTest, StaysWithinItsBounds) {
  Simulation server({.min = 6, .max = 12, .initial = 100});
  EXPECT_LE(server.limit.limit(), 12U);
  server.capacity = 100;
  server.rate = 100'000;
  server.run(1s);
  server.drops = 1;
  server.run(60s);
  EXPECT_EQ(server.limit.limit(), 6U);
  server.drops = 0;
  server.run(60s);
  EXPECT_EQ(server.limit.limit(), 12U);
}

TEST(ConcurrencyLimitTest, NonsenseIsCorrected) {
  ConcurrencyLimit limit({.min = 0, .max = 0, .initial = 0, .window = Duration::zero(), .window_calls = 0});
  EXPECT_EQ(limit.limit(), 1U);
  for (int i = 0; i < 100; ++i) limit.record(TimePoint(1h), Duration::zero(), 1, i % 2 == 0);
  EXPECT_EQ(limit.limit(), 1U);
}

}  // namespace
}  // namespace onward
