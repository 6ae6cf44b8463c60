// SPDX-License-Identifier: Apache-2.0
//
// Conformance: connecting, closing and letting go, by either side and at any moment.
#pragma once

#include <gtest/gtest.h>

#include <random>

#include "onward/sanitizers.h"
#include "onward/testing/transport_fixture.h"

namespace onward::testing_support::closing {

inline const Status kReason{StatusCode::kFailedPrecondition, "the test's own reason"};

inline bool is_orderly_or_unavailable(const Status& status) {
  return status.ok() || status.code() == StatusCode::kUnavailable;
}

TEST_P(TransportConformance, ConnectingToNobodyIsUnavailable) {
  const Url url = GetParam().deserted_url();
  Peer peer(loop);
  Result<std::unique_ptr<Connection>> connection = transport->connect(url);
  ASSERT_TRUE(connection);
  peer.adopt(std::move(*connection));
  peer.send(hello());
  run_until_quiet(loop);
  peer.start();
  EXPECT_EQ(peer.closed, 0);
  ASSERT_TRUE(run_until([&] { return peer.closed == 1; }));
  EXPECT_EQ(peer.reason.code(), StatusCode::kUnavailable);
  EXPECT_NE(peer.reason.message().find(url.to_string()), std::string::npos) << peer.reason.to_string();
}

TEST_P(TransportConformance, ListeningTwiceIsAlreadyExists) {
  listen();
  Acceptor other;
  const Result<std::unique_ptr<Listener>> second = transport->listen(listener->url(), other);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), StatusCode::kAlreadyExists);
  EXPECT_NE(second.error().message().find(listener->url().to_string()), std::string::npos);
  // The first one is none the worse for it, though it may have been probed.
  discard_accepted();
  connect_pair();
}

TEST_P(TransportConformance, AddressesAreFreeOnceTheListenerIsDisposed) {
  connect_pair();
  const Url url = listener->url();
  loop.dispose(std::move(listener));
  Result<std::unique_ptr<Listener>> again = transport->listen(url, acceptor);
  ASSERT_TRUE(again) << again.error().to_string();
  EXPECT_EQ((*again)->url(), url);
  loop.dispose(std::move(*again));
  run_until_quiet(loop);
  Peer peer(loop);
  peer.adopt(std::move(*transport->connect(url)));
  peer.start();
  ASSERT_TRUE(run_until([&] { return peer.closed == 1; }));
  EXPECT_EQ(peer.reason.code(), StatusCode::kUnavailable);
  // Connections outlive the listener that accepted them.
  client->send(make_message(1, 10));
  EXPECT_TRUE(run_until([this] { return server->received == 1; }));
}

TEST_P(TransportConformance, ForeignUrlsAreInvalid) {
  const Url foreign{"gopher", "somewhere:70"};
  const auto connection = transport->connect(foreign);
  ASSERT_FALSE(connection);
  EXPECT_EQ(connection.error().code(), StatusCode::kInvalidArgument);
  const Status checked = transport->check(foreign, Transport::Use::kConnect);
  EXPECT_TRUE(checked.ok() || checked.to_string() == connection.error().to_string()) << checked.to_string();
  const auto listening = transport->listen(foreign, acceptor);
  ASSERT_FALSE(listening);
  EXPECT_EQ(listening.error().code(), StatusCode::kInvalidArgument);
  const Url good = GetParam().listening_url();
  EXPECT_TRUE(transport->check(good, Transport::Use::kListen).ok());
  EXPECT_EQ(transport->scheme(), good.scheme);
}

TEST_P(TransportConformance, CloseStillWritesWhatWasSent) {
  constexpr std::uint64_t kMessages = 1000;
  connect_pair();
  for (std::uint64_t id = 1; id <= kMessages; ++id) client->send(make_message(id, id));
  client->send(make_message(kMessages + 1, 3, {std::size_t{12} << 20}));
  client->close(kReason);
  client->send(make_message(kMessages + 2, 3));  // too late
  client->close(Status(StatusCode::kInternal, "changes nothing"));
  ASSERT_TRUE(run_until([this] { return server->closed == 1 && client->closed == 1; }));
  EXPECT_EQ(server->received, kMessages + 1);
  EXPECT_TRUE(server->reason.ok()) << server->reason.to_string();
  EXPECT_EQ(client->reason.to_string(), kReason.to_string());
  run_until_quiet(loop);
}

// The accepting side closes while what it was sent lies unread: what it sent last must not get lost.
TEST_P(TransportConformance, CloseWithUnreadInputLosesNothing) {
  connect_pair();
  server->pause();
  for (std::uint64_t id = 1; id <= 200; ++id) client->send(make_message(id, 1000));
  run_until_quiet(loop);
  for (std::uint64_t id = 1; id <= 20; ++id) server->send(make_message(id, 100));
  server->close(kReason);
  ASSERT_TRUE(run_until([this] { return client->closed == 1 && server->closed == 1; }));
  EXPECT_EQ(client->received, 20U);
  EXPECT_TRUE(client->reason.ok()) << client->reason.to_string();
  EXPECT_EQ(server->reason.to_string(), kReason.to_string());
  EXPECT_EQ(server->received, 0U);
}

TEST_P(TransportConformance, BothSidesMayCloseAtOnce) {
  connect_pair();
  for (std::uint64_t id = 1; id <= 100; ++id) {
    client->send(make_message(id, 100));
    server->send(make_message(id, 100));
  }
  client->close(kReason);
  server->close(kReason);
  ASSERT_TRUE(run_until([this] { return client->closed == 1 && server->closed == 1; }));
  EXPECT_EQ(client->reason.to_string(), kReason.to_string());
  EXPECT_EQ(server->reason.to_string(), kReason.to_string());
  // Closed ends read no more.
  EXPECT_EQ(client->received + server->received, 0U);
}

TEST_P(TransportConformance, CloseInOnMessageEndsDelivery) {
  connect_pair();
  server->message_hook = [this](InboundMessage&) {
    if (server->received != 3) return;
    server->send(make_message(77, 10));
    server->close(kReason);
  };
  for (std::uint64_t id = 1; id <= 100; ++id) client->send(make_message(id, 100));
  ASSERT_TRUE(run_until([this] { return client->closed == 1 && server->closed == 1; }));
  EXPECT_EQ(server->received, 3U);
  EXPECT_EQ(client->last_id, 77U);
  EXPECT_TRUE(client->reason.ok()) << client->reason.to_string();
}

TEST_P(TransportConformance, CloseBeforeStartIsToldAfterStart) {
  listen();
  client = connect();
  client->send(make_message(1, 10));
  client->close(kReason);
  server = accept();
  server->start();
  ASSERT_TRUE(run_until([this] { return server->closed == 1; }));
  EXPECT_EQ(server->received, 1U);
  EXPECT_TRUE(server->reason.ok()) << server->reason.to_string();
  EXPECT_EQ(client->closed, 0);
  client->start();
  ASSERT_TRUE(run_until([this] { return client->closed == 1; }));
  EXPECT_EQ(client->reason.to_string(), kReason.to_string());
}

TEST_P(TransportConformance, AbortDropsWhatIsQueued) {
  connect_pair();
  server->pause();
  for (int i = 0; i < 20; ++i) client->send(make_message(1, 10, {std::size_t{4} << 20}));
  client->abort(kReason);
  client->abort(Status(StatusCode::kInternal, "changes nothing"));
  client->close(Status(StatusCode::kInternal, "changes nothing"));
  EXPECT_EQ(client->queued_bytes(), 0U);
  EXPECT_EQ(client->closed, 0);
  ASSERT_TRUE(run_until([this] { return client->closed == 1; }));
  EXPECT_EQ(client->reason.to_string(), kReason.to_string());
  server->resume();
  ASSERT_TRUE(run_until([this] { return server->closed == 1; }));
  EXPECT_LT(server->received, 20U);
  EXPECT_TRUE(is_orderly_or_unavailable(server->reason)) << server->reason.to_string();
}

TEST_P(TransportConformance, AbortInOnMessageEndsDelivery) {
  connect_pair();
  server->message_hook = [this](InboundMessage&) {
    if (server->received == 3) server->abort(kReason);
  };
  for (std::uint64_t id = 1; id <= 100; ++id) client->send(make_message(id, 100));
  ASSERT_TRUE(run_until([this] { return client->closed == 1 && server->closed == 1; }));
  EXPECT_EQ(server->received, 3U);
  EXPECT_EQ(server->reason.to_string(), kReason.to_string());
  EXPECT_TRUE(is_orderly_or_unavailable(client->reason)) << client->reason.to_string();
}

TEST_P(TransportConformance, AbortOvertakesClose) {
  connect_pair();
  server->pause();
  for (int i = 0; i < 20; ++i) client->send(make_message(1, 10, {std::size_t{4} << 20}));
  client->close(kReason);
  loop.run_once(false);
  client->abort(Status(StatusCode::kInternal, "second"));
  ASSERT_TRUE(run_until([this] { return client->closed == 1; }));
  run_until_quiet(loop);
}

// Writing to a peer that has gone is no error of the program, and no signal.
TEST_P(TransportConformance, SendingToAPeerThatHasGoneEndsTheConnection) {
  connect_pair();
  server->dispose();
  for (int i = 0; i < 100 && client->closed == 0; ++i) {
    client->send(make_message(1, 100'000));
    loop.run_once(false);
  }
  ASSERT_TRUE(run_until([this] { return client->closed == 1; }));
  EXPECT_TRUE(is_orderly_or_unavailable(client->reason)) << client->reason.to_string();
  client->send(make_message(2, 10));
  run_until_quiet(loop);
}

TEST_P(TransportConformance, DisposeInOnMessageEndsEverything) {
  connect_pair();
  server->message_hook = [this](InboundMessage&) {
    if (server->received == 3) server->dispose();
  };
  for (std::uint64_t id = 1; id <= 100; ++id) client->send(make_message(id, 100));
  ASSERT_TRUE(run_until([this] { return client->closed == 1; }));
  run_until_quiet(loop);
  EXPECT_EQ(server->received, 3U);
  EXPECT_EQ(server->closed, 0);
}

TEST_P(TransportConformance, DisposeInOnClosed) {
  connect_pair();
  server->closed_hook = [this] { server->dispose(); };
  client->closed_hook = [this] { client->dispose(); };
  client->close(kReason);
  EXPECT_TRUE(run_until([this] { return client->closed == 1 && server->closed == 1; }));
  run_until_quiet(loop);
}

TEST_P(TransportConformance, DisposeInOnDrained) {
  use_limits({.output_high_bytes = 100'000, .output_low_bytes = 10'000});
  connect_pair();
  client->drained_hook = [this] { client->dispose(); };
  for (int i = 0; i < 100; ++i) client->send(make_message(1, 100'000));
  ASSERT_TRUE(run_until([this] { return client->drained == 1 && server->closed == 1; }));
  run_until_quiet(loop);
  EXPECT_EQ(client->closed, 0);
}

TEST_P(TransportConformance, ConnectionsMayBeRefused) {
  listen();
  acceptor.hook = [this](std::unique_ptr<Connection> connection) { loop.dispose(std::move(connection)); };
  client = connect();
  client->start();
  ASSERT_TRUE(run_until([this] { return client->closed == 1; }));
  EXPECT_TRUE(is_orderly_or_unavailable(client->reason)) << client->reason.to_string();
  EXPECT_EQ(client->hellos, 0);
}

TEST_P(TransportConformance, ListenersMayBeDisposedInOnAccept) {
  listen();
  int accepted = 0;
  acceptor.hook = [&](std::unique_ptr<Connection> connection) {
    ++accepted;
    acceptor.accepted.push_back(std::move(connection));
    loop.dispose(std::move(listener));
  };
  std::vector<std::unique_ptr<Peer>> clients;
  for (int i = 0; i < 5; ++i) clients.push_back(connect());
  for (const auto& peer : clients) peer->start();
  ASSERT_TRUE(run_until([&] { return accepted == 1; }));
  // All but one find nobody there.
  EXPECT_TRUE(run_until([&] {
    int closed = 0;
    for (const auto& peer : clients) closed += peer->closed;
    return closed == 4;
  }));
  EXPECT_EQ(accepted, 1);
}

TEST_P(TransportConformance, DisposeBeforeStartAndBeforeTheConnectionStands) {
  listen();
  for (int i = 0; i < 10; ++i) {
    std::unique_ptr<Peer> early = connect();
    for (int turn = 0; turn < i / 2; ++turn) loop.run_once(false);
    if (i % 2 == 0) early->start();
    early->dispose();
  }
  discard_accepted();
  connect_pair();
}

// A seed decides what each side does, and when. Whatever it is, every end that was not disposed is told
// once that it is over.
TEST_P(TransportConformance, EndsAtAnyMoment) {
  constexpr unsigned kSeeds = kSanitized ? 60 : 200;
  listen();
  for (unsigned seed = 0; seed < kSeeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    const auto below = [&random](unsigned limit) { return static_cast<unsigned>(random() % limit); };
    client = connect();
    if (below(4) != 0) client->start();
    server = accept();
    if (below(4) != 0) server->start();
    const auto act = [&](Peer& peer) {
      switch (below(8)) {
        case 0:
          return peer.close(kReason);
        case 1:
          return peer.abort(kReason);
        case 2:
          return peer.pause();
        case 3:
          return peer.resume();
        default:
          return peer.send(make_message(1, below(20'000), {below(300'000)}));
      }
    };
    for (Peer* peer : {client.get(), server.get()}) {
      peer->message_hook = [&, peer](InboundMessage&) {
        if (below(10) == 0) act(*peer);
      };
    }
    for (unsigned steps = below(40); steps > 0; --steps) {
      act(below(2) == 0 ? *client : *server);
      if (below(2) == 0) loop.run_once(false);
    }
    Peer& disposed = below(2) == 0 ? *client : *server;
    Peer& other = &disposed == client.get() ? *server : *client;
    const int told = disposed.closed;
    disposed.dispose();
    // It may not have been started, and may be paused.
    if (other.closed == 0) {
      other.message_hook = nullptr;
      other.resume();
      if (!other.started) other.start();
      ASSERT_TRUE(run_until([&] { return other.closed == 1; }));
    }
    EXPECT_EQ(disposed.closed, told);
  }
}

}  // namespace onward::testing_support::closing
