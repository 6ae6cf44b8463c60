// SPDX-License-Identifier: Apache-2.0
//
// What inproc has beside what all transports share (tests/conformance): hubs, memory that is handed
// over, loops that end.
#include <gtest/gtest.h>

#include <thread>

#include "onward/inproc/inproc_transport.h"
#include "onward/testing/transport_fixture.h"

namespace onward {
namespace {

using testing_support::Acceptor;
using testing_support::hello;
using testing_support::make_message;
using testing_support::Peer;

const Url kUrl{"inproc", "somebody"};

class InprocTest : public testing::Test {
 protected:
  ~InprocTest() override {
    client.dispose();
    server.dispose();
    for (auto& connection : acceptor.accepted) loop.dispose(std::move(connection));
    listener.reset();
    loop.run_once(false);
  }

  void connect_pair() {
    listener = std::move(*transport->listen(kUrl, acceptor));
    client.adopt(std::move(*transport->connect(kUrl)));
    client.send(hello());
    client.start();
    ASSERT_TRUE(run_until([this] { return !acceptor.accepted.empty(); }));
    server.adopt(std::move(acceptor.accepted.front()));
    acceptor.accepted.clear();
    server.send(hello());
    server.start();
    ASSERT_TRUE(run_until([this] { return server.hellos == 1; }));
  }
  bool run_until(const std::function<bool()>& condition) { return testing_support::run_until(loop, condition); }

  EventLoop loop;
  std::shared_ptr<InprocHub> hub = std::make_shared<InprocHub>();
  MessageLimits limits{.max_body_bytes = 1000, .max_message_bytes = 5000};
  std::unique_ptr<Transport> transport = make_inproc_transport(loop, limits, hub);
  Acceptor acceptor;
  std::unique_ptr<Listener> listener;
  Peer client{loop};
  Peer server{loop};
};

TEST_F(InprocTest, HubsKnowNothingOfEachOther) {
  listener = std::move(*transport->listen(kUrl, acceptor));
  const std::unique_ptr<Transport> stranger = make_inproc_transport(loop, limits, std::make_shared<InprocHub>());
  EXPECT_TRUE(stranger->listen(kUrl, acceptor));
  client.adopt(std::move(*stranger->connect(kUrl)));
  client.start();
  ASSERT_TRUE(run_until([this] { return client.closed == 1; }));
  EXPECT_EQ(client.reason.to_string(),
            "UNAVAILABLE: inproc://somebody: nobody listens under this name in this process; is the node running?");
  EXPECT_TRUE(acceptor.accepted.empty());
}

TEST_F(InprocTest, MemoryIsHandedOverWithoutACopy) {
  connect_pair();
  Message message = make_message(1, 100, {200});
  const std::byte* const body = message.payload.body.data();
  const std::byte* const segment = message.payload.segments[0].data();
  server.message_hook = [&](InboundMessage& inbound) {
    EXPECT_EQ(inbound.body.data(), body);
    EXPECT_EQ(inbound.segments[0].data(), segment);
    EXPECT_TRUE(inbound.segments[0].unique());
  };
  client.send(std::move(message));
  EXPECT_TRUE(run_until([this] { return server.received == 1; }));
}

TEST_F(InprocTest, LimitsHoldHereAsWell) {
  connect_pair();
  client.send(make_message(1, 1000, {4000}));
  client.send(make_message(2, 1001));
  client.send(make_message(3, 1));
  ASSERT_TRUE(run_until([this] { return server.closed == 1 && client.closed == 1; }));
  EXPECT_EQ(server.received, 1U);
  EXPECT_EQ(server.reason.code(), StatusCode::kInvalidArgument);
  EXPECT_NE(server.reason.message().find("1001 bytes; at most 1000"), std::string::npos) << server.reason.to_string();
  EXPECT_EQ(client.reason.code(), StatusCode::kUnavailable);
}

TEST_F(InprocTest, TheFirstMessageMustBeAHello) {
  listener = std::move(*transport->listen(kUrl, acceptor));
  client.adopt(std::move(*transport->connect(kUrl)));
  client.send(make_message(1, 10));
  ASSERT_TRUE(run_until([this] { return !acceptor.accepted.empty(); }));
  server.adopt(std::move(acceptor.accepted.front()));
  acceptor.accepted.clear();
  server.start();
  ASSERT_TRUE(run_until([this] { return server.closed == 1; }));
  EXPECT_EQ(server.reason.code(), StatusCode::kInvalidArgument);
}

// A node that has stopped, with its loop, before the other noticed anything.
TEST_F(InprocTest, ALoopThatEndsTakesItsEndsAlong) {
  std::jthread other([this] {
    EventLoop own_loop;
    const std::unique_ptr<Transport> own = make_inproc_transport(own_loop, limits, hub);
    Acceptor own_acceptor;
    const std::unique_ptr<Listener> own_listener = std::move(*own->listen(kUrl, own_acceptor));
    EXPECT_TRUE(testing_support::run_until(own_loop, [&] { return own_acceptor.accepted.size() >= 20; }));
    for (auto& connection : own_acceptor.accepted) own_loop.dispose(std::move(connection));
  });
  std::vector<std::unique_ptr<Peer>> clients;
  std::size_t refused = 0;
  ASSERT_TRUE(run_until([&] {
    // Some come before the listener, some after its end: those hear that nobody is there.
    auto peer = std::make_unique<Peer>(loop);
    peer->adopt(std::move(*transport->connect(kUrl)));
    peer->send(hello());
    peer->send(make_message(1, 100));
    peer->start();
    clients.push_back(std::move(peer));
    std::size_t closed = 0;
    refused = 0;
    for (const auto& client_peer : clients) {
      closed += client_peer->closed == 1 ? 1U : 0U;
      refused += client_peer->reason.message().contains("nobody listens") ? 1U : 0U;
      client_peer->send(make_message(2, 100));
    }
    return closed >= refused + 20;
  }));
  other.join();
  EXPECT_TRUE(run_until([&] {
    std::size_t closed = 0;
    for (const auto& client_peer : clients) closed += client_peer->closed == 1 ? 1U : 0U;
    return closed == clients.size();
  }));
}

}  // namespace
}  // namespace onward
