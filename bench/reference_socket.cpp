#include "reference_socket.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstring>
#include <stdexcept>
#include <string_view>
#include <system_error>

namespace onward::bench {
namespace {

// As UnixOptions::send_buffer_bytes has it.
constexpr int kUnixSendBufferBytes = 2 << 20;

// By the values of Scheme; what follows is a port, or the name of an abstract socket.
constexpr std::array<std::string_view, 4> kPrefixes = {"tcp://127.0.0.1:", "tls://127.0.0.1:", "unix://@", "shm://@"};

std::string_view prefix_of(Scheme scheme) { return kPrefixes.at(static_cast<std::size_t>(scheme)); }
bool is_local(Scheme scheme) { return scheme == Scheme::kUnix || scheme == Scheme::kShm; }

// Room for either kind of address.
struct Address {
  sockaddr_storage storage{};
  socklen_t bytes = 0;

  [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

Address loopback_address(std::uint16_t port) {
  Address address;
  sockaddr_in internet{};
  internet.sin_family = AF_INET;
  internet.sin_port = htons(port);
  internet.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::memcpy(&address.storage, &internet, sizeof internet);
  address.bytes = sizeof internet;
  return address;
}

// Without a name the system chooses one.
Address abstract_address(std::string_view name) {
  Address address;
  sockaddr_un local{};
  if (name.size() >= sizeof local.sun_path) throw std::invalid_argument("too long: " + std::string(name));
  local.sun_family = AF_UNIX;
  name.copy(local.sun_path + 1, name.size());
  std::memcpy(&address.storage, &local, sizeof local);
  address.bytes = offsetof(sockaddr_un, sun_path) + (name.empty() ? 0 : 1 + static_cast<socklen_t>(name.size()));
  return address;
}

Address address_of(const std::string& url) {
  for (const Scheme scheme : {Scheme::kTcp, Scheme::kTls, Scheme::kUnix, Scheme::kShm}) {
    if (!url.starts_with(prefix_of(scheme))) continue;
    const std::string_view rest = std::string_view(url).substr(prefix_of(scheme).size());
    if (is_local(scheme) && !rest.empty()) return abstract_address(rest);
    std::uint16_t port = 0;
    const auto parsed = std::from_chars(rest.begin(), rest.end(), port);
    if (parsed.ec == std::errc{} && parsed.ptr == rest.end()) return loopback_address(port);
  }
  throw std::invalid_argument("'" + url + "' is not a URL as a server prints it");
}

Socket open_socket(int family, int flags) {
  Socket socket(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | flags, 0));
  if (socket.fd() < 0) throw_errno("create a socket");
  return socket;
}

void tune(const Socket& socket) {
  sockaddr_storage own{};
  socklen_t size = sizeof own;
  if (::getsockname(socket.fd(), reinterpret_cast<sockaddr*>(&own), &size) != 0) throw_errno("ask for the address");
  const bool local = own.ss_family == AF_UNIX;
  const int value = local ? kUnixSendBufferBytes : 1;
  const int level = local ? SOL_SOCKET : IPPROTO_TCP;
  const int option = local ? SO_SNDBUF : TCP_NODELAY;
  if (::setsockopt(socket.fd(), level, option, &value, sizeof value) != 0) throw_errno("set a socket's option");
}

}  // namespace

Socket::~Socket() {
  if (fd_ >= 0) ::close(fd_);
}

Socket listen_as(Scheme scheme) {
  const Address address = is_local(scheme) ? abstract_address({}) : loopback_address(0);
  Socket listener = open_socket(address.storage.ss_family, SOCK_NONBLOCK);
  if (::bind(listener.fd(), address.get(), address.bytes) != 0) throw_errno("bind a socket");
  if (::listen(listener.fd(), SOMAXCONN) != 0) throw_errno("listen");
  return listener;
}

std::string url_of(const Socket& listener, Scheme scheme) {
  Address address;
  address.bytes = sizeof address.storage;
  if (::getsockname(listener.fd(), reinterpret_cast<sockaddr*>(&address.storage), &address.bytes) != 0) {
    throw_errno("ask for the address");
  }
  std::string url(prefix_of(scheme));
  if (!is_local(scheme)) {
    return url + std::to_string(ntohs(reinterpret_cast<const sockaddr_in*>(&address.storage)->sin_port));
  }
  const char* const path = reinterpret_cast<const sockaddr_un*>(&address.storage)->sun_path;
  return url.append(path + 1, address.bytes - offsetof(sockaddr_un, sun_path) - 1);
}

Socket accept_from(const Socket& listener) {
  Socket accepted(::accept4(listener.fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (accepted.fd() < 0) throw_errno("accept a connection");
  tune(accepted);
  return accepted;
}

Socket connect_to(const std::string& url) {
  const Address address = address_of(url);
  Socket connected = open_socket(address.storage.ss_family, 0);
  if (::connect(connected.fd(), address.get(), address.bytes) != 0) {
    throw std::system_error(errno, std::generic_category(), "connect to " + url);
  }
  const int flags = ::fcntl(connected.fd(), F_GETFL);
  if (flags < 0 || ::fcntl(connected.fd(), F_SETFL, flags | O_NONBLOCK) != 0) {
    throw_errno("make a socket non-blocking");
  }
  tune(connected);
  return connected;
}

void set_congestion_control(const Socket& socket, const std::string& name) {
  const auto size = static_cast<socklen_t>(name.size());
  if (::setsockopt(socket.fd(), IPPROTO_TCP, TCP_CONGESTION, name.data(), size) != 0) {
    throw std::system_error(errno, std::generic_category(), "set congestion control '" + name + "'");
  }
}

void throw_errno(const char* what) { throw std::system_error(errno, std::generic_category(), what); }

void throw_unless_would_block(const char* what) {
  if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) throw_errno(what);
}

}  // namespace onward::bench
