// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "onward/event_loop.h"
#include "onward/export.h"
#include "onward/stream/file_descriptor.h"
#include "onward/transport.h"
#include "onward/url.h"

namespace onward {

// Accepts from a listening, non-blocking stream socket.
class ONWARD_API StreamListener final : public Listener {
 public:
  // How long accepting rests when the system has no descriptors or memory left.
  static constexpr Duration kExhaustedPause = std::chrono::milliseconds(100);
  // How often that is logged.
  static constexpr Duration kExhaustedLogInterval = std::chrono::seconds(1);
  // Most connections of one readable event, so that others get their turn.
  static constexpr int kMaxAcceptsPerEvent = 64;

  struct Options {
    // Makes a connection of an accepted socket, established or not; null to refuse it.
    std::function<std::unique_ptr<Connection>(FileDescriptor socket)> wrap;
    // Called once the socket is closed.
    std::move_only_function<void()> on_closed = {};
  };

  StreamListener(EventLoop& loop, FileDescriptor socket, Url url, ListenerEvents& events, Options options);
  ~StreamListener();

  [[nodiscard]] const Url& url() const override { return url_; }
  void on_dispose() noexcept override;

 private:
  void accept_ready();
  void handle_error(int error_number);
  void close() noexcept;

  EventLoop& loop_;
  Url url_;
  ListenerEvents& events_;
  Options options_;
  FileDescriptor socket_;
  std::unique_ptr<IoWatcher> watcher_;
  Timer retry_timer_;
  TimePoint last_logged_ = TimePoint::min();
  bool closed_ = false;
};

}  // namespace onward
