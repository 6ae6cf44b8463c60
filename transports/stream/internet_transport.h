// SPDX-License-Identifier: Apache-2.0
//
// What transports over TCP share: addresses, names, connecting, listening. tcp puts frames on the socket as
// it is, tls puts a layer between. tcp_options.h says what their URLs are.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "onward/event_loop.h"
#include "onward/message.h"
#include "onward/status.h"
#include "onward/stream/byte_stream.h"
#include "onward/stream/file_descriptor.h"
#include "onward/stream/tcp_options.h"
#include "onward/transport.h"
#include "stream/resolver.h"

namespace onward {

// A connection that nothing is heard on is probed after kTcpKeepaliveIdle, every
// kTcpKeepaliveInterval, and given up after kTcpKeepaliveProbes without an answer; also when what
// was sent has not been acknowledged for kTcpUserTimeout. A peer whose machine is gone is noticed
// within a minute.
inline constexpr std::chrono::seconds kTcpKeepaliveIdle{30};
inline constexpr std::chrono::seconds kTcpKeepaliveInterval{10};
inline constexpr int kTcpKeepaliveProbes = 3;
inline constexpr std::chrono::seconds kTcpUserTimeout{60};

class InternetTransport : public Transport {
 public:
  // Who is at the other end of a new socket.
  struct Party {
    bool accepted;           // it has connected to this node
    std::string host;        // as the URL has it; empty if accepted
    std::uint16_t port = 0;  // as the URL has it
    std::string node;        // the name that it must prove; empty if any will do
  };

  InternetTransport(EventLoop& loop, const MessageLimits& limits, std::string scheme, TcpOptions options);

  [[nodiscard]] std::string_view scheme() const final { return scheme_; }
  [[nodiscard]] Status check(const Url& url, Use use) const override;
  [[nodiscard]] Result<std::unique_ptr<Connection>> connect(const Url& url) final { return connect_to_node(url, {}); }
  [[nodiscard]] Result<std::unique_ptr<Connection>> connect_to_node(const Url& url, std::string_view node) override;
  [[nodiscard]] Result<std::unique_ptr<Listener>> listen(const Url& url, ListenerEvents& events) override;

 protected:
  // True if `url` is to listen where other machines cannot connect.
  [[nodiscard]] static bool is_loopback(const Url& url);
  // What carries the bytes of a connected socket.
  [[nodiscard]] virtual std::unique_ptr<ByteStream> make_stream(FileDescriptor socket, const Party& peer) = 0;

 private:
  [[nodiscard]] Result<HostPort> parse(const Url& url, Use use) const;
  [[nodiscard]] std::unique_ptr<Connection> accept(FileDescriptor socket);

  EventLoop& loop_;
  MessageLimits limits_;
  std::string scheme_;
  TcpOptions options_;
  Resolver resolver_;
};

}  // namespace onward
