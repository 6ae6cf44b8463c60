// SPDX-License-Identifier: Apache-2.0
#include "onward/unix/unix_transport.h"

#include <sys/socket.h>

#include <utility>

#include "onward/stream/socket_stream.h"
#include "onward/stream/stream_connection.h"
#include "onward/stream/stream_listener.h"
#include "stream/local_connector.h"

namespace onward {
namespace {

constexpr std::string_view kScheme = "unix";

class UnixTransport final : public Transport {
 public:
  UnixTransport(EventLoop& loop, const MessageLimits& limits, const UnixOptions& options)
      : loop_(loop), limits_(limits), options_(options) {}

  [[nodiscard]] std::string_view scheme() const override { return kScheme; }
  [[nodiscard]] Status check(const Url& url, Use) const override {
    const Result<LocalAddress> address = LocalAddress::parse(url, kScheme);
    return address ? Status() : address.error();
  }

  [[nodiscard]] Result<std::unique_ptr<Connection>> connect(const Url& url) override {
    Result<LocalAddress> address = LocalAddress::parse(url, kScheme);
    if (!address) return std::unexpected(address.error());
    auto connection = std::make_unique<StreamConnection>(loop_, limits_, url.to_string());
    auto connector = std::make_unique<LocalConnector>(
        loop_,
        LocalConnector::Options{
            .type = SOCK_STREAM, .timeout = options_.connect_timeout, .about = connection->description()},
        std::move(*address), [this, established = connection.get()](Result<FileDescriptor> socket) {
          socket ? established->establish(make_stream(std::move(*socket))) : established->fail(socket.error());
        });
    LocalConnector& begins = *connector;
    connection->wait_for(std::move(connector));
    begins.begin();
    return connection;
  }

  [[nodiscard]] Result<std::unique_ptr<Listener>> listen(const Url& url, ListenerEvents& events) override {
    const Result<LocalAddress> address = LocalAddress::parse(url, kScheme);
    if (!address) return std::unexpected(address.error());
    Result<FileDescriptor> socket = listen_on(url, *address, SOCK_STREAM);
    if (!socket) return std::unexpected(socket.error());
    return std::make_unique<StreamListener>(
        loop_, std::move(*socket), url, events,
        StreamListener::Options{.wrap =
                                    [this, name = url.to_string()](FileDescriptor accepted) {
                                      std::string peer = LocalPeer::of(accepted.get()).describe(name);
                                      return std::make_unique<StreamConnection>(loop_, limits_, std::move(peer),
                                                                                make_stream(std::move(accepted)));
                                    },
                                .on_closed = remove_later(address->path)});
  }

 private:
  [[nodiscard]] std::unique_ptr<ByteStream> make_stream(FileDescriptor socket) const {
    if (options_.send_buffer_bytes > 0) {
      ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDBUF, &options_.send_buffer_bytes, sizeof(int));
    }
    PeerIdentity peer = LocalPeer::of(socket.get()).identity();
    return std::make_unique<SocketStream>(std::move(socket), std::move(peer));
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
