// SPDX-License-Identifier: Apache-2.0
//
// shm:///absolute/path and shm://@name: processes of one machine, through memory that they share. The URL is that of
// a unix socket over which they meet (its file is treated as that of a unix:// URL; an abstract name leaves nothing
// behind whatever happens), after which it tells them only that the other still lives. The memory has no name anywhere.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "onward/event_loop.h"
#include "onward/export.h"
#include "onward/message.h"
#include "onward/transport.h"

namespace onward {

struct ShmOptions {
  // How long the peer may take for the rendezvous.
  Duration connect_timeout = std::chrono::seconds(10);
  // Of the ring that this end writes: a power of two, from a page to a gigabyte.
  std::uint64_t ring_bytes = std::uint64_t{256} << 10;
  // Of the memory for large segments that this end sends, in whole pages. The system provides what is in use. What
  // does not fit goes through the ring, at less than half the speed. 0: all does.
  std::uint64_t payload_bytes = std::uint64_t{256} << 20;
  // Whose processes may share memory with this one, besides those of its own user and root's.
  std::vector<uid_t> users = {};
};

// `loop` must outlive the transport and what it makes.
[[nodiscard]] ONWARD_API std::unique_ptr<Transport> make_shm_transport(EventLoop& loop,
                                                                       const MessageLimits& limits = {},
                                                                       ShmOptions options = {});

}  // namespace onward
