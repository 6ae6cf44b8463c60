// SPDX-License-Identifier: Apache-2.0
//
// unix:///absolute/path for a socket in the file system, unix://@name for one in Linux's abstract
// namespace. At most kMaxLocalAddressBytes behind the "://".
//
// The socket file that a dead listener has left behind is replaced; a live listener, or a file that
// is no socket, is ALREADY_EXISTS. The file is removed when the listener goes, if it still is the
// same one. Who may connect is decided by the file's permissions, and so by the process's umask.
#pragma once

#include <memory>

#include "onward/event_loop.h"
#include "onward/export.h"
#include "onward/message.h"
#include "onward/transport.h"

namespace onward {

struct UnixOptions {
  // How long to wait while the listener's queue is full.
  Duration connect_timeout = std::chrono::seconds(10);
  // Size of the system's buffer for what was sent and not received yet; 0: the system's default. The
  // system allows at most net.core.wmem_max. More than two megabytes make nothing faster; the usual
  // default, a tenth of that, takes large messages at less than half the speed.
  int send_buffer_bytes = 2 << 20;
};

// `loop` must outlive the transport and what it makes.
[[nodiscard]] ONWARD_API std::unique_ptr<Transport> make_unix_transport(EventLoop& loop,
                                                                        const MessageLimits& limits = {},
                                                                        const UnixOptions& options = {});

}  // namespace onward
