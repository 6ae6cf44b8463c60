// SPDX-License-Identifier: Apache-2.0
//
// Work whose cost is known, for tests of what a node does when more is asked of it than it can do. Functions of module
// "probe"; each is given what it carries, so that requests have a size, and answers whether it was done.
#pragma once

#include <string>

#include "onward/rpc.h"

namespace onward::workload {

// Blocking: holds a thread of the pool for so many milliseconds.
inline const auto kHold = remote<bool(int milliseconds, std::string carried)>("probe.work.hold");
// At once: has the kernel thread compute for so many milliseconds of CPU time.
inline const auto kBurn = remote<bool(int milliseconds, std::string carried)>("probe.work.burn");
// Async: asks a backend that does kBackendCalls at once, each in so many milliseconds, and the others in their turn,
// also when nobody waits any more.
inline const auto kAsk = remote<bool(int milliseconds, std::string carried)>("probe.work.ask");
inline constexpr int kBackendCalls = 4;

Status add_functions(FunctionTable& table);

}  // namespace onward::workload
