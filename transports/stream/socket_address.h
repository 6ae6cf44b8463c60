// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <optional>
#include <string>

namespace onward {

// An IPv4 or IPv6 address with its port, as the system wants it.
struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t length = sizeof(sockaddr_storage);

  // Of a numeric host ("127.0.0.1", "::1", "fe80::1%eth0"); nothing for a name.
  [[nodiscard]] static std::optional<SocketAddress> parse(const std::string& host, std::uint16_t port);
  [[nodiscard]] static SocketAddress local(int socket);
  // Of length 0 when the peer has gone already.
  [[nodiscard]] static SocketAddress remote(int socket);

  [[nodiscard]] const sockaddr* get() const noexcept { return reinterpret_cast<const sockaddr*>(&storage); }
  [[nodiscard]] sockaddr* get() noexcept { return reinterpret_cast<sockaddr*>(&storage); }
  [[nodiscard]] int family() const noexcept { return storage.ss_family; }
  [[nodiscard]] bool is_loopback() const;
  [[nodiscard]] std::uint16_t port() const;
  // "127.0.0.1:4711", "[::1]:4711", "an unknown address". IPv4 within IPv6 is shown as IPv4.
  [[nodiscard]] std::string to_string() const;
  [[nodiscard]] bool same_as(const SocketAddress& other) const;
};

}  // namespace onward
