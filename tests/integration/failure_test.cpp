// SPDX-License-Identifier: Apache-2.0
//
// Nodes that die, come back, or fail, and what their callers hear of it. The calls here have no deadline: only the
// event itself can end them, so an answer at all is a prompt one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <string>
#include <vector>

#include "cluster.h"

namespace onward::testing_support {
namespace {

using testing::HasSubstr;

const std::string kNoDeadlines = "[calls]\ntimeout_ms = 600000\n";

class Failure : public ClusterTest {
 protected:
  // "front" knows "worker".
  void SetUp() override {
    cluster.start("worker", {.toml = kNoDeadlines});
    cluster.start("front", {.peers = {"worker"}, .toml = kNoDeadlines});
    client = cluster.client();
  }
  // Ends the worker, and waits until its callers have noticed.
  void kill_worker() {
    cluster.node("worker").kill();
    EXPECT_TRUE(await_statistics(*client, "front", [](const auto& now) { return now.connections == 1; }));
    EXPECT_TRUE(await([&] { return client->statistics().connections == 1; }));
  }
  void await_parked_at_worker(int count) {
    ASSERT_TRUE(outcome_of(rpc_async(*client, to("worker", kPatient), probe::kAwaitParked, count)));
  }

  std::unique_ptr<Node> client;
};

TEST_P(Failure, WorkerKilledInsideANestedCallIsNamedToTheCaller) {
  const auto nested = rpc_async(*client, to("front", kPatient), probe::kRelayPark, "worker");
  await_parked_at_worker(1);
  EXPECT_FALSE(nested.done());
  cluster.node("worker").send_signal(SIGKILL);

  const Status error = error_of(nested);
  EXPECT_EQ(error.code(), StatusCode::kUnavailable) << error.to_string();
  EXPECT_THAT(error.message(), HasSubstr("probe.park at worker (" + cluster.url("worker") + ")"));
  ASSERT_EQ(error.trail().size(), 1U) << error.to_string();
  EXPECT_EQ(error.trail()[0].node, "front");
  EXPECT_EQ(error.trail()[0].function, "probe.relay_park");
  EXPECT_EQ(rpc_sync(*client, "front", probe::kEcho, "alive"), "alive");
}

TEST_P(Failure, WorkerThatDiesInItsOwnFunctionIsUnavailable) {
  const Status error = error_of(rpc_async(*client, to("worker", kPatient), probe::kCrash));
  EXPECT_EQ(error.code(), StatusCode::kUnavailable) << error.to_string();
  EXPECT_EQ(cluster.node("worker").wait_for_end().value_or(Ending()).signal, SIGKILL);
}

TEST_P(Failure, EveryCallInFlightEndsWhenItsWorkerDies) {
  constexpr int kCalls = 1'000;
  std::vector<Future<std::string>> calls;
  for (int i = 0; i < kCalls; ++i) {
    calls.push_back(rpc_async(*client, to("front", kPatient), probe::kRelayPark, "worker"));
    calls.push_back(rpc_async(*client, to("worker", kPatient), probe::kPark));
  }
  await_parked_at_worker(2 * kCalls);
  cluster.node("worker").send_signal(SIGKILL);
  int unavailable = 0;
  for (const auto& call : calls) unavailable += error_of(call).code() == StatusCode::kUnavailable ? 1 : 0;
  EXPECT_EQ(unavailable, 2 * kCalls);
  EXPECT_EQ(rpc_sync(*client, "front", probe::kStatistics).requests_in_flight, 1U);
}

TEST_P(Failure, RestartedWorkerIsCalledAgain) {
  EXPECT_EQ(outcome_of(rpc_async(*client, to("front", kPatient), probe::kChain, "worker", 10)), 10);
  kill_worker();
  cluster.start("worker", {.toml = kNoDeadlines});
  EXPECT_EQ(outcome_of(rpc_async(*client, to("worker", kPatient), probe::kEcho, "again")), "again");
  EXPECT_EQ(outcome_of(rpc_async(*client, to("front", kPatient), probe::kChain, "worker", 10)), 10);
}

TEST_P(Failure, CallsMadeWhileTheWorkerIsDownAreAnsweredWhenItIsBack) {
  EXPECT_EQ(outcome_of(rpc_async(*client, to("front", kPatient), probe::kChain, "worker", 10)), 10);
  kill_worker();
  std::vector<Future<int>> waiting;
  for (int i = 0; i < 100; ++i) {
    waiting.push_back(rpc_async(*client, to("worker", kPatient), probe::kAdd, i, 1));
    waiting.push_back(rpc_async(*client, to("front", kPatient), probe::kChain, "worker", 3));
  }
  cluster.start("worker", {.toml = kNoDeadlines});
  for (std::size_t i = 0; i < 100; ++i) {
    EXPECT_EQ(outcome_of(waiting[2 * i]), static_cast<int>(i) + 1);
    EXPECT_EQ(outcome_of(waiting[2 * i + 1]), 3);
  }
}

TEST_P(Failure, DeadlineOfACallToAWorkerThatIsDownSaysWhy) {
  cluster.node("worker").kill();
  const Status error =
      error_of(rpc_async(*client, to("worker", {.timeout = std::chrono::milliseconds(300)}), probe::kEcho, ""));
  EXPECT_EQ(error.code(), StatusCode::kDeadlineExceeded);
  EXPECT_THAT(error.message(), HasSubstr("no answer within 300 ms; it was never sent: "));
  EXPECT_THAT(error.message(), HasSubstr(cluster.url("worker")));
}

TEST_P(Failure, ExceptionKeepsTypeTextAndTrailOverTwoHops) {
  const Status error =
      error_of(rpc_async(*client, to("front", kPatient), probe::kRelayTwice, "front", "worker", "no such thing"));
  EXPECT_EQ(error.code(), StatusCode::kUnknown);
  EXPECT_EQ(error.message(), "no such thing");
  EXPECT_EQ(error.type(), "std::out_of_range");
  const std::vector<Hop> expected = {
      {"worker", "probe.throw", ""}, {"front", "probe.relay_throw", ""}, {"front", "probe.relay_twice", ""}};
  EXPECT_EQ(error.trail(), expected) << error.to_string();
}

TEST_P(Failure, WrongTypesNameBothSignatures) {
  const Status error = error_of(rpc_async(*client, "worker", remote<std::string(int, std::vector<double>)>("probe.add"),
                                          1, std::vector<double>{2}));
  EXPECT_EQ(error.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(error.message(), HasSubstr("probe.add is (int32, int32) -> int32 at worker"));
  EXPECT_THAT(error.message(), HasSubstr("was called as (int32, list<float64>) -> string"));
}

TEST_P(Failure, UnknownFunctionIsNamed) {
  const Status error = error_of(rpc_async(*client, "worker", remote<void()>("probe.pong")));
  EXPECT_EQ(error.code(), StatusCode::kUnimplemented);
  EXPECT_THAT(error.message(), HasSubstr("function \"probe.pong\" is not registered at worker"));
}

TEST_P(Failure, AnotherNodeAtAPeersAddressIsRefused) {
  NodeOptions options = cluster.client_options("careful");
  options.peers = {{"somebody", {cluster.url("worker")}}};
  Node careful(std::move(options));
  ASSERT_TRUE(careful.start().ok());
  const Status error = error_of(rpc_async(careful, to("somebody", kPatient), probe::kEcho, ""));
  // Over tls its certificate tells, before it says HELLO.
  const bool proves = cluster.url("worker").starts_with("tls:");
  EXPECT_EQ(error.code(), proves ? StatusCode::kUnauthenticated : StatusCode::kFailedPrecondition) << error.to_string();
  EXPECT_THAT(error.message(), HasSubstr(proves ? "its certificate is for \"worker\", not for node \"somebody\""
                                                : "is node \"worker\", not \"somebody\""));
}

// Requests of a caller that has died do not stay with the node.
TEST_P(Failure, KilledCallerLeavesNothingParked) {
  constexpr int kCalls = 1'000;
  std::vector<Future<std::string>> calls;
  for (int i = 0; i < kCalls; ++i)
    calls.push_back(rpc_async(*client, to("front", kPatient), probe::kRelayPark, "worker"));
  await_parked_at_worker(kCalls);
  EXPECT_EQ(rpc_sync(*client, "worker", probe::kStatistics).requests_in_flight, kCalls + 1U);
  cluster.node("front").send_signal(SIGKILL);
  EXPECT_EQ(error_of(calls.front()).code(), StatusCode::kUnavailable);
  EXPECT_TRUE(await_statistics(*client, "worker",
                               [](const auto& now) { return now.requests_in_flight == 1 && now.connections == 1; }));
  // Their answers find nobody, and harm nobody.
  EXPECT_EQ(rpc_sync(*client, "worker", probe::kRelease, "too late"), kCalls);
  EXPECT_EQ(rpc_sync(*client, "worker", probe::kEcho, "alive"), "alive");
}

ONWARD_ON_EVERY_TRANSPORT(Failure);

}  // namespace
}  // namespace onward::testing_support
