// SPDX-License-Identifier: Apache-2.0
#include "stream/local_address.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <optional>

#include "onward/stream/socket_stream.h"

namespace onward {

static_assert(kMaxLocalAddressBytes == sizeof(sockaddr_un::sun_path) - 1);

namespace {

// Which file stands at a path, so that another one that took its place is told apart.
struct FileIdentity {
  dev_t device = 0;
  ino_t inode = 0;
  bool is_socket = false;

  // Nothing if there is no file. Does not follow links.
  [[nodiscard]] static std::optional<FileIdentity> of(const std::string& path) {
    struct stat status{};
    if (::lstat(path.c_str(), &status) != 0) return std::nullopt;
    return FileIdentity{.device = status.st_dev, .inode = status.st_ino, .is_socket = S_ISSOCK(status.st_mode)};
  }
  friend bool operator==(const FileIdentity&, const FileIdentity&) = default;
};

std::unexpected<Status> local_listen_failure(const Url& url, int error_number) {
  const std::string message = "cannot listen on " + url.to_string() + ": " + error_text(error_number);
  switch (error_number) {
    case EADDRINUSE:
      return fail(StatusCode::kAlreadyExists, message + "; stop who has it, or take another name");
    case EACCES:
    case EPERM:
    case EROFS:
      return fail(StatusCode::kPermissionDenied, message + "; may this user write there?");
    case ENOENT:
    case ENOTDIR:
      return fail(StatusCode::kUnavailable, message + "; its folder must exist");
    default:
      return fail(StatusCode::kUnavailable, message);
  }
}

FileDescriptor open_socket(int type) {
  return FileDescriptor(::socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

// True if a socket file stands there and nobody listens behind it any more.
bool is_left_behind(const LocalAddress& address, int type) {
  const auto file = FileIdentity::of(address.path);
  if (!file || !file->is_socket) return false;
  const FileDescriptor probe = open_socket(type);
  return probe.is_open() && ::connect(probe.get(), address.get(), address.length) != 0 && errno == ECONNREFUSED;
}

}  // namespace

Result<LocalAddress> LocalAddress::parse(const Url& url, std::string_view scheme) {
  const auto invalid = [&url](const std::string& why) {
    return fail(StatusCode::kInvalidArgument, url.to_string() + ": " + why);
  };
  if (url.scheme != scheme) {
    return invalid("the " + std::string(scheme) + " transport wants a " + std::string(scheme) + ":// URL");
  }
  const std::string& name = url.rest;
  const bool abstract = name.starts_with('@');
  if (!abstract && !name.starts_with('/')) {
    return invalid("a path must be absolute (" + std::string(scheme) +
                   ":///run/node.sock), an abstract name begins with @");
  }
  if (name.size() < 2) return invalid("the name is empty");
  if (name.size() > kMaxLocalAddressBytes) {
    return invalid("the name has " + std::to_string(name.size()) + " bytes; the system allows " +
                   std::to_string(kMaxLocalAddressBytes));
  }
  if (name.find('\0') != std::string::npos) return invalid("the name contains a zero byte");

  LocalAddress address;
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

Result<FileDescriptor> listen_on(const Url& url, const LocalAddress& address, int type) {
  FileDescriptor socket = open_socket(type);
  if (!socket.is_open()) return local_listen_failure(url, errno);
  const auto bind = [&] { return ::bind(socket.get(), address.get(), address.length) == 0 ? 0 : errno; };
  int error = bind();
  if (error == EADDRINUSE && is_left_behind(address, type)) {
    ::unlink(address.path.c_str());
    error = bind();
  }
  if (error != 0) return local_listen_failure(url, error);
  if (::listen(socket.get(), SOMAXCONN) != 0) return local_listen_failure(url, errno);
  return socket;
}

std::move_only_function<void()> remove_later(const std::string& path) {
  if (path.empty()) return {};
  return [path, ours = FileIdentity::of(path)] {
    if (ours && FileIdentity::of(path) == ours) ::unlink(path.c_str());
  };
}

LocalPeer LocalPeer::of(int socket) {
  ucred peer{};
  socklen_t length = sizeof peer;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) return {};
  return {.process = peer.pid, .user = peer.uid};
}

std::string LocalPeer::describe(const std::string& url) const {
  return process == 0 ? url : url + " (process " + std::to_string(process) + ")";
}

PeerIdentity LocalPeer::identity() const {
  if (user == static_cast<uid_t>(-1)) return {};
  return {.names = {"uid:" + std::to_string(user)}};
}

}  // namespace onward
