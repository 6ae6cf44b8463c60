// SPDX-License-Identifier: Apache-2.0
#include "onward/stream/stream_listener.h"

#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "onward/log.h"
#include "onward/stream/socket_stream.h"

namespace onward {

StreamListener::StreamListener(EventLoop& loop, FileDescriptor socket, Url url, ListenerEvents& events, Options options)
    : loop_(loop),
      url_(std::move(url)),
      events_(events),
      options_(std::move(options)),
      socket_(std::move(socket)),
      watcher_(std::make_unique<IoWatcher>(
          loop, socket_.get(), this, [](void* self) { static_cast<StreamListener*>(self)->accept_ready(); }, nullptr)),
      retry_timer_(loop, [this] {
        if (watcher_ != nullptr) watcher_->watch_readable(true);
      }) {
  watcher_->watch_readable(true);
}

StreamListener::~StreamListener() { close(); }

void StreamListener::on_dispose() noexcept { close(); }

void StreamListener::close() noexcept {
  if (std::exchange(closed_, true)) return;
  retry_timer_.cancel();
  watcher_->watch_readable(false);
  // Its callback may be running. The socket is closed at once, so that the address is free.
  loop_.dispose(std::move(watcher_));
  socket_ = FileDescriptor();
  if (options_.on_closed) options_.on_closed();
}

void StreamListener::accept_ready() {
  for (int i = 0; i < kMaxAcceptsPerEvent && !closed_; ++i) {
    FileDescriptor socket(::accept4(socket_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!socket.is_open()) return handle_error(errno);
    std::unique_ptr<Connection> accepted = options_.wrap(std::move(socket));
    if (accepted != nullptr) events_.on_accept(std::move(accepted));
  }
}

void StreamListener::handle_error(int error_number) {
  if (error_number == EAGAIN || error_number == EWOULDBLOCK) return;
  // Out of descriptors or memory: the others are troubles of one connection, which is gone
  // (accept(2)).
  if (error_number != EMFILE && error_number != ENFILE && error_number != ENOBUFS && error_number != ENOMEM) return;
  watcher_->watch_readable(false);
  retry_timer_.arm(kExhaustedPause);
  if (last_logged_ != TimePoint::min() && loop_.now() - last_logged_ < kExhaustedLogInterval) return;
  last_logged_ = loop_.now();
  log(LogLevel::kError, url_.to_string(),
      "cannot accept connections: " + error_text(error_number) +
          "; they wait until others are closed, or raise the limit of open files (ulimit -n)");
}

}  // namespace onward
