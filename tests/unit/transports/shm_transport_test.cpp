// SPDX-License-Identifier: Apache-2.0
//
// What shm has beside what all transports share (tests/conformance): the rendezvous, and peers that break it.
#include <sys/mman.h>
#include <sys/wait.h>

#include "shm_fixture.h"

namespace onward::test {
namespace {

TEST_F(ShmTransportTest, UrlsAndSizesAreChecked) {
  EXPECT_TRUE(transport->check(Url{"shm", "@a"}, Transport::Use::kListen).ok());
  EXPECT_TRUE(transport->check(Url{"shm", "/run/a"}, Transport::Use::kConnect).ok());
  EXPECT_THAT(transport->check(Url{"shm", "a"}, Transport::Use::kListen).message(), HasSubstr("shm:///run/node.sock"));
  EXPECT_THAT(transport->check(Url{"unix", "@a"}, Transport::Use::kListen).message(), HasSubstr("a shm:// URL"));
  EXPECT_TRUE(transport->is_guarded(listener->url()));
  const auto wrong = make_shm_transport(loop, {}, {.ring_bytes = 1000});
  EXPECT_THAT(wrong->connect(Url{"shm", "@a"}).error().message(), HasSubstr("power of two"));
}

TEST_F(ShmTransportTest, BothSidesKnowTheOthersUser) {
  Peer client(loop);
  client.adopt(std::move(*transport->connect(listener->url())));
  client.send(hello());
  client.start();
  accept();
  server->send(hello());
  ASSERT_TRUE(run_until(loop, [&] { return client.hellos == 1 && server->hellos == 1; }));
  EXPECT_THAT(server->description(), HasSubstr("(process " + std::to_string(::getpid()) + ")"));
  client.dispose();
}

TEST_F(ShmTransportTest, AnotherTransportsSocketIsNamed) {
  const Url url{"unix", ::testing::TempDir() + "onward-shm-test-unix-" + std::to_string(::getpid())};
  const FileDescriptor socket = *listen_on(url, *LocalAddress::parse(url, "unix"), SOCK_STREAM);
  Peer client(loop);
  client.adopt(std::move(*transport->connect(Url{"shm", url.rest})));
  client.start();
  ASSERT_TRUE(run_until(loop, [&] { return client.closed == 1; }));
  EXPECT_THAT(client.reason.message(), HasSubstr("uses another transport than this URL says"));
  ::unlink(url.rest.c_str());
}

TEST_F(ShmTransportTest, GarbageIsRefused) {
  const auto refused = [&](const auto& act, const std::string& why, StatusCode code = StatusCode::kInvalidArgument) {
    ForeignPeer peer(listener->url());
    accept();
    act(peer);
    expect_closed(code, why);
  };
  const std::string text(40, 'x');
  const std::string large(5000, 'x');
  refused([&](ForeignPeer& peer) { peer.send(text.data(), text.size()); }, "an unknown packet of 40 bytes");
  refused([&](ForeignPeer& peer) { peer.send(text.data(), sizeof(ShmOffer)); }, "an unknown packet");
  refused([&](ForeignPeer& peer) { peer.send(large.data(), large.size()); }, "too much at once");
  refused([&](ForeignPeer& peer) { peer.close(); }, "ended before memory was shared", StatusCode::kUnavailable);
  refused(
      [](ForeignPeer& peer) {
        const ShmOffer offer{.ring_bytes = 4096, .payload_bytes = 0};
        peer.send(&offer, sizeof offer);
      },
      "without the memory");
  refused([](ForeignPeer& peer) { peer.send_offer({.ring_bytes = 1000, .payload_bytes = 0}); }, "which cannot be");
  refused([](ForeignPeer& peer) { peer.send_offer({.ring_bytes = 1 << 20, .payload_bytes = 0}); }, "are needed");
  refused(
      [](ForeignPeer& peer) {
        peer.send_offer();
        peer.send_offer();
      },
      "an unknown packet");
  refused(
      [](ForeignPeer& peer) {
        peer.own = *ShmMemory::create(kSizes);
        const ShmOffer offer{.ring_bytes = kSizes.ring_bytes, .payload_bytes = kSizes.payload_bytes};
        const int memory = peer.own->descriptor().get();
        peer.send(&offer, sizeof offer, {memory, memory});
      },
      "without an eventfd");
  refused(
      [](ForeignPeer& peer) {
        peer.own = *ShmMemory::create(kSizes);
        const ShmOffer offer{.ring_bytes = kSizes.ring_bytes, .payload_bytes = kSizes.payload_bytes};
        const int memory = peer.own->descriptor().get();
        peer.send(&offer, sizeof offer, {memory, peer.bell(), peer.bell(), peer.bell()});
      },
      "too much at once");
}

TEST_F(ShmTransportTest, TheOtherSideIsToldWhy) {
  const ForeignPeer peer(listener->url());
  accept();
  const FileDescriptor unsealed(::memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  const ShmOffer offer{.ring_bytes = 4096, .payload_bytes = 0};
  peer.send(&offer, sizeof offer, {unsealed.get(), peer.bell()});
  expect_closed(StatusCode::kInvalidArgument, "not sealed");
  EXPECT_THAT(peer.refusal().value_or(""), HasSubstr("not sealed against shrinking"));
}

TEST_F(ShmTransportTest, ARefusalIsTheReason) {
  ForeignPeer peer(listener->url());
  accept();
  ShmVerdict verdict;
  verdict.code = static_cast<std::uint32_t>(StatusCode::kPermissionDenied);
  std::strcpy(verdict.reason.data(), "not you");
  peer.send(&verdict, sizeof verdict);
  expect_closed(StatusCode::kPermissionDenied, "the other side refused: not you");
}

// A process of another user that connects: who it is comes from the system.
TEST_F(ShmTransportTest, AnotherUserIsRefused) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become another user";
  constexpr uid_t kNobody = 65534;
  const pid_t child = ::fork();
  if (child == 0) {
    bool told = false;
    if (::setuid(kNobody) == 0) {
      const ForeignPeer peer(listener->url());
      ShmVerdict verdict;
      told = ::recv(peer.socket(), &verdict, sizeof verdict, 0) > 0 &&
             std::string_view(verdict.reason.data()).find("shares no memory with user 65534") != std::string_view::npos;
    }
    ::_exit(told ? 0 : 1);
  }
  accept();
  expect_closed(StatusCode::kPermissionDenied, "shares no memory with user 65534");
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

class ShmTime : public ShmTransportTest {
 protected:
  ShmTime() : ShmTransportTest(manual_clock()) {}
  static ManualClock& manual_clock() {
    static ManualClock clock;
    return clock;
  }
};

TEST_F(ShmTime, ASilentPeerIsGivenUp) {
  const ForeignPeer peer(listener->url());
  accept();
  run_until_quiet(loop);
  manual_clock().advance(kOptions.connect_timeout - std::chrono::milliseconds(1));
  run_until_quiet(loop);
  EXPECT_EQ(server->closed, 0);
  manual_clock().advance(std::chrono::milliseconds(2));
  expect_closed(StatusCode::kUnavailable, "does not answer");
}

}  // namespace
}  // namespace onward::test
