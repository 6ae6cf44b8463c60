// SPDX-License-Identifier: Apache-2.0
//
// How long turns and callbacks take, by the cycle counter.
#include <chrono>
#include <cstdint>
#include <string>

#include "onward/cycle_counter.h"
#include "onward/event_loop.h"
#include "onward/log.h"

namespace onward {

void EventLoop::callback_done(const Activity* activity) noexcept {
  if (options_.slow_callback == Duration::zero()) return;
  const std::uint64_t cycles = cycle_count();
  const std::uint64_t held = cycles - callback_cycles_;
  callback_cycles_ = cycles;
  // A counter ticks at least once a nanosecond, or is one: below the limit in ticks is below it in time.
  if (held > static_cast<std::uint64_t>(options_.slow_callback.count())) [[unlikely]] {
    report_slow(activity, held);
  }
}

void EventLoop::report_slow(const Activity* activity, std::uint64_t cycles) {
  const Duration held = time_of(cycles);
  if (held < options_.slow_callback) return;
  const std::string name = activity == nullptr ? "a callback of no function" : activity->name;
  if (options_.on_slow_callback) {
    options_.on_slow_callback(name, held);
  } else {
    log(LogLevel::kWarning, "loop",
        name + " held the kernel thread for " +
            std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(held).count()) +
            " ms; everything else on this node waited: register it as blocking");
  }
  callback_cycles_ = cycle_count();
}

bool EventLoop::input_is_older(Duration than) const noexcept {
  if (manual_clock_) return last_turn_ + (clock_.now() - now_) > than;
  // Where callbacks are measured, the end of the last one is now.
  const std::uint64_t now = options_.slow_callback == Duration::zero() ? cycle_count() : callback_cycles_;
  const std::uint64_t cycles = last_turn_cycles_ + (now - turn_cycles_);
  // As in callback_done: as many ticks as nanoseconds, or more.
  return cycles > static_cast<std::uint64_t>(than.count()) && time_of(cycles) > than;
}

Duration EventLoop::time_of(std::uint64_t cycles) const noexcept {
  const auto alive = std::chrono::steady_clock::now() - started_;
  const double tick = static_cast<double>(alive.count()) / static_cast<double>(cycle_count() - started_cycles_);
  return Duration(static_cast<Duration::rep>(static_cast<double>(cycles) * tick));
}

}  // namespace onward
