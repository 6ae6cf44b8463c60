// SPDX-License-Identifier: Apache-2.0
//
// Of module "probe": what the tests of call contexts call. All are coroutines but one.
#pragma once

#include <cstdint>
#include <string>

#include "onward/rpc.h"

namespace onward {
namespace context_functions {

// What a function knows about its call.
struct Seen {
  std::int64_t remaining_ms = 0;  // -1: for ever
  std::string caller;
  std::string trace_id;
  std::string tenant;
};
ONWARD_MEMBERS(Seen, remaining_ms, caller, trace_id, tenant)

inline const auto kSee = remote<Seen()>("context.see");
// see() at `peer`, with a timeout of an hour.
inline const auto kRelaySee = remote<Seen(std::string peer)>("context.relay_see");
// Waits for ever; where `peer` is not empty, for the same there. Counts when it is unwound.
inline const auto kHold = remote<void(std::string peer)>("context.hold");
// Answered when `count` of them are waiting.
inline const auto kAwaitHeld = remote<void(int count)>("context.await_held");
// Answered when `count` of them have been unwound: with the code that the last was unwound for.
inline const auto kAwaitUnwound = remote<std::string(int count)>("context.await_unwound");

// Adds them.
Status add_functions(FunctionTable& table);

}  // namespace context_functions
}  // namespace onward
