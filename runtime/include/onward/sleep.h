// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "onward/clock.h"
#include "onward/export.h"
#include "onward/future.h"

namespace onward {

namespace detail {

// Throws FAILED_PRECONDITION: `what` was called while no node runs in this process.
[[noreturn]] ONWARD_API void no_loop(const char* what);

}  // namespace detail

// Completes after `delay` of the current node's clock, rounded up to a millisecond; fails with the reason when the call
// that it is for is cancelled or at its deadline, and with UNAVAILABLE when the node ends. From any thread of a node.
// Throws FAILED_PRECONDITION where there is none.
[[nodiscard]] ONWARD_API Future<void> sleep_for(Duration delay);

}  // namespace onward
