// SPDX-License-Identifier: Apache-2.0
//
// What shm has beside what all transports share (tests/conformance): peers whose memory says what
// cannot be, and peers that die.
#include <fstream>

#include "shm_fixture.h"

namespace onward::test {
namespace {

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
    EXPECT_EQ(mappings(),
              before + 4);  // the peer's own, ours, and the peer's in two, as its payloads are ours to write
    peer.close();
    expect_closed(StatusCode::kUnavailable, "gone");
  }
  server.reset();
  loop.run_once(false);
  EXPECT_EQ(mappings(), before);
}

}  // namespace
}  // namespace onward::test
