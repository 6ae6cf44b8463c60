// SPDX-License-Identifier: Apache-2.0
#include "stream/socket_address.h"

#include <netdb.h>
#include <netinet/in.h>

#include <array>
#include <cstring>
#include <string_view>

#include "onward/url.h"

namespace onward {

std::optional<SocketAddress> SocketAddress::parse(const std::string& host, std::uint16_t port) {
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found) != 0) return std::nullopt;
  SocketAddress address;
  address.length = found->ai_addrlen;
  std::memcpy(&address.storage, found->ai_addr, found->ai_addrlen);
  ::freeaddrinfo(found);
  return address;
}

SocketAddress SocketAddress::local(int socket) {
  SocketAddress address;
  if (::getsockname(socket, address.get(), &address.length) != 0) address.length = 0;
  return address;
}

SocketAddress SocketAddress::remote(int socket) {
  SocketAddress address;
  if (::getpeername(socket, address.get(), &address.length) != 0) address.length = 0;
  return address;
}

bool SocketAddress::is_loopback() const {
  constexpr std::uint8_t kNetwork = 127;
  if (length > 0 && family() == AF_INET) {
    return ntohl(reinterpret_cast<const sockaddr_in*>(&storage)->sin_addr.s_addr) >> 24U == kNetwork;
  }
  if (length == 0 || family() != AF_INET6) return false;
  const in6_addr& address = reinterpret_cast<const sockaddr_in6*>(&storage)->sin6_addr;
  return IN6_IS_ADDR_LOOPBACK(&address) || (IN6_IS_ADDR_V4MAPPED(&address) && address.s6_addr[12] == kNetwork);
}

std::uint16_t SocketAddress::port() const {
  // The port lies at the same place in both families.
  static_assert(offsetof(sockaddr_in, sin_port) == offsetof(sockaddr_in6, sin6_port));
  return ntohs(reinterpret_cast<const sockaddr_in*>(&storage)->sin_port);
}

std::string SocketAddress::to_string() const {
  std::array<char, NI_MAXHOST> host{};
  if (length == 0 || ::getnameinfo(get(), length, host.data(), host.size(), nullptr, 0, NI_NUMERICHOST) != 0) {
    return "an unknown address";
  }
  std::string_view text = host.data();
  constexpr std::string_view kMapped = "::ffff:";
  if (text.starts_with(kMapped) && text.contains('.')) text.remove_prefix(kMapped.size());
  return HostPort{std::string(text), port()}.to_string();
}

bool SocketAddress::same_as(const SocketAddress& other) const {
  return length > 0 && length == other.length && std::memcmp(&storage, &other.storage, length) == 0;
}

}  // namespace onward
