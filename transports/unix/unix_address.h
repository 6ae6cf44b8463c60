// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

#include <optional>
#include <string>

#include "onward/status.h"
#include "onward/url.h"

namespace onward {

// Where a unix:// URL points, as the system wants it.
struct UnixAddress {
  sockaddr_un storage{};
  socklen_t length = 0;
  std::string path;  // empty for an abstract name

  // INVALID_ARGUMENT for anything but unix:///path and unix://@name.
  [[nodiscard]] static Result<UnixAddress> parse(const Url& url);
  [[nodiscard]] const sockaddr* get() const noexcept { return reinterpret_cast<const sockaddr*>(&storage); }
};

// Which file stands at a path, so that another one that took its place is told apart.
struct FileIdentity {
  dev_t device = 0;
  ino_t inode = 0;
  bool is_socket = false;

  // Nothing if there is no file. Does not follow links.
  [[nodiscard]] static std::optional<FileIdentity> of(const std::string& path);
  friend bool operator==(const FileIdentity&, const FileIdentity&) = default;
};

}  // namespace onward
