// SPDX-License-Identifier: Apache-2.0
#include "unix/unix_transport.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <functional>
#include <utility>

#include "stream/socket_stream.h"
#include "stream/stream_connection.h"
#include "stream/stream_listener.h"
#include "unix/unix_address.h"
#include "unix/unix_connector.h"

namespace onward {
namespace {

std::unexpected<Status> listen_failure(const Url& url, int error_number) {
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

Result<FileDescriptor> open_socket(const Url& url) {
  FileDescriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket.is_open()) return listen_failure(url, errno);
  return socket;
}

// True if a socket file stands there and nobody listens behind it any more.
bool is_left_behind(const UnixAddress& address) {
  const auto file = FileIdentity::of(address.path);
  if (!file || !file->is_socket) return false;
  const FileDescriptor probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  return probe.is_open() && ::connect(probe.get(), address.get(), address.length) != 0 && errno == ECONNREFUSED;
}

Result<FileDescriptor> listen_on(const Url& url, const UnixAddress& address) {
  Result<FileDescriptor> socket = open_socket(url);
  if (!socket) return socket;
  const auto bind = [&] { return ::bind(socket->get(), address.get(), address.length) == 0 ? 0 : errno; };
  int error = bind();
  if (error == EADDRINUSE && is_left_behind(address)) {
    ::unlink(address.path.c_str());
    error = bind();
  }
  if (error != 0) return listen_failure(url, error);
  if (::listen(socket->get(), SOMAXCONN) != 0) return listen_failure(url, errno);
  return socket;
}

// Takes a listener's file away, unless somebody else's stands there by now.
std::move_only_function<void()> remove_later(const std::string& path) {
  if (path.empty()) return {};
  return [path, ours = FileIdentity::of(path)] {
    if (ours && FileIdentity::of(path) == ours) ::unlink(path.c_str());
  };
}

std::string peer_name(int socket, const std::string& url) {
  ucred peer{};
  socklen_t length = sizeof peer;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0 || peer.pid == 0) {
    return url;
  }
  return url + " (process " + std::to_string(peer.pid) + ")";
}

class UnixTransport final : public Transport {
 public:
  UnixTransport(EventLoop& loop, const MessageLimits& limits, const UnixOptions& options)
      : loop_(loop), limits_(limits), options_(options) {}

  [[nodiscard]] std::string_view scheme() const override { return "unix"; }
  [[nodiscard]] Status check(const Url& url, Use) const override {
    const Result<UnixAddress> address = UnixAddress::parse(url);
    return address ? Status() : address.error();
  }

  [[nodiscard]] Result<std::unique_ptr<Connection>> connect(const Url& url) override {
    Result<UnixAddress> address = UnixAddress::parse(url);
    if (!address) return std::unexpected(address.error());
    auto connection = std::make_unique<StreamConnection>(loop_, limits_, url.to_string());
    auto connector = std::make_unique<UnixConnector>(loop_, options_, *connection, std::move(*address));
    UnixConnector& begins = *connector;
    connection->wait_for(std::move(connector));
    begins.begin();
    return connection;
  }

  [[nodiscard]] Result<std::unique_ptr<Listener>> listen(const Url& url, ListenerEvents& events) override {
    const Result<UnixAddress> address = UnixAddress::parse(url);
    if (!address) return std::unexpected(address.error());
    Result<FileDescriptor> socket = listen_on(url, *address);
    if (!socket) return std::unexpected(socket.error());
    return std::make_unique<StreamListener>(
        loop_, limits_, std::move(*socket), url, events,
        StreamListener::Options{
            .wrap = [this, name = url.to_string()](FileDescriptor accepted) { return wrap(std::move(accepted), name); },
            .on_closed = remove_later(address->path)});
  }

 private:
  [[nodiscard]] AcceptedStream wrap(FileDescriptor socket, const std::string& url) const {
    configure_unix_socket(socket.get(), options_);
    std::string peer = peer_name(socket.get(), url);
    return {.stream = std::make_unique<SocketStream>(std::move(socket)), .description = std::move(peer)};
  }

  EventLoop& loop_;
  MessageLimits limits_;
  UnixOptions options_;
};

}  // namespace

std::unique_ptr<Transport> make_unix_transport(EventLoop& loop, const MessageLimits& limits,
                                               const UnixOptions& options) {
  return std::make_unique<UnixTransport>(loop, limits, options);
}

}  // namespace onward
