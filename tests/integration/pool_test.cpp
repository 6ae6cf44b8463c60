// SPDX-License-Identifier: Apache-2.0
//
// Functions that block: a synchronous ping-pong takes a thread of the pool on each side for each level.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "cluster.h"

namespace onward::testing_support {
namespace {

using testing::HasSubstr;

constexpr int kThreads = 4;

class BlockingFunctions : public ClusterTest {
 protected:
  void start_pair(int timeout_ms, int queue_limit = 4096) {
    for (const char* name : {"a", "b"}) static_cast<void>(cluster.url(name));
    for (const char* name : {"a", "b"}) {
      cluster.start(name, {.peers = {"a", "b"},
                           .toml = "[pool]\nthreads = " + std::to_string(kThreads) +
                                   "\nqueue_limit = " + std::to_string(queue_limit) +
                                   "\n[calls]\ntimeout_ms = " + std::to_string(timeout_ms) + "\n"});
    }
    client = cluster.client();
  }
  Future<int> sync_ping(int depth) { return rpc_async(*client, to("a", kPatient), probe::kSyncPing, "b", depth); }

  std::unique_ptr<Node> client;
};

TEST_P(BlockingFunctions, SyncPingPongAsDeepAsBothPools) {
  start_pair(600'000);
  // Level 0 is a's, level 1 b's, and so on: the pools are full, and nobody waits.
  EXPECT_EQ(outcome_of(sync_ping(2 * kThreads - 1)), 2 * kThreads - 1);
}

TEST_P(BlockingFunctions, SyncPingPongDeeperThanThePoolsEndsByItsDeadlinesAndTheNodesRecover) {
  start_pair(500);
  std::vector<Future<int>> stuck;
  for (int i = 0; i < 3 * kThreads; ++i) stuck.push_back(sync_ping(3 * kThreads));
  EXPECT_EQ(outcome_of(rpc_async(*client, to("a", kPatient), probe::kPing, "b", 100)), 100);
  for (const auto& call : stuck) {
    const Status error = error_of(call);
    // Once a node knows how long such jobs take, it refuses at once what would wait for too long.
    EXPECT_TRUE(error.code() == StatusCode::kDeadlineExceeded || error.code() == StatusCode::kResourceExhausted)
        << error.to_string();
  }
  // Threads below may wait a little longer than the calls at the top.
  EXPECT_TRUE(await([&] { return outcome_of(sync_ping(2)) == 2; }));
}

TEST_P(BlockingFunctions, NodeWhoseThreadsAllBlockServesWhatNeedsNone) {
  start_pair(600'000);
  std::vector<Future<std::string>> blocked;
  for (int i = 0; i < kThreads; ++i)
    blocked.push_back(rpc_async(*client, to("a", kPatient), probe::kSyncRelayPark, "b"));
  ASSERT_TRUE(outcome_of(rpc_async(*client, to("b", kPatient), probe::kAwaitParked, kThreads)));
  const auto waits = rpc_async(*client, to("a", kPatient), probe::kSyncPing, "b", 1);
  EXPECT_EQ(outcome_of(rpc_async(*client, to("a", kPatient), probe::kPing, "b", 100)), 100);
  EXPECT_EQ(outcome_of(rpc_async(*client, to("a", kPatient), probe::kEcho, "alive")), "alive");
  for (const auto& call : blocked) EXPECT_FALSE(call.done());
  EXPECT_FALSE(waits.done());
  EXPECT_EQ(rpc_sync(*client, "b", probe::kRelease, "go"), kThreads);
  for (const auto& call : blocked) EXPECT_EQ(outcome_of(call), "go");
  EXPECT_EQ(outcome_of(waits), 1);
}

TEST_P(BlockingFunctions, FullPoolRefusesAtOnce) {
  constexpr int kQueue = 8;
  start_pair(600'000, kQueue);
  std::vector<Future<std::string>> calls;
  const auto block = [&] { calls.push_back(rpc_async(*client, to("a", kPatient), probe::kSyncRelayPark, "b")); };
  for (int i = 0; i < kThreads; ++i) block();
  ASSERT_TRUE(outcome_of(rpc_async(*client, to("b", kPatient), probe::kAwaitParked, kThreads)));
  for (int i = 0; i < kQueue; ++i) block();

  const Status error = error_of(rpc_async(*client, to("a", kPatient), probe::kSyncPing, "b", 0));
  EXPECT_EQ(error.code(), StatusCode::kResourceExhausted) << error.to_string();
  EXPECT_THAT(error.message(), HasSubstr("the pool of node a is full: 4 threads are busy and 8 jobs wait"));
  for (const auto& call : calls) EXPECT_FALSE(call.done());

  int released = 0;
  EXPECT_TRUE(await([&] { return (released += rpc_sync(*client, "b", probe::kRelease, "go")) == kThreads + kQueue; }));
  for (const auto& call : calls) EXPECT_EQ(outcome_of(call), "go");
}

ONWARD_ON_EVERY_TRANSPORT(BlockingFunctions);

}  // namespace
}  // namespace onward::testing_support
