// SPDX-License-Identifier: Apache-2.0
//
// What the configuration may say to a transport over TCP, for its module to declare.
#pragma once

#include <cstdint>
#include <limits>

#include "onward/arguments.h"
#include "stream/internet_transport.h"

namespace onward {

inline constexpr Parameter kTcpConnectTimeout =
    parameter("connect_timeout_ms", 10'000, "for connecting: looking the name up, and trying all of its addresses")
        .unit("ms")
        .range(1, 3'600'000);
inline constexpr Parameter kTcpSendBuffer =
    parameter("send_buffer_bytes", 0,
              "the system's buffer of a connection; 0: as the system tunes it, which is fastest")
        .unit("bytes")
        .range(0, std::numeric_limits<int>::max());
inline constexpr Parameter kTcpReceiveBuffer = parameter("receive_buffer_bytes", 0, "the same, for what is received")
                                                   .unit("bytes")
                                                   .range(0, std::numeric_limits<int>::max());

// Of a module that declares these three.
[[nodiscard]] inline TcpOptions tcp_options(const Arguments& arguments) {
  TcpOptions options;
  options.connect_timeout = std::chrono::milliseconds(arguments.get<std::int64_t>("connect_timeout_ms"));
  options.send_buffer_bytes = arguments.get<int>("send_buffer_bytes");
  options.receive_buffer_bytes = arguments.get<int>("receive_buffer_bytes");
  return options;
}

}  // namespace onward
