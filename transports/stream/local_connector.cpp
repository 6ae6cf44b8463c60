// SPDX-License-Identifier: Apache-2.0
#include "stream/local_connector.h"

#include <cerrno>
#include <utility>

#include "onward/stream/socket_stream.h"

namespace onward {

LocalConnector::LocalConnector(EventLoop& loop, Options options, LocalAddress address, Done done)
    : loop_(loop),
      options_(std::move(options)),
      address_(std::move(address)),
      done_(std::move(done)),
      timer_(loop, [this] { try_connect(); }) {}

void LocalConnector::begin() {
  deadline_ = loop_.now() + options_.timeout;
  try_connect();
}

void LocalConnector::try_connect() {
  FileDescriptor socket(::socket(AF_UNIX, options_.type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket.is_open()) return give_up(errno);
  if (::connect(socket.get(), address_.get(), address_.length) == 0) return done_(std::move(socket));
  if (errno != EAGAIN && errno != EINTR) return give_up(errno);
  if (loop_.now() >= deadline_) return give_up(ETIMEDOUT);
  timer_.arm(kRetryInterval);
}

void LocalConnector::give_up(int error_number) {
  std::string message = options_.about + ": " + error_text(error_number);
  if (error_number == ECONNREFUSED || error_number == ENOENT) message += "; is the node running?";
  if (error_number == ETIMEDOUT) message += "; the node accepts no connections";
  if (error_number == EPROTOTYPE) message += "; who listens there uses another transport than this URL says";
  done_(fail(StatusCode::kUnavailable, std::move(message)));
}

}  // namespace onward
