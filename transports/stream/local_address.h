// SPDX-License-Identifier: Apache-2.0
//
// Sockets of this machine, AF_UNIX: where they are, listening, and who has connected.
//
// SCHEME:///absolute/path for a socket in the file system, SCHEME://@name for one in Linux's abstract namespace.
// At most kMaxLocalAddressBytes behind the "://".
#pragma once

#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

#include <functional>
#include <string>
#include <string_view>

#include "onward/identity.h"
#include "onward/status.h"
#include "onward/stream/file_descriptor.h"
#include "onward/url.h"

namespace onward {

inline constexpr std::size_t kMaxLocalAddressBytes = 107;

// Where a URL points, as the system wants it.
struct LocalAddress {
  sockaddr_un storage{};
  socklen_t length = 0;
  std::string path;  // empty for an abstract name

  // INVALID_ARGUMENT for anything but SCHEME:///path and SCHEME://@name.
  [[nodiscard]] static Result<LocalAddress> parse(const Url& url, std::string_view scheme);
  [[nodiscard]] const sockaddr* get() const noexcept { return reinterpret_cast<const sockaddr*>(&storage); }
};

// A non-blocking socket of `type` (SOCK_STREAM, SOCK_SEQPACKET) that listens. The socket file that a dead listener
// has left behind is replaced; a live listener, or a file that is no socket, is ALREADY_EXISTS.
[[nodiscard]] Result<FileDescriptor> listen_on(const Url& url, const LocalAddress& address, int type);
// Takes a listener's file away when called, unless somebody else's stands there by then.
[[nodiscard]] std::move_only_function<void()> remove_later(const std::string& path);

// The process at the other end, as the system knows it: when it connected or listened.
struct LocalPeer {
  pid_t process = 0;  // 0: not known
  uid_t user = static_cast<uid_t>(-1);

  [[nodiscard]] static LocalPeer of(int socket);
  // `url`, and the process where it is known.
  [[nodiscard]] std::string describe(const std::string& url) const;
  // "uid:1000".
  [[nodiscard]] PeerIdentity identity() const;
};

}  // namespace onward
