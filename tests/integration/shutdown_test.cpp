// SPDX-License-Identifier: Apache-2.0
//
// How a node ends on SIGTERM: what was sent to it before its peers knew it answers, what comes later goes to its
// successor, and callers notice nothing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <csignal>
#include <functional>
#include <string>
#include <vector>

#include "cluster.h"
#include "raw_peer.h"

namespace onward::testing_support {
namespace {

using testing::HasSubstr;

constexpr int kExitOfThirdSigterm = 128 + SIGTERM;

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

class RawShutdown : public Shutdown {};

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
  EXPECT_TRUE(front().wait_for_line(Process::Stream::kError, "SIGINT: no new calls"));
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

TEST_P(RawShutdown, CallsAreServedUntilThePeerHasAcknowledgedAndRefusedThen) {
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
  const auto ping = peer.read_frame();
  ASSERT_TRUE(ping);
  EXPECT_EQ(ping->header.kind, kRawPing);
  peer.send(raw_echo(2, "crossing") + raw_frame({.kind = kRawPong, .call_id = ping->header.call_id}) +
            raw_echo(3, "after"));
  const auto served = peer.read_frame();
  ASSERT_TRUE(served);
  EXPECT_EQ(served->header.kind, kRawResponse);
  EXPECT_EQ(served->header.call_id, 2U);
  const auto refused = peer.read_frame();
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->header.call_id, 3U);
  EXPECT_EQ(raw_error(*refused).code(), StatusCode::kUnavailable);
  EXPECT_THAT(raw_error(*refused).message(), HasSubstr("shutting down; the call has not begun"));
  EXPECT_FALSE(waits.done());

  EXPECT_EQ(rpc_sync(*client, "worker", probe::kRelease, "go"), 1);
  EXPECT_EQ(outcome_of(waits), "go");
  EXPECT_TRUE(peer.wait_for_close());
}

// Connected, but neither has it said HELLO nor will it.
TEST_P(RawShutdown, OneWhoSaysNothingIsNotWaitedFor) {
  start_pair(600'000);
  RawPeer peer(cluster.url("front"));
  ASSERT_EQ(peer.read_frame()->header.kind, kRawHello);
  terminate_front();
  EXPECT_TRUE(peer.wait_for_close());
  EXPECT_EQ(front().wait_for_end().value_or(Ending()).code, 0);
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

TEST_P(Shutdown, LargeAnswersLeaveFirst) {
  constexpr int kBlobs = 40 / kScale;
  constexpr std::size_t kBytes = std::size_t{4} << 20;
  start_pair(600'000);
  EXPECT_EQ(rpc_sync(*client, "front", probe::kEcho, "hello"), "hello");
  std::vector<Future<Buffer>> blobs;
  for (int i = 0; i < kBlobs; ++i) blobs.push_back(rpc_async(*client, to("front", kPatient), probe::kBlob, kBytes));
  EXPECT_LE(client->statistics().connections, 2U);  // asked behind them: they are on their way
  front().send_signal(SIGTERM);
  for (const auto& blob : blobs) {
    const auto answer = outcome_of(blob);
    ASSERT_TRUE(answer) << answer.error().to_string();
    EXPECT_EQ(answer->size(), kBytes);
  }
  EXPECT_EQ(front().wait_for_end().value_or(Ending()).code, 0);
}

TEST_P(Shutdown, SecondSignalFailsWhatIsLeftAndEndsCleanly) {
  start_pair(600'000);
  const auto waits = call_that_waits();
  await_parked_at_worker(1);
  terminate_front();
  front().send_signal(SIGINT);
  const Status error = error_of(waits);
  EXPECT_EQ(error.code(), StatusCode::kUnavailable);
  EXPECT_THAT(error.message(), HasSubstr("node front is shutting down"));
  EXPECT_EQ(front().wait_for_end().value_or(Ending()).code, 0);
  EXPECT_TRUE(front().wait_for_line(Process::Stream::kError, "SIGINT again: calls in flight fail now"));
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

ONWARD_ON_EVERY_TRANSPORT(Shutdown);
ONWARD_ON_EVERY_RAW_TRANSPORT(RawShutdown);

// `total` calls, `window` of them at a time, none made again. Lives on the client's kernel thread, but for the
// constructor and what waits.
class SteadyLoad {
 public:
  using Call = std::function<Future<void>(int number)>;
  SteadyLoad(Node& client, int total, int window, Call call)
      : call_(std::move(call)), not_begun_(total - window), missing_(total), done_(&client.loop()) {
    for (int i = 0; i < window; ++i) next(i);
  }
  [[nodiscard]] bool await_missing(int count) const {
    return await([&] { return missing_ <= count || done_.done(); });
  }
  // OK, or how the first that failed has failed.
  [[nodiscard]] Status wait() const { return error_of(done_); }

 private:
  void next(int number) {
    call_(number).on_done([this, number](const auto& outcome) {
      if (!outcome) done_.try_fail(outcome.error());
      if (--missing_ == 0) done_.try_complete({});
      if (not_begun_ > 0 && outcome) {
        --not_begun_;
        next(number);
      }
    });
  }

  Call call_;
  int not_begun_;
  std::atomic<int> missing_;
  Future<void> done_;
};

class RollingRestart : public ClusterTest {
 protected:
  // Ends the node and returns how many counted calls it has answered.
  int terminate(const std::string& name) {
    Process& node = cluster.node(name);
    node.send_signal(SIGTERM);
    EXPECT_EQ(node.wait_for_end().value_or(Ending()).code, 0) << name;
    EXPECT_TRUE(node.wait_for_close(Process::Stream::kError));
    const auto line = node.wait_for_line(Process::Stream::kError, " counted calls");
    if (!line) ADD_FAILURE() << name << " has not said how many calls it answered";
    return line ? std::stoi(line->substr(line->find("answered ") + 9)) : 0;
  }
};

TEST_P(RollingRestart, NoCallIsLostAndNoneRunsTwice) {
  constexpr int kCalls = 100'000 / kScale;
  constexpr int kRestarts = 4;
  cluster.start("node", {.toml = settings(600'000)});
  const auto client = cluster.client();
  const SteadyLoad load(*client, kCalls, 500, [&](int number) {
    return number % 10 == 0 ? rpc_async(*client, to("node", kPatient), probe::kSlow, 10)
                            : rpc_async(*client, to("node", kPatient), probe::kCount);
  });
  int answered = 0;
  for (int restart = 1; restart <= kRestarts; ++restart) {
    ASSERT_TRUE(load.await_missing(kCalls - kCalls * restart / (kRestarts + 1)));
    answered += terminate("node");
    cluster.start("node", {.toml = settings(600'000)});
  }
  const Status lost = load.wait();
  EXPECT_TRUE(lost.ok()) << lost.to_string();
  EXPECT_EQ(answered + terminate("node"), kCalls);
}

// The client calls "front", which calls "left" and "right" in turn.
TEST_P(RollingRestart, OfEveryNodeOfAClusterFailsNoNestedCall) {
  constexpr int kCalls = 50'000 / kScale;
  const std::vector<std::string> names = {"left", "front", "right", "front", "left"};
  const NodeSetup back{.toml = settings(600'000)};
  const NodeSetup relay{.peers = {"left", "right"}, .toml = settings(600'000)};
  cluster.start("left", back);
  cluster.start("right", back);
  cluster.start("front", relay);
  const auto client = cluster.client();
  const SteadyLoad load(*client, kCalls, 200, [&](int number) {
    return rpc_async(*client, to("front", kPatient), probe::kRelayCount, number % 2 == 0 ? "left" : "right");
  });
  int answered = 0;
  int restarts = 0;
  const auto steps = static_cast<int>(names.size()) + 1;
  for (const std::string& name : names) {
    ASSERT_TRUE(load.await_missing(kCalls - kCalls * ++restarts / steps));
    answered += terminate(name);
    cluster.start(name, name == "front" ? relay : back);
  }
  const Status lost = load.wait();
  EXPECT_TRUE(lost.ok()) << lost.to_string();
  answered += terminate("front");
  EXPECT_EQ(answered + terminate("left") + terminate("right"), kCalls);
}

ONWARD_ON_EVERY_TRANSPORT(RollingRestart);

using ShutdownOnTcp = TcpClusterTest;

// The caller's side of GOAWAY: the next call takes another connection, the answer to the last one still counts.
TEST_F(ShutdownOnTcp, CallerThatIsToldToGoAwayConnectsAnew) {
  const RawListener listener;
  const auto client = cluster.client();
  const auto call = [&] { return rpc_async(*client, to(listener.url(), kPatient), probe::kEcho, "?"); };
  const auto first = call();
  RawPeer old = listener.accept();
  old.send(raw_hello());
  ASSERT_EQ(old.read_frame()->header.kind, kRawHello);
  const auto request = old.read_frame();
  ASSERT_TRUE(request);
  old.send(raw_goaway("enough") + raw_frame({.kind = kRawPing, .call_id = 1}));
  ASSERT_EQ(old.read_frame()->header.kind, kRawPong);

  const auto second = call();
  RawPeer fresh = listener.accept();
  fresh.send(raw_hello());
  ASSERT_EQ(fresh.read_frame()->header.kind, kRawHello);
  const auto next = fresh.read_frame();
  ASSERT_TRUE(next);
  old.send(raw_answer(request->header.call_id, "old"));
  fresh.send(raw_answer(next->header.call_id, "fresh"));
  EXPECT_EQ(outcome_of(first), "old");
  EXPECT_EQ(outcome_of(second), "fresh");
}

// A job that does not end cannot be waited for, and is not: after a few seconds the process ends all the same.
TEST_F(ShutdownOnTcp, JobThatHangsDoesNotKeepTheProcess) {
  Process& node = cluster.start("node", {.toml = settings(0)});
  const auto client = cluster.client();
  const auto hangs = rpc_async(*client, to("node", kPatient), probe::kHang);
  ASSERT_TRUE(node.wait_for_line(Process::Stream::kError, "hangs"));
  node.send_signal(SIGTERM);
  EXPECT_EQ(error_of(hangs).code(), StatusCode::kUnavailable);
  EXPECT_EQ(node.wait_for_end().value_or(Ending()).code, 1);
  EXPECT_TRUE(node.wait_for_line(Process::Stream::kError, "a job on the pool, or a handler, does not end"));
}

// Nor need anybody wait for those seconds.
TEST_F(ShutdownOnTcp, ThirdSignalEndsTheProcessAtOnce) {
  Process& node = cluster.start("node", {.toml = settings(600'000)});
  const auto client = cluster.client();
  const auto hangs = rpc_async(*client, to("node", kPatient), probe::kHang);
  ASSERT_TRUE(node.wait_for_line(Process::Stream::kError, "hangs"));
  node.send_signal(SIGTERM);
  ASSERT_TRUE(node.wait_for_line(Process::Stream::kError, "SIGTERM: no new calls"));
  node.send_signal(SIGTERM);
  EXPECT_EQ(error_of(hangs).code(), StatusCode::kUnavailable);
  node.send_signal(SIGTERM);
  EXPECT_EQ(node.wait_for_end().value_or(Ending()).code, kExitOfThirdSigterm);
}

}  // namespace
}  // namespace onward::testing_support
