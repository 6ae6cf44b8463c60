// SPDX-License-Identifier: Apache-2.0
//
// What every transport must do, whichever it is. The cases stand in transport_*_cases.cpp; a
// transport joins with one line:
//
//   ONWARD_TRANSPORT_CONFORMANCE(Tcp, tcp_under_test());
//
// Every callback is checked on its way: none comes from inside a call, on_closed comes once and last.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "onward/event_loop.h"
#include "onward/message.h"
#include "onward/transport.h"

namespace onward::testing_support {

// How long a test waits for what must happen, before it fails.
inline constexpr std::chrono::seconds kPatience{60};

struct TransportUnderTest {
  std::string name;
  std::function<std::unique_ptr<Transport>(EventLoop& loop, const MessageLimits& limits)> make;
  // Where a test may listen: nobody else does, now or later. A new one with each call.
  std::function<Url()> listening_url;
  // Where nobody listens.
  std::function<Url()> deserted_url;
  // A socket, connected to a listener's URL, that the test reads and writes bytes on; empty for a
  // transport that is no stream of bytes.
  std::function<int(const Url& url)> connect_raw = {};
  // Whatever is sent, it keeps none of it waiting for the peer to read.
  bool hands_over_at_once = false;

  friend std::ostream& operator<<(std::ostream& out, const TransportUnderTest& transport) {
    return out << transport.name;
  }
};

inline std::string name_of(const testing::TestParamInfo<TransportUnderTest>& info) { return info.param.name; }
inline std::vector<TransportUnderTest> if_stream_of_bytes(TransportUnderTest transport) {
  if (!transport.connect_raw) return {};
  return {std::move(transport)};
}

// Turns the loop until `condition` holds; false when that takes too long.
bool run_until(EventLoop& loop, const std::function<bool()>& condition);
// Turns it until nothing has happened for some turns: to show that something does not happen.
void run_until_quiet(EventLoop& loop);

// Bytes that differ with `seed` and are cheap to make and to check, in memory of any size.
Buffer patterned(std::size_t bytes, std::uint64_t seed);
// Empty if `bytes` are patterned(bytes.size(), seed), else where they differ.
std::string pattern_error(std::span<const std::byte> bytes, std::uint64_t seed);

// A request with call_id `id`, a body and segments of these sizes, patterned with `id`.
Message make_message(std::uint64_t id, std::size_t body_bytes, const std::vector<std::size_t>& segments = {});
// Empty if `message` is what make_message() made of the same arguments.
std::string message_error(const InboundMessage& message, std::uint64_t id, std::size_t body_bytes,
                          const std::vector<std::size_t>& segments = {});
Message hello();

// Calls of a test into a connection, during which no callback may come.
class CallGuard {
 public:
  CallGuard() { ++depth_; }
  ~CallGuard() { --depth_; }
  CallGuard(const CallGuard&) = delete;
  CallGuard& operator=(const CallGuard&) = delete;
  static bool inside() { return depth_ > 0; }

 private:
  static thread_local int depth_;
};

// One end of a connection: owns it, records what it tells, and checks when it does.
class Peer final : public ConnectionEvents {
 public:
  explicit Peer(EventLoop& loop) : loop_(loop) {}
  ~Peer();
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  void adopt(std::unique_ptr<Connection> connection) { connection_ = std::move(connection); }
  void start();
  void send(Message message);
  void close(Status reason = {});
  void abort(Status reason = {});
  void pause();
  void resume();
  void dispose();

  [[nodiscard]] std::size_t queued_bytes() const { return connection_->queued_bytes(); }
  [[nodiscard]] bool has_connection() const { return connection_ != nullptr; }
  [[nodiscard]] std::string description() const { return connection_->description(); }

  // What has been told. The HELLO that opens every connection is not counted.
  std::size_t received = 0;
  int hellos = 0;
  int drained = 0;
  int closed = 0;
  Status reason;
  std::uint64_t last_id = 0;
  bool started = false;

  // Called for each message but the HELLO, on_drained and on_closed.
  std::function<void(InboundMessage&)> message_hook;
  std::function<void()> drained_hook;
  std::function<void()> closed_hook;

 private:
  void on_message(InboundMessage& message) override;
  void on_drained() override;
  void on_closed(const Status& why) override;
  void check_callback(const char* which) const;

  EventLoop& loop_;
  std::unique_ptr<Connection> connection_;
  bool disposed_ = false;
};

// Takes what a listener accepts, in order; connections wait in `accepted` until a test takes them.
class Acceptor final : public ListenerEvents {
 public:
  std::vector<std::unique_ptr<Connection>> accepted;
  std::function<void(std::unique_ptr<Connection>)> hook;  // instead, if set

 private:
  void on_accept(std::unique_ptr<Connection> connection) override;
};

class TransportConformance : public testing::TestWithParam<TransportUnderTest> {
 protected:
  TransportConformance();
  ~TransportConformance() override;

  // Makes the transport again, with other limits, before anything is connected.
  void use_limits(const MessageLimits& limits);
  void listen();
  // A connection to the listener that is not started, and has sent a HELLO unless told otherwise.
  std::unique_ptr<Peer> connect(bool with_hello = true);
  // The next connection that was accepted, not started; it has sent a HELLO.
  std::unique_ptr<Peer> accept(bool with_hello = true);
  // Lets go of what has been accepted so far.
  void discard_accepted();
  // Both of them, started, HELLOs exchanged: `client` and `server`.
  void connect_pair();

  bool run_until(const std::function<bool()>& condition) { return testing_support::run_until(loop, condition); }

  MessageLimits limits;
  EventLoop loop;
  std::unique_ptr<Transport> transport;
  Acceptor acceptor;
  std::unique_ptr<Listener> listener;
  std::unique_ptr<Peer> client;
  std::unique_ptr<Peer> server;
};

// A peer that is nothing but a socket.
class RawPeer {
 public:
  explicit RawPeer(int socket) : socket_(socket) {}
  ~RawPeer() { close(); }
  RawPeer(const RawPeer&) = delete;
  RawPeer& operator=(const RawPeer&) = delete;

  // As much as the socket takes at once, which tests do not exceed.
  void write(const std::string& bytes) const;
  void end_output() const;
  // Adds what has arrived to `into`; false once nothing more will.
  bool read(std::string& into) const;
  void close();

 private:
  int socket_;
};

// A listener that a raw socket has connected to, for transports that are streams of bytes.
class TransportBytes : public TransportConformance {
 protected:
  void SetUp() override;
  // A new raw peer, and as `server` the connection that was accepted from it.
  void begin();
  // The connection has ended with this code, and a reason that has `part` in it; the socket, too.
  void expect_closed(StatusCode code, const std::string& part);

  std::unique_ptr<RawPeer> raw;
};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(TransportBytes);

// The whole suite for one transport.
#define ONWARD_TRANSPORT_CONFORMANCE(Name, transport)                                        \
  INSTANTIATE_TEST_SUITE_P(Name, TransportConformance, testing::Values(transport), name_of); \
  INSTANTIATE_TEST_SUITE_P(Name, TransportBytes, testing::ValuesIn(if_stream_of_bytes(transport)), name_of)

}  // namespace onward::testing_support
