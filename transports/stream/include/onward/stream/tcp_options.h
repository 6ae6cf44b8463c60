// SPDX-License-Identifier: Apache-2.0
//
// What the user of a transport over TCP, tcp or tls, decides.
//
// SCHEME://HOST:PORT. An IPv6 address stands in brackets. To connect, HOST is a name or an address; to
// listen, an address of this machine, `localhost` (127.0.0.1), or `*` or nothing for all of them,
// IPv6 and IPv4. Port 0 listens on a free port, which Listener::url() then names.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "onward/clock.h"
#include "onward/status.h"

namespace onward {

struct TcpOptions {
  // For the whole of it: looking the name up, and all of its addresses, one after the other.
  Duration connect_timeout = std::chrono::seconds(10);
  // Sizes of the system's buffers; 0: as the system tunes them by itself, which is fastest.
  int send_buffer_bytes = 0;
  int receive_buffer_bytes = 0;
  // Finds the numeric addresses of a name, and may take its time: it runs on a thread of its own,
  // which outlives the transport while it does. Default: the system's resolver.
  std::function<Result<std::vector<std::string>>(const std::string& host)> resolve = {};
};

}  // namespace onward
