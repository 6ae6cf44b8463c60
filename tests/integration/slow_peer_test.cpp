// SPDX-License-Identifier: Apache-2.0
//
// Peers that say nothing, or do not read what they are told: they cost a bounded amount of memory, and
// nobody else notices.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "cluster.h"
#include "raw_peer.h"

namespace onward::testing_support {
namespace {

using testing::HasSubstr;

constexpr std::size_t kMiB = std::size_t{1} << 20;
// What a node may grow by: 8 MiB of answers wait by default, four times that at the hard limit; freed memory
// does not go back to the system at once, and much later under a sanitizer.
constexpr std::size_t kMaxGrowth = (kSanitized ? 1'000 : 100) * kMiB;

class SlowPeer : public ClusterTest {
 protected:
  void SetUp() override {
    cluster.start("node", {.toml = "[calls]\ntimeout_ms = 600000\n"});
    client = cluster.client();
    expect_served();
    before = node().resident_bytes();
  }
  Process& node() { return cluster.node("node"); }
  // Enough turns of the node's loop to have taken what lies in its sockets.
  void expect_served() {
    for (int i = 0; i < 20; ++i) EXPECT_EQ(outcome_of(rpc_async(*client, "node", probe::kEcho, "served")), "served");
  }
  void expect_bounded() {
    expect_served();
    EXPECT_LT(node().resident_bytes(), before + kMaxGrowth);
  }
  // Sends `bytes` over and over until the node takes no more, or has taken `limit` bytes; how many it took.
  static std::size_t flood(RawPeer& peer, const std::string& bytes, std::size_t limit) {
    std::string block;
    while (block.size() < kMiB) block += bytes;
    std::size_t taken = 0;
    for (std::string_view rest = block; taken < limit; rest = rest.empty() ? block : rest) {
      const std::size_t some = peer.send_some(rest);
      if (some == 0 && !peer.wait_for_room(std::chrono::milliseconds(300))) break;
      taken += some;
      rest.remove_prefix(some);
    }
    return taken;
  }

  std::unique_ptr<Node> client;
  std::size_t before = 0;
};

std::string raw_blob(std::uint64_t call_id, std::uint64_t bytes) {
  return raw_call(call_id, "probe.blob", [&](Encoder& encoder) {
    encoder.begin_sequence(1);
    encoder.unsigned_integer(bytes);
    encoder.end_sequence();
  });
}

TEST_P(SlowPeer, OneThatNeverReadsLargeAnswersIsNotReadFrom) {
  constexpr std::uint64_t kCalls = 2'000;
  constexpr std::uint64_t kBytes = kMiB / 4;
  RawPeer peer(cluster.url("node"));
  std::string calls = raw_hello();
  for (std::uint64_t i = 0; i < kCalls; ++i) calls += raw_blob(i, kBytes);
  ASSERT_TRUE(peer.send(calls));
  expect_bounded();

  // It was only late: all its answers are there.
  ASSERT_EQ(peer.read_frame()->header.kind, kRawHello);
  for (std::uint64_t i = 0; i < kCalls; ++i) {
    const auto answer = peer.read_frame();
    ASSERT_TRUE(answer) << "answer " << i;
    ASSERT_EQ(answer->header.kind, kRawResponse) << "answer " << i;
    ASSERT_EQ(answer->header.call_id, i);
  }
  expect_bounded();
}

TEST_P(SlowPeer, OneThatSendsAndNeverReadsIsHeldBack) {
  RawPeer peer(cluster.url("node"));
  peer.send(raw_hello());
  const std::size_t taken = flood(peer, raw_echo(1, std::string(1'000, 'e')), 500 * kMiB);
  EXPECT_LT(taken, 100 * kMiB);
  expect_bounded();
}

// A node that waits for this peer's answer must read on, or the two might wait for each other; so it lets the
// peer go in the end.
TEST_P(SlowPeer, OneThatOwesAnAnswerAndNeverReadsIsLetGo) {
  RawPeer peer(cluster.url("node"));
  peer.send(raw_hello("debtor"));
  ASSERT_EQ(peer.read_frame()->header.kind, kRawHello);
  const auto owed = rpc_async(*client, to("node", {.timeout = kNoTimeout}), probe::kRelayPark, "debtor");
  ASSERT_EQ(peer.read_frame()->header.kind, kRawRequest);
  flood(peer, raw_echo(1, ""), 500 * kMiB);
  expect_bounded();
  EXPECT_EQ(error_of(owed).code(), StatusCode::kUnavailable);
}

TEST_P(SlowPeer, FloodOfPingsIsHeldBackToo) {
  RawPeer peer(cluster.url("node"));
  peer.send(raw_hello());
  flood(peer, raw_frame({.kind = kRawPing}), 500 * kMiB);
  expect_bounded();
}

TEST_P(SlowPeer, ManyConnectionsThatSayNothingDisturbNobody) {
  std::vector<RawPeer> silent;
  for (int i = 0; i < 500; ++i) silent.emplace_back(cluster.url("node"));
  expect_bounded();
  EXPECT_TRUE(await_statistics(*client, "node", [](const auto& now) { return now.connections == 501; }));
  silent.clear();
  EXPECT_TRUE(await_statistics(*client, "node", [](const auto& now) { return now.connections == 1; }));
}

ONWARD_ON_EVERY_RAW_TRANSPORT(SlowPeer);

// Takes the 10 seconds that a node waits for a HELLO.
TEST(SilentPeer, IsClosedAfterTenSecondsAndLogged) {
  Cluster cluster(transport_kinds().front());
  Process& node = cluster.start("node", {.toml = "[log]\nlevel = \"debug\"\n"});
  const auto client = cluster.client();
  RawPeer silent(cluster.url("node"));
  RawPeer halfway(cluster.url("node"));
  halfway.send(raw_hello().substr(0, 20));
  RawPeer greeted(cluster.url("node"));
  greeted.send(raw_hello());

  EXPECT_TRUE(silent.wait_for_close());
  EXPECT_TRUE(halfway.wait_for_close());
  EXPECT_TRUE(node.wait_for_line(Process::Stream::kError, "no HELLO within 10 s"));
  EXPECT_FALSE(greeted.is_closed()) << "one that has said HELLO may be silent";
  EXPECT_EQ(rpc_sync(*client, "node", probe::kEcho, "served"), "served");
}

TEST(SilentPeer, CallToOneEndsWithItsDeadline) {
  Cluster cluster(transport_kinds().front());
  const RawListener listener;
  const auto client = cluster.client();
  const Status error = error_of(
      rpc_async(*client, to(listener.url(), {.timeout = std::chrono::milliseconds(200)}), probe::kEcho, "hello?"));
  EXPECT_EQ(error.code(), StatusCode::kDeadlineExceeded);
  EXPECT_THAT(error.message(), HasSubstr("it was never sent: the connection is not established yet"));
}

}  // namespace
}  // namespace onward::testing_support
