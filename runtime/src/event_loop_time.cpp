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
  const std::uint64_t cycles = cycle_count();
  const std::uint64_t held = cycles - callback_cycles_;
  callback_cycles_ = cycles;
  if (has_passed(held, options_.slow_callback)) [[unlikely]] {
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

bool EventLoop::input_is_older_by_clock(Duration than) const noexcept {
  if (manual_clock_) return last_turn_ + (clock_.now() - now_) > than;
  return time_of(callback_cycles_ - oldest_input_cycles_) > than;
}

Duration EventLoop::time_of(std::uint64_t cycles) const noexcept {
  const auto alive = std::chrono::steady_clock::now() - started_;
  const double tick = static_cast<double>(alive.count()) / static_cast<double>(cycle_count() - started_cycles_);
  return Duration(static_cast<Duration::rep>(static_cast<double>(cycles) * tick));
}

}  // namespace onward
