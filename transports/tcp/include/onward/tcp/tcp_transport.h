// SPDX-License-Identifier: Apache-2.0
//
// tcp://HOST:PORT: frames on a TCP socket, in the clear, from and to anybody. URLs are as tcp_options.h has them.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "onward/event_loop.h"
#include "onward/export.h"
#include "onward/message.h"
#include "onward/stream/byte_stream.h"
#include "onward/stream/tcp_options.h"
#include "onward/transport.h"

namespace onward {

// `loop` must outlive the transport and what it makes.
[[nodiscard]] ONWARD_API std::unique_ptr<Transport> make_tcp_transport(EventLoop& loop,
                                                                       const MessageLimits& limits = {},
                                                                       TcpOptions options = {});

// What stands between frames and a connected socket, whose bytes `below` moves: a compression, say. Made for each
// connection; must not throw: what is wrong is told by the first read() and write().
using StreamLayer = std::function<std::unique_ptr<ByteStream>(std::unique_ptr<ByteStream> below)>;

// SCHEME://HOST:PORT, for transports that are TCP with a layer, and of URLs, names and sockets want what tcp has.
[[nodiscard]] ONWARD_API std::unique_ptr<Transport> make_layered_tcp_transport(EventLoop& loop,
                                                                               const MessageLimits& limits,
                                                                               std::string scheme, StreamLayer layer,
                                                                               TcpOptions options = {});

}  // namespace onward
