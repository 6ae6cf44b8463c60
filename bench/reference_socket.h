// Non-blocking stream sockets on this machine, which the references share.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

namespace onward::bench {

// A file descriptor that is closed by its owner's end.
class Socket {
 public:
  explicit Socket(int fd) : fd_(fd) {}
  Socket(Socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  Socket& operator=(Socket&&) = delete;
  ~Socket();

  [[nodiscard]] int fd() const { return fd_; }

 private:
  int fd_;
};

// What a reference's URL begins with. TCP on 127.0.0.1 below kTcp and kTls, a socket in Linux's abstract namespace
// below kUnix and kShm.
enum class Scheme : std::uint8_t { kTcp, kTls, kUnix, kShm };

// A listening socket, on a port or name that is free. Throws std::system_error, as all here do.
[[nodiscard]] Socket listen_as(Scheme scheme);

// The URL of a listening socket: tcp://127.0.0.1:PORT, unix://@NAME.
[[nodiscard]] std::string url_of(const Socket& listener, Scheme scheme);

// Takes one connection: non-blocking, TCP with TCP_NODELAY, unix with a send buffer as Onward's.
[[nodiscard]] Socket accept_from(const Socket& listener);

// Connects to a URL as url_of() writes it, waits until connected, then as accept_from().
// std::invalid_argument for another kind of URL.
[[nodiscard]] Socket connect_to(const std::string& url);

// Has TCP control congestion on this socket by `name`, as in tcp_allowed_congestion_control.
void set_congestion_control(const Socket& socket, const std::string& name);

[[noreturn]] void throw_errno(const char* what);
// Throws for `errno`, unless it only says that the socket is not ready.
void throw_unless_would_block(const char* what);

}  // namespace onward::bench
