// SPDX-License-Identifier: Apache-2.0
#include "onward/tcp/tcp_transport.h"

#include <utility>

#include "onward/stream/socket_stream.h"
#include "stream/internet_transport.h"

namespace onward {
namespace {

class TcpTransport final : public InternetTransport {
 public:
  TcpTransport(EventLoop& loop, const MessageLimits& limits, std::string scheme, StreamLayer layer, TcpOptions options)
      : InternetTransport(loop, limits, std::move(scheme), std::move(options)), layer_(std::move(layer)) {}

  // Peers prove nothing here.
  [[nodiscard]] bool is_guarded(const Url& url) const override { return is_loopback(url); }

 private:
  [[nodiscard]] std::unique_ptr<ByteStream> make_stream(FileDescriptor socket, const Party&) override {
    auto stream = std::make_unique<SocketStream>(std::move(socket));
    if (!layer_) return stream;
    return layer_(std::move(stream));
  }

  StreamLayer layer_;  // empty: none
};

}  // namespace

std::unique_ptr<Transport> make_tcp_transport(EventLoop& loop, const MessageLimits& limits, TcpOptions options) {
  return std::make_unique<TcpTransport>(loop, limits, "tcp", StreamLayer(), std::move(options));
}

std::unique_ptr<Transport> make_layered_tcp_transport(EventLoop& loop, const MessageLimits& limits, std::string scheme,
                                                      StreamLayer layer, TcpOptions options) {
  return std::make_unique<TcpTransport>(loop, limits, std::move(scheme), std::move(layer), std::move(options));
}

}  // namespace onward
