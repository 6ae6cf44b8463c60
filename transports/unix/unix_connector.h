// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "onward/event_loop.h"
#include "stream/file_descriptor.h"
#include "stream/stream_connection.h"
#include "unix/unix_address.h"
#include "unix/unix_transport.h"

namespace onward {

// Connects to a local socket. That succeeds or fails at once, but while the listener's queue is
// full; then it is tried again every kRetryInterval.
class UnixConnector final : public StreamConnector {
 public:
  static constexpr Duration kRetryInterval = std::chrono::milliseconds(10);

  UnixConnector(EventLoop& loop, const UnixOptions& options, StreamConnection& connection, UnixAddress address);

  // Once, when the connection owns this.
  void begin();

 private:
  void try_connect();
  void give_up(int error_number);

  EventLoop& loop_;
  const UnixOptions& options_;
  StreamConnection& connection_;
  UnixAddress address_;
  TimePoint deadline_;
  Timer timer_;
};

// Applies the options to a new socket.
void configure_unix_socket(int socket, const UnixOptions& options);

}  // namespace onward
