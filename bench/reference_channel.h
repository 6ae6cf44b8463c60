// What moves the bytes of a reference: a plain socket here, TLS in reference_tls.h. Shapes are templates over it, so
// that the plain ones pay for nothing.
#pragma once

#include <sys/socket.h>
#include <sys/types.h>

#include <cstddef>
#include <span>
#include <stdexcept>
#include <utility>

#include "reference_socket.h"

namespace onward::bench {

enum class Side : std::uint8_t { kServer, kClient };

class PlainChannel {
 public:
  PlainChannel(Socket socket, Side) : socket_(std::move(socket)) {}

  [[nodiscard]] const Socket& socket() const { return socket_; }
  [[nodiscard]] int fd() const { return socket_.fd(); }

  // As recv() and send(): 0 at the end, -1 with errno, which is EAGAIN when the descriptor is not ready. A send that
  // was not ready is repeated with at least as many bytes.
  [[nodiscard]] ssize_t receive(std::span<char> into) { return ::recv(fd(), into.data(), into.size(), 0); }
  [[nodiscard]] ssize_t send(std::span<const char> from) {
    return ::send(fd(), from.data(), from.size(), MSG_NOSIGNAL);
  }
  // True when bytes wait inside, of which the descriptor tells nothing: receive again.
  [[nodiscard]] bool holds_input() const { return false; }
  void end_output() {
    if (::shutdown(fd(), SHUT_WR) != 0) throw std::runtime_error("cannot end the stream");
  }

 private:
  Socket socket_;
};

}  // namespace onward::bench
