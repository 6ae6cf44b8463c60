// SPDX-License-Identifier: Apache-2.0
#include "stream/tcp_connector.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <utility>

#include "onward/stream/socket_stream.h"

namespace onward {
namespace {

void set_option(int socket, int level, int name, int value) {
  // A kernel without one of them still moves bytes.
  [[maybe_unused]] const int ignored = ::setsockopt(socket, level, name, &value, sizeof value);
}

int pending_error(int socket) {
  int error = 0;
  socklen_t length = sizeof error;
  return ::getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &length) == 0 ? error : errno;
}

}  // namespace

void configure_tcp_socket(int socket, const TcpOptions& options) {
  using std::chrono::milliseconds;
  set_option(socket, IPPROTO_TCP, TCP_NODELAY, 1);
  set_option(socket, SOL_SOCKET, SO_KEEPALIVE, 1);
  set_option(socket, IPPROTO_TCP, TCP_KEEPIDLE, static_cast<int>(kTcpKeepaliveIdle.count()));
  set_option(socket, IPPROTO_TCP, TCP_KEEPINTVL, static_cast<int>(kTcpKeepaliveInterval.count()));
  set_option(socket, IPPROTO_TCP, TCP_KEEPCNT, kTcpKeepaliveProbes);
  set_option(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, static_cast<int>(milliseconds(kTcpUserTimeout).count()));
  if (options.send_buffer_bytes > 0) set_option(socket, SOL_SOCKET, SO_SNDBUF, options.send_buffer_bytes);
  if (options.receive_buffer_bytes > 0) set_option(socket, SOL_SOCKET, SO_RCVBUF, options.receive_buffer_bytes);
}

// Within the machine there is no network whose congestion could be controlled. Algorithms that pace
// what they send, as BBR does, halve the throughput of large messages there.
void configure_tcp_socket_for(int socket, const SocketAddress& peer) {
  constexpr std::string_view kUnpaced = "reno";  // the one that every kernel has and every user may choose
  if (!peer.is_loopback()) return;
  [[maybe_unused]] const int ignored =
      ::setsockopt(socket, IPPROTO_TCP, TCP_CONGESTION, kUnpaced.data(), static_cast<socklen_t>(kUnpaced.size()));
}

TcpConnector::TcpConnector(EventLoop& loop, Resolver& resolver, const TcpOptions& options, StreamConnection& connection,
                           HostPort target, Wrap wrap)
    : loop_(loop),
      resolver_(resolver),
      options_(options),
      connection_(connection),
      target_(std::move(target)),
      wrap_(std::move(wrap)),
      timer_(loop, [this] { on_timeout(); }) {}

void TcpConnector::begin() {
  deadline_ = loop_.now() + options_.connect_timeout;
  if (const auto address = SocketAddress::parse(target_.host, target_.port)) {
    addresses_.push_back(*address);
    return try_next();
  }
  timer_.arm(options_.connect_timeout);
  question_ =
      resolver_.resolve(target_.host, [this](const Result<std::vector<std::string>>& hosts) { resolved(hosts); });
}

void TcpConnector::resolved(const Result<std::vector<std::string>>& hosts) {
  question_.reset();
  if (!hosts) return give_up(hosts.error().message());
  for (const std::string& host : *hosts) {
    if (const auto address = SocketAddress::parse(host, target_.port)) addresses_.push_back(*address);
  }
  if (addresses_.empty()) return give_up("the name \"" + target_.host + "\" has no address");
  try_next();
}

void TcpConnector::try_next() {
  while (next_ < addresses_.size()) {
    if (try_address(addresses_[next_++])) return;
  }
  give_up(reasons_);
}

// True unless it is clear already that this address will not do.
bool TcpConnector::try_address(const SocketAddress& address) {
  socket_ = FileDescriptor(::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket_.is_open()) {
    give_up_address(error_text(errno));
    return false;
  }
  configure_tcp_socket(socket_.get(), options_);
  configure_tcp_socket_for(socket_.get(), address);
  if (::connect(socket_.get(), address.get(), address.length) != 0 && errno != EINPROGRESS && errno != EINTR) {
    give_up_address(error_text(errno));
    return false;
  }
  watcher_ = std::make_unique<IoWatcher>(loop_, socket_.get(), this, nullptr,
                                         [](void* self) { static_cast<TcpConnector*>(self)->on_connected(); });
  watcher_->watch_writable(true);
  const auto addresses_left = static_cast<Duration::rep>(addresses_.size() - next_ + 1);
  timer_.arm(std::max(deadline_ - loop_.now(), Duration::zero()) / addresses_left);
  return true;
}

void TcpConnector::on_connected() {
  timer_.cancel();
  watcher_->watch_writable(false);
  loop_.dispose(std::move(watcher_));
  const int error = pending_error(socket_.get());
  // With nobody there, a socket on this machine may come to be connected with itself.
  const bool with_itself = SocketAddress::local(socket_.get()).same_as(SocketAddress::remote(socket_.get()));
  if (error == 0 && !with_itself) return connection_.establish(wrap_(std::move(socket_)));
  give_up_address(error_text(error == 0 ? ECONNREFUSED : error));
  try_next();
}

void TcpConnector::on_timeout() {
  const auto limit = std::chrono::duration_cast<std::chrono::milliseconds>(options_.connect_timeout);
  const std::string within = " within " + std::to_string(limit.count()) + " ms";
  if (question_ != nullptr) {
    return give_up("the name \"" + target_.host + "\" was not found" + within + "; does the resolver work?");
  }
  watcher_->watch_writable(false);
  loop_.dispose(std::move(watcher_));
  give_up_address(addresses_.size() == 1 ? "no answer" + within : "no answer in its share of the time");
  try_next();
}

void TcpConnector::give_up_address(const std::string& reason) {
  socket_ = FileDescriptor();
  if (!reasons_.empty()) reasons_ += ", ";
  if (addresses_.size() > 1) reasons_ += addresses_[next_ - 1].to_string() + ": ";
  reasons_ += reason;
}

void TcpConnector::give_up(std::string reason) {
  if (reason.ends_with("refused")) reason += "; is the node running?";
  connection_.fail(Status(StatusCode::kUnavailable, connection_.description() + ": " + reason));
}

}  // namespace onward
