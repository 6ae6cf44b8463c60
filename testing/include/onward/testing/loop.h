// SPDX-License-Identifier: Apache-2.0
//
// Waiting on a loop, in tests.
#pragma once

#include <chrono>
#include <functional>

#include "onward/event_loop.h"

namespace onward::testing_support {

// How long a test waits for what must happen, before it fails.
inline constexpr std::chrono::seconds kPatience{60};

// Turns the loop until `condition` holds; false when that takes too long.
inline bool run_until(EventLoop& loop, const std::function<bool()>& condition) {
  const auto give_up = std::chrono::steady_clock::now() + kPatience;
  // Wakes a loop that would sleep for ever, so that the test fails instead of hanging.
  Timer tick(loop, [&tick] { tick.arm(std::chrono::milliseconds(50)); });
  tick.arm(std::chrono::milliseconds(50));
  while (!condition()) {
    if (std::chrono::steady_clock::now() > give_up) return false;
    // Under a clock that stands still the timer above wakes nobody.
    loop.run_once(&loop.clock() == &Clock::steady());
  }
  return true;
}

// Turns it until nothing has happened for some turns: to show that something does not happen.
inline void run_until_quiet(EventLoop& loop) {
  for (int quiet = 0; quiet < 20; ++quiet) {
    if (loop.run_once(false)) quiet = 0;
  }
}

}  // namespace onward::testing_support
