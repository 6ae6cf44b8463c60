// SPDX-License-Identifier: Apache-2.0
#include "onward/clock.h"

#include <algorithm>

namespace onward {
namespace {

class SteadyClock final : public Clock {
 public:
  TimePoint now() const noexcept override { return std::chrono::steady_clock::now(); }
  Duration sleep_until(TimePoint deadline) const noexcept override { return deadline - now(); }
};

}  // namespace

Clock& Clock::steady() noexcept {
  static SteadyClock clock;
  return clock;
}

TimePoint ManualClock::now() const noexcept { return TimePoint(Duration(now_.load(std::memory_order_acquire))); }

Duration ManualClock::sleep_until(TimePoint deadline) const noexcept {
  return deadline <= now() ? Duration::zero() : Duration::max();
}

void ManualClock::advance(Duration by) {
  now_.fetch_add(by.count(), std::memory_order_acq_rel);
  const std::lock_guard lock(mutex_);
  for (const auto& [who, wake] : wakes_) wake();
}

void ManualClock::subscribe(const void* who, std::function<void()> wake) {
  const std::lock_guard lock(mutex_);
  wakes_.emplace_back(who, std::move(wake));
}

void ManualClock::unsubscribe(const void* who) {
  const std::lock_guard lock(mutex_);
  std::erase_if(wakes_, [&](const auto& entry) { return entry.first == who; });
}

}  // namespace onward
