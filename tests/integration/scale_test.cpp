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
constexpr CallOptions kPatient{.timeout = kNoTimeout};
const NodeSetup kNoDeadlines{.toml = "[calls]\ntimeout_ms = 600000\n"};

class Scale : public ClusterTest {
 protected:
  void SetUp() override {
    for (const char* name : {"a", "b"}) static_cast<void>(cluster.url(name));
    for (const char* name : {"a", "b"}) {
      NodeSetup setup = kNoDeadlines;
      setup.peers = {"a", "b"};
      cluster.start(name, setup);
    }
    client = cluster.client();
  }

  std::unique_ptr<Node> client;
};

TEST_P(Scale, AsyncPingPongToDepth10000) {
  constexpr int kDepth = 10'000 / kScale;
  EXPECT_EQ(outcome_of(rpc_async(*client, to("a", kPatient), probe::kPing, "b", kDepth)), kDepth);
}

TEST_P(Scale, FanOutOf1000) {
  constexpr int kCalls = 1'000;
  EXPECT_EQ(outcome_of(rpc_async(*client, to("a", kPatient), probe::kFanOut, "b", kCalls)), kCalls * (kCalls + 1) / 2);
}

TEST_P(Scale, ChainOf1000) {
  constexpr int kSteps = 1'000;
  EXPECT_EQ(outcome_of(rpc_async(*client, to("a", kPatient), probe::kChain, "b", kSteps)), kSteps);
}

TEST_P(Scale, OthersAreServedWhile100000RequestsAreParked) {
  constexpr int kParked = 100'000 / kScale;
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

// Both nodes are caller and callee over what may be one connection: neither may wait for the other.
TEST_P(Scale, TwoNodesCallEachOtherUnderLoad) {
  constexpr int kCalls = 200'000 / kScale;
  constexpr int kWindow = 500;
  const auto there = rpc_async(*client, to("a", kPatient), probe::kLoad, "b", kCalls, kWindow);
  const auto back = rpc_async(*client, to("b", kPatient), probe::kLoad, "a", kCalls, kWindow);
  EXPECT_EQ(outcome_of(there), kCalls);
  EXPECT_EQ(outcome_of(back), kCalls);
}

ONWARD_ON_EVERY_TRANSPORT(Scale);

}  // namespace
}  // namespace onward::testing_support
