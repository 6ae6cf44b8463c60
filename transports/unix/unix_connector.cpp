// SPDX-License-Identifier: Apache-2.0
#include "unix/unix_connector.h"

#include <cerrno>
#include <string>
#include <utility>

#include "stream/socket_stream.h"

namespace onward {

void configure_unix_socket(int socket, const UnixOptions& options) {
  if (options.send_buffer_bytes <= 0) return;
  ::setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &options.send_buffer_bytes, sizeof(int));
}

UnixConnector::UnixConnector(EventLoop& loop, const UnixOptions& options, StreamConnection& connection,
                             UnixAddress address)
    : loop_(loop), options_(options), connection_(connection), address_(std::move(address)), timer_(loop, [this] {
        try_connect();
      }) {}

void UnixConnector::begin() {
  deadline_ = loop_.now() + options_.connect_timeout;
  try_connect();
}

void UnixConnector::try_connect() {
  FileDescriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket.is_open()) return give_up(errno);
  configure_unix_socket(socket.get(), options_);
  if (::connect(socket.get(), address_.get(), address_.length) == 0) {
    return connection_.establish(std::make_unique<SocketStream>(std::move(socket)));
  }
  if (errno != EAGAIN && errno != EINTR) return give_up(errno);
  if (loop_.now() >= deadline_) return give_up(ETIMEDOUT);
  timer_.arm(kRetryInterval);
}

void UnixConnector::give_up(int error_number) {
  std::string message = connection_.description() + ": " + error_text(error_number);
  if (error_number == ECONNREFUSED || error_number == ENOENT) message += "; is the node running?";
  if (error_number == ETIMEDOUT) message += "; the node accepts no connections";
  connection_.fail(Status(StatusCode::kUnavailable, std::move(message)));
}

}  // namespace onward
