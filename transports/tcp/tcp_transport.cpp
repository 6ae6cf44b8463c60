// SPDX-License-Identifier: Apache-2.0
#include "tcp/tcp_transport.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <optional>
#include <utility>

#include "stream/socket_stream.h"
#include "stream/stream_connection.h"
#include "stream/stream_listener.h"
#include "tcp/resolver.h"
#include "tcp/socket_address.h"
#include "tcp/tcp_connector.h"

namespace onward {
namespace {

constexpr std::string_view kScheme = "tcp";

Result<HostPort> parse_target(const Url& url) {
  if (url.scheme != kScheme) {
    return fail(StatusCode::kInvalidArgument, url.to_string() + ": the tcp transport wants a tcp:// URL");
  }
  Result<HostPort> target = HostPort::parse(url.rest);
  if (!target) return fail(StatusCode::kInvalidArgument, url.to_string() + ": " + target.error().message());
  return target;
}

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

Result<HostPort> parse_for(const Url& url, Transport::Use use) {
  Result<HostPort> target = parse_target(url);
  if (!target) return target;
  const bool any = is_any_host(target->host);
  if (use == Transport::Use::kConnect && (any || target->port == 0)) {
    return fail(StatusCode::kInvalidArgument,
                url.to_string() + ": that is where one listens; to connect, say which host and which port");
  }
  if (use == Transport::Use::kListen && !any && !local_address(*target)) {
    return fail(StatusCode::kInvalidArgument,
                "cannot listen on " + url.to_string() + ": \"" + target->host +
                    "\" is no address; use one of this machine's, localhost, or * for all");
  }
  return target;
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

class TcpTransport final : public Transport {
 public:
  TcpTransport(EventLoop& loop, const MessageLimits& limits, TcpOptions options)
      : loop_(loop), limits_(limits), options_(std::move(options)), resolver_(loop, options_.resolve) {}

  [[nodiscard]] std::string_view scheme() const override { return kScheme; }
  [[nodiscard]] Status check(const Url& url, Use use) const override {
    const Result<HostPort> target = parse_for(url, use);
    return target ? Status() : target.error();
  }

  [[nodiscard]] Result<std::unique_ptr<Connection>> connect(const Url& url) override {
    Result<HostPort> target = parse_for(url, Use::kConnect);
    if (!target) return std::unexpected(target.error());
    auto connection = std::make_unique<StreamConnection>(loop_, limits_, url.to_string());
    auto connector = std::make_unique<TcpConnector>(loop_, resolver_, options_, *connection, std::move(*target));
    TcpConnector& begins = *connector;
    connection->wait_for(std::move(connector));
    begins.begin();
    return connection;
  }

  [[nodiscard]] Result<std::unique_ptr<Listener>> listen(const Url& url, ListenerEvents& events) override {
    Result<HostPort> target = parse_for(url, Use::kListen);
    if (!target) return std::unexpected(target.error());
    Result<FileDescriptor> socket = listen_on(url, *target, options_);
    if (!socket) return std::unexpected(socket.error());
    target->port = SocketAddress::local(socket->get()).port();
    const Url real{std::string(kScheme), target->to_string()};
    return std::make_unique<StreamListener>(
        loop_, limits_, std::move(*socket), real, events,
        StreamListener::Options{.wrap = [this](FileDescriptor accepted) { return wrap(std::move(accepted)); }});
  }

 private:
  [[nodiscard]] AcceptedStream wrap(FileDescriptor socket) const {
    const SocketAddress address = SocketAddress::remote(socket.get());
    configure_tcp_socket(socket.get(), options_);
    configure_tcp_socket_for(socket.get(), address);
    std::string peer = std::string(kScheme) + "://" + address.to_string();
    return {.stream = std::make_unique<SocketStream>(std::move(socket)), .description = std::move(peer)};
  }

  EventLoop& loop_;
  MessageLimits limits_;
  TcpOptions options_;
  Resolver resolver_;
};

}  // namespace

std::unique_ptr<Transport> make_tcp_transport(EventLoop& loop, const MessageLimits& limits, TcpOptions options) {
  return std::make_unique<TcpTransport>(loop, limits, std::move(options));
}

}  // namespace onward
