// SPDX-License-Identifier: Apache-2.0
//
// Depth, width and numbers between two real nodes.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "cluster.h"

namespace onward::testing_support {
namespace {

// Nothing here ends because a deadline comes: what is lost makes the test fail.

class Scale : public ClusterTest {
 protected:
  // Each of "a" and "b" calls the other over a connection of its own.
  void start_pair() {
    static_cast<void>(cluster.url("b"));
    start("a", {"b"});
    start("b", {"a"});
    client = cluster.client();
  }
  // "b" knows no address of "a", and calls it over the connection that "a" has made.
  void start_pair_with_one_connection() {
    start("b", {});
    start("a", {"b"});
    client = cluster.client();
    EXPECT_EQ(outcome_of(rpc_async(*client, to("a", kPatient), probe::kPing, "b", 1)), 1);
  }
  void start(const std::string& name, const std::vector<std::string>& peers) {
    cluster.start(name, {.peers = peers, .toml = "[calls]\ntimeout_ms = \"none\"\n"});
  }
  void expect_load_both_ways(int calls, int window, int bytes) {
    const auto there = rpc_async(*client, to("a", kPatient), probe::kLoad, "b", calls, window, bytes);
    const auto back = rpc_async(*client, to("b", kPatient), probe::kLoad, "a", calls, window, bytes);
    EXPECT_EQ(outcome_of(there), calls);
    EXPECT_EQ(outcome_of(back), calls);
  }

  std::unique_ptr<Node> client;
};

TEST_P(Scale, AsyncPingPongToDepth10000) {
  start_pair();
  constexpr int kDepth = 10'000 / kScale;
  EXPECT_EQ(outcome_of(rpc_async(*client, to("a", kPatient), probe::kPing, "b", kDepth)), kDepth);
}

TEST_P(Scale, FanOutOf1000) {
  start_pair();
  constexpr int kCalls = 1'000;
  EXPECT_EQ(outcome_of(rpc_async(*client, to("a", kPatient), probe::kFanOut, "b", kCalls)), kCalls * (kCalls + 1) / 2);
}

TEST_P(Scale, ChainOf1000) {
  start_pair();
  constexpr int kSteps = 1'000;
  EXPECT_EQ(outcome_of(rpc_async(*client, to("a", kPatient), probe::kChain, "b", kSteps)), kSteps);
}

TEST_P(Scale, OthersAreServedWhile100000RequestsAreParked) {
  start_pair();
  constexpr int kParked = 100'000 / kScale;
  // Fewer than that may wait for a connection.
  EXPECT_EQ(rpc_sync(*client, "a", probe::kEcho, "connected"), "connected");
  std::vector<Future<std::string>> parked;
  for (int i = 0; i < kParked; ++i) parked.push_back(rpc_async(*client, to("a", kPatient), probe::kPark));
  ASSERT_TRUE(outcome_of(rpc_async(*client, to("a", kPatient), probe::kAwaitParked, kParked)));

  EXPECT_EQ(rpc_sync(*client, "a", probe::kEcho, "same connection"), "same connection");
  const auto other = cluster.client("other");
  EXPECT_EQ(rpc_sync(*other, "a", probe::kAdd, 40, 2), 42);
  EXPECT_EQ(rpc_sync(*other, "a", probe::kStatistics).requests_in_flight, kParked + 1U);
  EXPECT_FALSE(parked.front().done());
  EXPECT_FALSE(parked.back().done());

  EXPECT_EQ(rpc_sync(*other, to("a", kPatient), probe::kRelease, "go"), kParked);
  int answered = 0;
  for (const Future<std::string>& call : parked) answered += outcome_of(call) == "go" ? 1 : 0;
  EXPECT_EQ(answered, kParked);
  EXPECT_EQ(rpc_sync(*other, "a", probe::kStatistics).requests_in_flight, 1U);
}

TEST_P(Scale, AsyncPingPongOverOneConnection) {
  constexpr int kDepth = 10'000 / kScale;
  start_pair_with_one_connection();
  EXPECT_EQ(outcome_of(rpc_async(*client, to("a", kPatient), probe::kPing, "b", kDepth)), kDepth);
}

constexpr int kSmallCalls = 200'000 / kScale;
constexpr int kLargeCalls = 400 / kScale;
constexpr int kLargeBytes = 1 << 20;
// More of those than sockets and output queues hold: whoever stopped reading while it writes would stop both nodes.
constexpr int kLargeWindow = 24;

TEST_P(Scale, TwoNodesCallEachOtherUnderLoad) {
  start_pair();
  expect_load_both_ways(kSmallCalls, 500, 100);
}

TEST_P(Scale, TwoNodesCallEachOtherUnderLoadOverOneConnection) {
  start_pair_with_one_connection();
  expect_load_both_ways(kSmallCalls, 500, 100);
}

TEST_P(Scale, TwoNodesSendEachOtherLargeMessages) {
  start_pair();
  expect_load_both_ways(kLargeCalls, kLargeWindow, kLargeBytes);
}

TEST_P(Scale, TwoNodesSendEachOtherLargeMessagesOverOneConnection) {
  start_pair_with_one_connection();
  expect_load_both_ways(kLargeCalls, kLargeWindow, kLargeBytes);
}

ONWARD_ON_EVERY_TRANSPORT(Scale);

}  // namespace
}  // namespace onward::testing_support
