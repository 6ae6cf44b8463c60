// SPDX-License-Identifier: Apache-2.0
//
// Where an event loop gets its time from. Production uses Clock::steady(); tests hand a ManualClock
// in and move it, so that no test sleeps.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <mutex>
#include <vector>

#include "onward/export.h"

namespace onward {

using Duration = std::chrono::nanoseconds;
using TimePoint = std::chrono::time_point<std::chrono::steady_clock, Duration>;

class ONWARD_API Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual TimePoint now() const noexcept = 0;
  // How long a poll may sleep, in real time, before it should look at this clock again to see
  // whether `deadline` has come. Duration::max() where only a wake-up can bring it nearer.
  [[nodiscard]] virtual Duration sleep_until(TimePoint deadline) const noexcept = 0;

  // Monotonic real time. Lives for ever.
  [[nodiscard]] static Clock& steady() noexcept;
};

// Time that moves only when told. Any thread may read it and move it; each move wakes the loops that
// were built on it.
class ONWARD_API ManualClock final : public Clock {
 public:
  [[nodiscard]] TimePoint now() const noexcept override;
  [[nodiscard]] Duration sleep_until(TimePoint deadline) const noexcept override;
  void advance(Duration by);

  // `wake` is called after each advance(), from its thread, until unsubscribed.
  void subscribe(const void* who, std::function<void()> wake);
  void unsubscribe(const void* who);

 private:
  std::atomic<Duration::rep> now_{std::chrono::duration_cast<Duration>(std::chrono::hours(1)).count()};
  std::mutex mutex_;
  std::vector<std::pair<const void*, std::function<void()>>> wakes_;
};

}  // namespace onward
