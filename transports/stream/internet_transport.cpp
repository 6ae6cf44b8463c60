// SPDX-License-Identifier: Apache-2.0
#include "stream/internet_transport.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <optional>
#include <utility>

#include "onward/stream/socket_stream.h"
#include "onward/stream/stream_connection.h"
#include "onward/stream/stream_listener.h"
#include "stream/socket_address.h"
#include "stream/tcp_connector.h"

namespace onward {
namespace {

bool is_any_host(const std::string& host) { return host.empty() || host == "*"; }

std::unexpected<Status> listen_failure(const Url& url, int error_number) {
  const std::string message = "cannot listen on " + url.to_string() + ": " + error_text(error_number);
  switch (error_number) {
    case EADDRINUSE:
      return fail(StatusCode::kAlreadyExists, message + "; stop who has it, or take another port (0: any free one)");
    case EACCES:
    case EPERM:
      return fail(StatusCode::kPermissionDenied, message + "; ports below 1024 are for the superuser");
    default:
      return fail(StatusCode::kUnavailable, message);
  }
}

std::optional<SocketAddress> local_address(const HostPort& target) {
  return SocketAddress::parse(target.host == "localhost" ? "127.0.0.1" : target.host, target.port);
}

Result<FileDescriptor> listen_on(const Url& url, const SocketAddress& address, const TcpOptions& options) {
  FileDescriptor socket(::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket.is_open()) return listen_failure(url, errno);
  const int on = 1;
  const int off = 0;
  // A port of connections that ended a moment ago may be listened on; one with a listener may not.
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (address.family() == AF_INET6) ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  configure_tcp_socket(socket.get(), options);
  if (::bind(socket.get(), address.get(), address.length) != 0 || ::listen(socket.get(), SOMAXCONN) != 0) {
    return listen_failure(url, errno);
  }
  return socket;
}

Result<FileDescriptor> listen_on(const Url& url, const HostPort& target, const TcpOptions& options) {
  if (is_any_host(target.host)) {
    Result<FileDescriptor> both = listen_on(url, *SocketAddress::parse("::", target.port), options);
    // Without IPv6 in the system there is IPv4 alone.
    if (both || both.error().code() != StatusCode::kUnavailable) return both;
    return listen_on(url, *SocketAddress::parse("0.0.0.0", target.port), options);
  }
  return listen_on(url, *local_address(target), options);
}

}  // namespace

InternetTransport::InternetTransport(EventLoop& loop, const MessageLimits& limits, std::string scheme,
                                     TcpOptions options)
    : loop_(loop),
      limits_(limits),
      scheme_(std::move(scheme)),
      options_(std::move(options)),
      resolver_(loop, options_.resolve) {}

Result<HostPort> InternetTransport::parse(const Url& url, Use use) const {
  const auto invalid = [&url](const std::string& why) {
    return fail(StatusCode::kInvalidArgument, url.to_string() + ": " + why);
  };
  if (url.scheme != scheme_) return invalid("the " + scheme_ + " transport wants a " + scheme_ + ":// URL");
  Result<HostPort> target = HostPort::parse(url.rest);
  if (!target) return invalid(target.error().message());
  const bool any = is_any_host(target->host);
  if (use == Use::kConnect && (any || target->port == 0)) {
    return invalid("that is where one listens; to connect, say which host and which port");
  }
  if (use == Use::kListen && !any && !local_address(*target)) {
    return fail(StatusCode::kInvalidArgument,
                "cannot listen on " + url.to_string() + ": \"" + target->host +
                    "\" is no address; use one of this machine's, localhost, or * for all");
  }
  return target;
}

Status InternetTransport::check(const Url& url, Use use) const {
  const Result<HostPort> target = parse(url, use);
  return target ? Status() : target.error();
}

Result<std::unique_ptr<Connection>> InternetTransport::connect_to_node(const Url& url, std::string_view node) {
  Result<HostPort> target = parse(url, Use::kConnect);
  if (!target) return std::unexpected(target.error());
  auto connection = std::make_unique<StreamConnection>(loop_, limits_, url.to_string());
  auto connector = std::make_unique<TcpConnector>(
      loop_, resolver_, options_, *connection, *target,
      [this, peer = Party{.accepted = false, .host = target->host, .port = target->port, .node = std::string(node)}](
          FileDescriptor socket) { return make_stream(std::move(socket), peer); });
  TcpConnector& begins = *connector;
  connection->wait_for(std::move(connector));
  begins.begin();
  return connection;
}

Result<std::unique_ptr<Listener>> InternetTransport::listen(const Url& url, ListenerEvents& events) {
  Result<HostPort> target = parse(url, Use::kListen);
  if (!target) return std::unexpected(target.error());
  Result<FileDescriptor> socket = listen_on(url, *target, options_);
  if (!socket) return std::unexpected(socket.error());
  target->port = SocketAddress::local(socket->get()).port();
  return std::make_unique<StreamListener>(
      loop_, std::move(*socket), Url{scheme_, target->to_string()}, events,
      StreamListener::Options{.wrap = [this](FileDescriptor accepted) { return accept(std::move(accepted)); }});
}

bool InternetTransport::is_loopback(const Url& url) {
  const Result<HostPort> target = HostPort::parse(url.rest);
  if (!target || is_any_host(target->host)) return false;
  const std::optional<SocketAddress> address = local_address(*target);
  return address && address->is_loopback();
}

std::unique_ptr<Connection> InternetTransport::accept(FileDescriptor socket) {
  const SocketAddress address = SocketAddress::remote(socket.get());
  configure_tcp_socket(socket.get(), options_);
  configure_tcp_socket_for(socket.get(), address);
  return std::make_unique<StreamConnection>(
      loop_, limits_, scheme_ + "://" + address.to_string(),
      make_stream(std::move(socket), Party{.accepted = true, .host = {}, .port = 0, .node = {}}));
}

}  // namespace onward
