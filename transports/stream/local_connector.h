// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>

#include "onward/event_loop.h"
#include "onward/stream/file_descriptor.h"
#include "onward/stream/stream_connection.h"
#include "stream/local_address.h"

namespace onward {

// Connects to a local socket. That succeeds or fails at once, but while the listener's queue is
// full; then it is tried again every kRetryInterval.
class LocalConnector final : public StreamConnector {
 public:
  static constexpr Duration kRetryInterval = std::chrono::milliseconds(10);
  struct Options {
    int type;           // SOCK_STREAM, SOCK_SEQPACKET
    Duration timeout;   // how long to wait while the queue is full
    std::string about;  // the URL, for messages
  };
  // Gets the connected, non-blocking socket, or why there is none. Once; may destroy the connector through dispose().
  using Done = std::move_only_function<void(Result<FileDescriptor>)>;

  LocalConnector(EventLoop& loop, Options options, LocalAddress address, Done done);

  // Once.
  void begin();

 private:
  void try_connect();
  void give_up(int error_number);

  EventLoop& loop_;
  Options options_;
  LocalAddress address_;
  Done done_;
  TimePoint deadline_;
  Timer timer_;
};

}  // namespace onward
