// SPDX-License-Identifier: Apache-2.0
//
// What shm has beside what all transports share (tests/conformance): the rendezvous, and peers that break it, or the
// memory that they share.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <optional>

#include "../../conformance/transport_conformance.h"
#include "shm/shm_rendezvous.h"
#include "stream/frame.h"
#include "stream/frame_writer.h"

namespace onward {
namespace {

using testing::HasSubstr;
using testing_support::Acceptor;
using testing_support::hello;
using testing_support::make_message;
using testing_support::Peer;
using testing_support::run_until;
using testing_support::run_until_quiet;

constexpr ShmSizes kSizes{.ring_bytes = 4096, .payload_bytes = 128 * 1024};
const ShmOptions kOptions{.ring_bytes = kSizes.ring_bytes, .payload_bytes = kSizes.payload_bytes};

// The other side of the rendezvous, which does as the test says.
class ForeignPeer {
 public:
  explicit ForeignPeer(const Url& url) : socket_(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)) {
    const LocalAddress address = *LocalAddress::parse(url, "shm");
    EXPECT_EQ(::connect(socket_.get(), address.get(), address.length), 0) << std::strerror(errno);
  }

  void send(const void* packet, std::size_t bytes, const std::vector<int>& descriptors = {}) const {
    iovec from{.iov_base = const_cast<void*>(packet), .iov_len = bytes};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * 8)> control{};
    msghdr message{};
    message.msg_iov = &from;
    message.msg_iovlen = 1;
    if (!descriptors.empty()) {
      message.msg_control = control.data();
      message.msg_controllen = CMSG_SPACE(sizeof(int) * descriptors.size());
      cmsghdr* part = CMSG_FIRSTHDR(&message);
      part->cmsg_level = SOL_SOCKET;
      part->cmsg_type = SCM_RIGHTS;
      part->cmsg_len = CMSG_LEN(sizeof(int) * descriptors.size());
      std::memcpy(CMSG_DATA(part), descriptors.data(), sizeof(int) * descriptors.size());
    }
    EXPECT_EQ(::sendmsg(socket_.get(), &message, MSG_NOSIGNAL), static_cast<ssize_t>(bytes));
  }
  void send_offer(ShmOffer offer = {.ring_bytes = kSizes.ring_bytes, .payload_bytes = kSizes.payload_bytes}) {
    own = *ShmMemory::create(kSizes);
    send(&offer, sizeof offer, {own->descriptor().get(), bell_.get()});
  }
  void send_verdict() const {
    ShmVerdict verdict;
    verdict.accepted = 1;
    send(&verdict, sizeof verdict);
  }
  // What has come: the text of a refusal, if it is one.
  [[nodiscard]] std::optional<std::string> refusal() const {
    for (ShmVerdict verdict; ::recv(socket_.get(), &verdict, sizeof verdict, MSG_DONTWAIT) > 0;) {
      if (verdict.magic == ShmVerdict::kMagic && verdict.accepted == 0) return verdict.reason.data();
    }
    return std::nullopt;
  }
  void close() { socket_ = FileDescriptor(); }
  [[nodiscard]] int socket() const { return socket_.get(); }
  [[nodiscard]] int bell() const { return bell_.get(); }

  // As the ring's writer.
  void produce(std::span<const std::byte> bytes) const {
    const std::uint64_t at = own->control().produced;
    for (std::size_t i = 0; i < bytes.size(); ++i) own->ring()[(at + i) % kSizes.ring_bytes] = bytes[i];
    own->control().produced = at + bytes.size();
  }
  std::unique_ptr<ShmMemory> own;

 private:
  FileDescriptor socket_;
  FileDescriptor bell_{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
};

class ShmTransportTest : public testing::Test {
 protected:
  explicit ShmTransportTest(Clock& clock = Clock::steady()) : loop({}, clock) {
    listener = *transport->listen(Url{"shm", "@onward-shm-test-" + std::to_string(::getpid())}, acceptor);
  }
  ~ShmTransportTest() override {
    server.reset();
    for (auto& connection : acceptor.accepted) loop.dispose(std::move(connection));
    loop.dispose(std::move(listener));
    loop.run_once(false);
  }

  // `server` is the connection that was accepted.
  void accept() {
    ASSERT_TRUE(run_until(loop, [&] { return !acceptor.accepted.empty(); }));
    server = std::make_unique<Peer>(loop);
    server->adopt(std::move(acceptor.accepted.front()));
    acceptor.accepted.clear();
    server->start();
  }
  void expect_closed(StatusCode code, const std::string& part) {
    ASSERT_TRUE(run_until(loop, [&] { return server->closed == 1; }));
    EXPECT_EQ(server->reason.code(), code) << server->reason.to_string();
    EXPECT_THAT(server->reason.message(), HasSubstr(part));
    EXPECT_THAT(server->reason.message(), HasSubstr("shm://@onward-shm-test"));
  }
  // A peer that has shared its memory in an orderly way, and said HELLO.
  void meet(ForeignPeer& peer) {
    accept();
    peer.send_offer();
    peer.send_verdict();
    peer.produce(frame_of(hello()));
    server->send(hello());
    ASSERT_TRUE(run_until(loop, [&] { return server->hellos == 1; }));
  }
  static std::vector<std::byte> frame_of(Message message) {
    const std::size_t bytes = padded(kHeaderBytes + message.payload.body.size());
    std::vector<std::byte> frame(bytes);
    message.header.body_bytes = static_cast<std::uint32_t>(message.payload.body.size());
    std::memcpy(frame.data(), &message.header, kHeaderBytes);
    if (!message.payload.body.empty()) {
      std::memcpy(frame.data() + kHeaderBytes, message.payload.body.data(), message.payload.body.size());
    }
    return frame;
  }
  // A request with one segment of `bytes`, which lies at `place`.
  static std::vector<std::byte> frame_with(const PayloadArea::Place& place, std::uint64_t bytes) {
    MessageHeader header = make_message(1, 0).header;
    header.segment_count = 1;
    const std::uint64_t length = bytes | kInPayloadArea;
    std::vector<std::byte> frame(padded(kHeaderBytes + sizeof length + sizeof place));
    std::memcpy(frame.data(), &header, kHeaderBytes);
    std::memcpy(frame.data() + kHeaderBytes, &length, sizeof length);
    std::memcpy(frame.data() + kHeaderBytes + sizeof length, &place, sizeof place);
    return frame;
  }
  EventLoop loop;
  std::unique_ptr<Transport> transport = make_shm_transport(loop, {}, kOptions);
  Acceptor acceptor;
  std::unique_ptr<Listener> listener;
  std::unique_ptr<Peer> server;
};

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
  const Url url{"unix", testing::TempDir() + "onward-shm-test-unix-" + std::to_string(::getpid())};
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

// ---- Peers whose memory says what cannot be.

TEST_F(ShmTransportTest, MessagesOfAForeignPeerArrive) {
  ForeignPeer peer(listener->url());
  meet(peer);
  peer.produce(frame_of(make_message(7, 100)));
  ASSERT_TRUE(run_until(loop, [&] { return server->received == 1; }));
  EXPECT_EQ(server->last_id, 7U);
}

TEST_F(ShmTransportTest, TooManyUnreadBytes) {
  ForeignPeer peer(listener->url());
  meet(peer);
  peer.own->control().produced += kSizes.ring_bytes + 1;
  expect_closed(StatusCode::kInvalidArgument, "bytes are unread in a ring of 4096");
}

TEST_F(ShmTransportTest, ACountThatGoesBackwards) {
  ForeignPeer peer(listener->url());
  meet(peer);
  peer.own->control().produced = 0;
  expect_closed(StatusCode::kInvalidArgument, "bytes are unread");
}

TEST_F(ShmTransportTest, BytesReadThatWereNeverSent) {
  ForeignPeer peer(listener->url());
  meet(peer);
  peer.own->control().consumed = 1'000'000;
  for (int i = 0; i < 10; ++i) server->send(make_message(1, 1000));
  run_until_quiet(loop);
  ASSERT_TRUE(run_until(loop, [&] { return server->closed == 1; }));
  EXPECT_THAT(server->reason.message(), HasSubstr("never sent"));
}

TEST_F(ShmTransportTest, GarbageInTheRing) {
  ForeignPeer peer(listener->url());
  meet(peer);
  peer.produce(std::vector<std::byte>(64, std::byte{0xFF}));
  expect_closed(StatusCode::kInvalidArgument, "kind 255");
}

TEST_F(ShmTransportTest, SegmentsInPlace) {
  ForeignPeer peer(listener->url());
  meet(peer);
  std::memset(peer.own->payloads() + 4096, 'x', 20'000);
  std::string text;
  server->message_hook = [&](InboundMessage& message) {
    text = message.segments.front().text();
    // The sender may write on, and nothing but these bytes changes.
    peer.own->payloads()[4096] = std::byte{'y'};
    EXPECT_EQ(message.segments.front().text().front(), 'y');
  };
  peer.produce(frame_with({.offset = 4096, .slot = 3, .generation = 9}, 20'000));
  ASSERT_TRUE(run_until(loop, [&] { return server->received == 1; }));
  EXPECT_EQ(text, std::string(20'000, 'x'));
}

TEST_F(ShmTransportTest, SegmentsThatLieNowhere) {
  for (const auto& [place, bytes] :
       {std::pair{PayloadArea::Place{.offset = kSizes.payload_bytes - 10}, std::uint64_t{20'000}},
        {PayloadArea::Place{.offset = ~std::uint64_t{0} - 100}, 20'000},
        {PayloadArea::Place{.slot = 256}, 20'000},
        {PayloadArea::Place{}, kSizes.payload_bytes + 1}}) {
    ForeignPeer peer(listener->url());
    meet(peer);
    peer.produce(frame_with(place, bytes));
    expect_closed(StatusCode::kInvalidArgument, "not in its 131072 bytes of shared memory");
  }
  ForeignPeer peer(listener->url());
  meet(peer);
  peer.produce(frame_with({}, 0));
  expect_closed(StatusCode::kInvalidArgument, "empty segment");
  ForeignPeer huge(listener->url());
  meet(huge);
  huge.produce(frame_with({}, std::uint64_t{1} << 62));
  expect_closed(StatusCode::kInvalidArgument, "it sent a message of 4611686018427387904 bytes");
}

// Killed between two bytes of a message: what was sent is delivered, and the rest is missed.
TEST_F(ShmTransportTest, APeerThatDiesInTheMiddle) {
  ForeignPeer peer(listener->url());
  meet(peer);
  peer.produce(frame_of(make_message(7, 100)));
  const std::vector<std::byte> half = frame_of(make_message(8, 100));
  peer.produce(std::span(half).first(50));
  peer.close();
  expect_closed(StatusCode::kUnavailable, "the peer is gone");
  EXPECT_EQ(server->last_id, 7U);
}

TEST_F(ShmTransportTest, AnEndInTheMiddleOfAMessage) {
  ForeignPeer peer(listener->url());
  meet(peer);
  const std::vector<std::byte> half = frame_of(make_message(8, 100));
  peer.produce(std::span(half).first(50));
  peer.own->control().ended = 1;
  expect_closed(StatusCode::kUnavailable, "50 of 136 bytes of a message had arrived");
}

TEST_F(ShmTransportTest, WordsOverTheSocketEndIt) {
  ForeignPeer peer(listener->url());
  meet(peer);
  peer.send("x", 1);
  expect_closed(StatusCode::kUnavailable, "the peer is gone");
}

// A peer that never reads, and one that is stopped: what is sent waits here, and nothing hangs.
TEST_F(ShmTransportTest, APeerThatReadsNothing) {
  ForeignPeer peer(listener->url());
  meet(peer);
  for (int i = 0; i < 100; ++i) server->send(make_message(1, 1000, {100'000}));
  run_until_quiet(loop);
  EXPECT_GT(server->queued_bytes(), 5'000'000U);
  EXPECT_EQ(server->closed, 0);
  peer.close();
  expect_closed(StatusCode::kUnavailable, "the peer is gone");
}

// Its bell is rung once for each of its sleeps, however much is sent.
TEST_F(ShmTransportTest, TheBellIsRungOnceForASleep) {
  ForeignPeer peer(listener->url());
  meet(peer);
  const auto rung = [&] {
    std::uint64_t times = 0;
    return ::read(peer.bell(), &times, sizeof times) == sizeof times ? times : 0;
  };
  static_cast<void>(rung());
  const auto send_some = [&] {
    server->send(make_message(1, 10));
    loop.run_once(false);
  };
  for (int i = 0; i < 5; ++i) send_some();
  EXPECT_EQ(rung(), 0U) << "it is awake";
  peer.own->control().sleep = ShmControl::kSleepNumber | ShmControl::kWantsRoom;
  for (int i = 0; i < 5; ++i) send_some();
  EXPECT_EQ(rung(), 0U) << "it waits for something else";
  for (std::uint32_t sleep = 2; sleep < 5; ++sleep) {
    peer.own->control().sleep = sleep * ShmControl::kSleepNumber | ShmControl::kWantsData;
    for (int i = 0; i < 5; ++i) send_some();
    EXPECT_EQ(rung(), 1U);
  }
}

// Nothing has a name; and the memory goes with the last who uses it.
TEST_F(ShmTransportTest, NothingIsLeft) {
  const auto mappings = [] {
    std::ifstream maps("/proc/self/maps");
    std::size_t count = 0;
    for (std::string line; std::getline(maps, line);) count += line.find("onward-shm") != line.npos ? 1 : 0;
    return count;
  };
  const std::size_t before = mappings();
  {
    ForeignPeer peer(listener->url());
    meet(peer);
    EXPECT_EQ(mappings(), before + 3);  // the peer's own, and two of ours
    peer.close();
    expect_closed(StatusCode::kUnavailable, "gone");
  }
  server.reset();
  loop.run_once(false);
  EXPECT_EQ(mappings(), before);
}

}  // namespace
}  // namespace onward
