// SPDX-License-Identifier: Apache-2.0
//
// tcp://HOST:PORT: frames on a TCP socket, in the clear, from and to anybody. URLs are as internet_transport.h has
// them.
#pragma once

#include <memory>

#include "stream/internet_transport.h"

namespace onward {

// `loop` must outlive the transport and what it makes.
[[nodiscard]] std::unique_ptr<Transport> make_tcp_transport(EventLoop& loop, const MessageLimits& limits = {},
                                                            TcpOptions options = {});

}  // namespace onward
