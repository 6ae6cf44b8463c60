// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <utility>

#include "onward/event_loop.h"
#include "onward/transport.h"

namespace onward {

// Two connected Connections on one loop: how a node calls itself, through the same encoding, limits and
// errors as any other peer.
[[nodiscard]] std::pair<std::unique_ptr<Connection>, std::unique_ptr<Connection>> make_loopback(EventLoop& loop);

}  // namespace onward
