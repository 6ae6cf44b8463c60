// SPDX-License-Identifier: Apache-2.0
//
// tcp://HOST:PORT: frames on a TCP socket, in the clear, from and to anybody. URLs are as tcp_options.h has them.
#pragma once

#include <memory>

#include "onward/event_loop.h"
#include "onward/export.h"
#include "onward/message.h"
#include "onward/stream/tcp_options.h"
#include "onward/transport.h"

namespace onward {

// `loop` must outlive the transport and what it makes.
[[nodiscard]] ONWARD_API std::unique_ptr<Transport> make_tcp_transport(EventLoop& loop,
                                                                       const MessageLimits& limits = {},
                                                                       TcpOptions options = {});

}  // namespace onward
