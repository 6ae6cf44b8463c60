// SPDX-License-Identifier: Apache-2.0
#include "unix/unix_address.h"

#include <sys/stat.h>

#include <cstddef>
#include <cstring>

#include "unix/unix_transport.h"

namespace onward {

static_assert(kMaxUnixAddressBytes == sizeof(sockaddr_un::sun_path) - 1);

Result<UnixAddress> UnixAddress::parse(const Url& url) {
  const auto invalid = [&url](const std::string& why) {
    return fail(StatusCode::kInvalidArgument, url.to_string() + ": " + why);
  };
  if (url.scheme != "unix") return invalid("the unix transport wants a unix:// URL");
  const std::string& name = url.rest;
  const bool abstract = name.starts_with('@');
  if (!abstract && !name.starts_with('/')) {
    return invalid("a path must be absolute (unix:///run/node.sock), an abstract name begins with @");
  }
  if (name.size() < 2) return invalid("the name is empty");
  if (name.size() > kMaxUnixAddressBytes) {
    return invalid("the name has " + std::to_string(name.size()) + " bytes; the system allows " +
                   std::to_string(kMaxUnixAddressBytes));
  }
  if (name.find('\0') != std::string::npos) return invalid("the name contains a zero byte");

  UnixAddress address;
  address.storage.sun_family = AF_UNIX;
  std::memcpy(address.storage.sun_path, name.data(), name.size());
  address.length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
  if (abstract) {
    address.storage.sun_path[0] = '\0';
  } else {
    ++address.length;
    address.path = name;
  }
  return address;
}

std::optional<FileIdentity> FileIdentity::of(const std::string& path) {
  struct stat status{};
  if (::lstat(path.c_str(), &status) != 0) return std::nullopt;
  return FileIdentity{.device = status.st_dev, .inode = status.st_ino, .is_socket = S_ISSOCK(status.st_mode)};
}

}  // namespace onward
