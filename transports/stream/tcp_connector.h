// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "onward/event_loop.h"
#include "onward/stream/byte_stream.h"
#include "onward/stream/file_descriptor.h"
#include "onward/stream/stream_connection.h"
#include "onward/url.h"
#include "stream/internet_transport.h"
#include "stream/resolver.h"
#include "stream/socket_address.h"

namespace onward {

// Tries the addresses of one host in turn, each for its share of the time that is left, and hands
// what `wrap` makes of the first socket that connects to `connection`, or the reasons why none did.
class TcpConnector final : public StreamConnector {
 public:
  using Wrap = std::function<std::unique_ptr<ByteStream>(FileDescriptor socket)>;
  TcpConnector(EventLoop& loop, Resolver& resolver, const TcpOptions& options, StreamConnection& connection,
               HostPort target, Wrap wrap);

  // Once, when the connection owns this.
  void begin();

 private:
  void resolved(const Result<std::vector<std::string>>& hosts);
  void try_next();
  bool try_address(const SocketAddress& address);
  void on_connected();
  void on_timeout();
  void give_up_address(const std::string& reason);
  void give_up(std::string reason);

  EventLoop& loop_;
  Resolver& resolver_;
  const TcpOptions& options_;
  StreamConnection& connection_;
  HostPort target_;
  Wrap wrap_;
  TimePoint deadline_;
  Timer timer_;
  Resolver::QuestionHandle question_;
  std::vector<SocketAddress> addresses_;
  std::size_t next_ = 0;  // of addresses_
  std::string reasons_;   // of the addresses that failed
  FileDescriptor socket_;
  std::unique_ptr<IoWatcher> watcher_;
};

// Makes a socket what this transport wants it to be, before it is connected or listens.
void configure_tcp_socket(int socket, const TcpOptions& options);
// The same for what depends on where the peer is, when that is known.
void configure_tcp_socket_for(int socket, const SocketAddress& peer);

}  // namespace onward
