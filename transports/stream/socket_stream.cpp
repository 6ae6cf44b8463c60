// SPDX-License-Identifier: Apache-2.0
#include "onward/stream/socket_stream.h"

#include <sys/socket.h>

#include <cctype>
#include <cerrno>
#include <system_error>

namespace onward {
namespace {

IoResult failure(int error_number, IoResult::Outcome when_not_ready) {
  if (error_number == EAGAIN || error_number == EWOULDBLOCK || error_number == EINTR) {
    return {.outcome = when_not_ready};
  }
  return {.outcome = IoResult::Outcome::kFailed, .error = Status(StatusCode::kUnavailable, error_text(error_number))};
}

}  // namespace

IoResult SocketStream::read(std::span<const iovec> into) {
  const ssize_t got = into.size() == 1 ? ::recv(socket_.get(), into[0].iov_base, into[0].iov_len, 0)
                                       : ::readv(socket_.get(), into.data(), static_cast<int>(into.size()));
  if (got > 0) return {.bytes = static_cast<std::size_t>(got)};
  if (got == 0) return {.outcome = IoResult::Outcome::kEnd};
  return failure(errno, IoResult::Outcome::kWantRead);
}

IoResult SocketStream::write(std::span<const iovec> from) {
  ssize_t put = 0;
  if (from.size() == 1) {
    put = ::send(socket_.get(), from[0].iov_base, from[0].iov_len, MSG_NOSIGNAL);
  } else {
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(from.data());
    message.msg_iovlen = from.size();
    put = ::sendmsg(socket_.get(), &message, MSG_NOSIGNAL);
  }
  if (put > 0) return {.bytes = static_cast<std::size_t>(put)};
  return failure(put == 0 ? EAGAIN : errno, IoResult::Outcome::kWantWrite);
}

void SocketStream::end_output() noexcept { ::shutdown(socket_.get(), SHUT_WR); }

std::string error_text(int error_number) {
  std::string text = std::generic_category().message(error_number);
  if (text.size() > 1 && std::islower(static_cast<unsigned char>(text[1])) != 0) {
    text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
  }
  return text;
}

}  // namespace onward
