// SPDX-License-Identifier: Apache-2.0
//
// A transport, a loop and both ends of a connection, for the cases in transport_*_cases.h.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "onward/event_loop.h"
#include "onward/message.h"
#include "onward/testing/loop.h"
#include "onward/testing/messages.h"
#include "onward/testing/transport_peer.h"
#include "onward/transport.h"

namespace onward::testing_support {

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

inline TransportConformance::TransportConformance() : transport(GetParam().make(loop, limits)) {}

inline TransportConformance::~TransportConformance() {
  client.reset();
  server.reset();
  discard_accepted();
  loop.dispose(std::move(listener));
  loop.run_once(false);
}

inline void TransportConformance::discard_accepted() {
  run_until_quiet(loop);
  for (std::unique_ptr<Connection>& connection : acceptor.accepted) {
    loop.dispose(std::move(connection));
  }
  acceptor.accepted.clear();
}

inline void TransportConformance::use_limits(const MessageLimits& new_limits) {
  limits = new_limits;
  transport = GetParam().make(loop, limits);
}

inline void TransportConformance::listen() {
  const CallGuard guard;
  Result<std::unique_ptr<Listener>> result = transport->listen(GetParam().listening_url(), acceptor);
  ASSERT_TRUE(result) << result.error().to_string();
  listener = std::move(*result);
}

inline std::unique_ptr<Peer> TransportConformance::connect(bool with_hello) {
  const CallGuard guard;
  auto peer = std::make_unique<Peer>(loop);
  Result<std::unique_ptr<Connection>> result = transport->connect(listener->url());
  EXPECT_TRUE(result) << result.error().to_string();
  peer->adopt(std::move(*result));
  if (with_hello) peer->send(hello());
  return peer;
}

inline std::unique_ptr<Peer> TransportConformance::accept(bool with_hello) {
  EXPECT_TRUE(run_until([this] { return !acceptor.accepted.empty(); }));
  auto peer = std::make_unique<Peer>(loop);
  peer->adopt(std::move(acceptor.accepted.front()));
  acceptor.accepted.erase(acceptor.accepted.begin());
  if (with_hello) peer->send(hello());
  return peer;
}

inline void TransportConformance::connect_pair() {
  if (listener == nullptr) listen();
  client = connect();
  client->start();
  server = accept();
  server->start();
  ASSERT_TRUE(run_until([this] { return client->hellos == 1 && server->hellos == 1; }));
}

}  // namespace onward::testing_support
