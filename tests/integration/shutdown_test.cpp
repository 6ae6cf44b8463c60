// SPDX-License-Identifier: Apache-2.0
//
// How a node ends on SIGTERM: what it has accepted it answers, what it has not it refuses, and callers who
// try again lose nothing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <string>
#include <vector>

#include "cluster.h"
#include "raw_peer.h"

namespace onward::testing_support {
namespace {

using testing::HasSubstr;

constexpr CallOptions kPatient{.timeout = kNoTimeout};
constexpr int kExitOfSecondSigterm = 128 + SIGTERM;

std::string settings(int drain_ms) {
  return "[calls]\ntimeout_ms = \"none\"\n[shutdown]\ndrain_ms = " + std::to_string(drain_ms) + "\n";
}

class Shutdown : public ClusterTest {
 protected:
  void start_pair(int drain_ms) {
    cluster.start("worker", {.toml = settings(drain_ms)});
    cluster.start("front", {.peers = {"worker"}, .toml = settings(drain_ms)});
    client = cluster.client();
  }
  Process& front() { return cluster.node("front"); }
  // SIGTERM, and until the node says that it has noticed.
  void terminate_front() {
    front().send_signal(SIGTERM);
    ASSERT_TRUE(front().wait_for_line(Process::Stream::kError, "SIGTERM: no new calls; those in flight have "));
  }
  Future<std::string> call_that_waits() {
    return rpc_async(*client, to("front", kPatient), probe::kRelayPark, "worker");
  }
  void await_parked_at_worker(int count) {
    ASSERT_TRUE(outcome_of(rpc_async(*client, to("worker", kPatient), probe::kAwaitParked, count)));
  }

  std::unique_ptr<Node> client;
};

TEST_P(Shutdown, IdleNodeEndsAtOnceAndCleanly) {
  start_pair(600'000);
  EXPECT_EQ(rpc_sync(*client, "front", probe::kEcho, "hello"), "hello");
  terminate_front();
  EXPECT_EQ(front().wait_for_end().value_or(Ending()).code, 0);
  const CallOptions now{.timeout = kNoTimeout, .fail_fast = true};
  EXPECT_EQ(error_of(rpc_async(*client, to("front", now), probe::kEcho, "gone")).code(), StatusCode::kUnavailable);
}

TEST_P(Shutdown, SigintDoesTheSame) {
  start_pair(600'000);
  front().send_signal(SIGINT);
  EXPECT_EQ(front().wait_for_end().value_or(Ending()).code, 0);
  EXPECT_THAT(front().text(Process::Stream::kError), HasSubstr("SIGINT: no new calls"));
}

TEST_P(Shutdown, CallsInFlightAreAnsweredFirst) {
  constexpr int kCalls = 1'000;
  start_pair(600'000);
  std::vector<Future<std::string>> calls;
  for (int i = 0; i < kCalls; ++i) calls.push_back(call_that_waits());
  await_parked_at_worker(kCalls);
  terminate_front();
  EXPECT_FALSE(front().wait_for_end(std::chrono::milliseconds(50))) << "it has not waited";
  for (const auto& call : calls) ASSERT_FALSE(call.done());
  EXPECT_EQ(rpc_sync(*client, "worker", probe::kRelease, "go"), kCalls);
  for (const auto& call : calls) EXPECT_EQ(outcome_of(call), "go");
  EXPECT_EQ(front().wait_for_end().value_or(Ending()).code, 0);
}

TEST_P(Shutdown, NewCallsAreRefusedMeanwhile) {
  start_pair(600'000);
  RawPeer peer(cluster.url("front"));
  peer.send(raw_hello() + raw_echo(1, "before"));
  ASSERT_EQ(peer.read_frame()->header.kind, kRawHello);
  ASSERT_EQ(peer.read_frame()->header.kind, kRawResponse);
  const auto waits = call_that_waits();
  await_parked_at_worker(1);
  terminate_front();
  const auto goaway = peer.read_frame();
  ASSERT_TRUE(goaway);
  EXPECT_EQ(goaway->header.kind, kRawGoaway);
  peer.send(raw_echo(2, "after"));
  const auto refused = peer.read_frame();
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->header.call_id, 2U);
  EXPECT_EQ(raw_error(*refused).code(), StatusCode::kUnavailable);
  EXPECT_THAT(raw_error(*refused).message(), HasSubstr("shutting down"));
  EXPECT_FALSE(waits.done());

  EXPECT_EQ(rpc_sync(*client, "worker", probe::kRelease, "go"), 1);
  EXPECT_EQ(outcome_of(waits), "go");
  EXPECT_TRUE(peer.wait_for_close());
}

TEST_P(Shutdown, DrainDeadlineFailsWhatIsLeft) {
  start_pair(100);
  const auto waits = call_that_waits();
  await_parked_at_worker(1);
  terminate_front();
  const Status error = error_of(waits);
  EXPECT_EQ(error.code(), StatusCode::kUnavailable);
  EXPECT_THAT(error.message(), HasSubstr("node front is shutting down"));
  EXPECT_EQ(front().wait_for_end().value_or(Ending()).code, 0);
  EXPECT_EQ(rpc_sync(*client, "worker", probe::kRelease, "too late"), 1);
  EXPECT_EQ(rpc_sync(*client, "worker", probe::kEcho, "alive"), "alive");
}

TEST_P(Shutdown, SecondSignalEndsItAtOnce) {
  start_pair(600'000);
  const auto waits = call_that_waits();
  await_parked_at_worker(1);
  terminate_front();
  front().send_signal(SIGTERM);
  EXPECT_EQ(front().wait_for_end().value_or(Ending()).code, kExitOfSecondSigterm);
  EXPECT_EQ(error_of(waits).code(), StatusCode::kUnavailable);
}

TEST_P(Shutdown, CallerThatStopsGetsAllItsFuturesBack) {
  start_pair(600'000);
  std::vector<Future<std::string>> calls;
  for (int i = 0; i < 100; ++i) calls.push_back(call_that_waits());
  await_parked_at_worker(100);
  client->stop(std::chrono::milliseconds(0));
  for (const auto& call : calls) EXPECT_EQ(error_of(call).code(), StatusCode::kUnavailable);
  EXPECT_EQ(error_of(call_that_waits()).code(), StatusCode::kUnavailable);
  client->stop();
  const auto other = cluster.client("other");
  EXPECT_TRUE(await_statistics(*other, "front", [](const auto& now) { return now.requests_in_flight == 1; }));
}

// Counted calls to one node, `window` at a time; one that is refused or lost as UNAVAILABLE is made again. On the
// client's kernel thread but for the constructor and wait().
class RetryingLoad {
 public:
  RetryingLoad(Node& client, int total, int window) : client_(client), total_(total), done_(&client.loop()) {
    for (int i = 0; i < window; ++i) call(i % 50 == 0);
  }
  // Until so many have been answered; false after kPatience.
  [[nodiscard]] bool await_answered(int count) {
    return await([&] { return answered_ >= count; });
  }
  void wait() { EXPECT_TRUE(outcome_of(done_)); }
  [[nodiscard]] int retries() const { return retries_; }

 private:
  void call(bool slow) {
    const auto future = slow ? rpc_async(client_, to("node", kPatient), probe::kSlow, 20)
                             : rpc_async(client_, to("node", kPatient), probe::kCount);
    future.on_done([this, slow](const auto& outcome) {
      if (outcome) {
        if (++answered_ == total_) done_.try_complete({});
        if (answered_ + in_flight_ < total_) call(slow);
      } else if (outcome.error().code() == StatusCode::kUnavailable) {
        ++retries_;
        call(slow);
      } else {
        done_.try_fail(outcome.error());
      }
    });
  }

  Node& client_;
  int total_;
  int in_flight_ = 0;
  std::atomic<int> answered_{0};
  std::atomic<int> retries_{0};
  Future<void> done_;
};

ONWARD_ON_EVERY_TRANSPORT(Shutdown);

}  // namespace
}  // namespace onward::testing_support
