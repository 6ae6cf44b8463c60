// SPDX-License-Identifier: Apache-2.0
//
// Behaviour 21: how a node ends.
#include <thread>

#include "node_fixture.h"

namespace onward {
namespace {

using namespace std::chrono_literals;
using test::add_numbers;
using test::error_of;
using test::Event;
using test::kHang;
using test::thrown_by;
using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::HasSubstr;

class NodeStopTest : public test::NodeTest {
 protected:
  void start_parking() {
    start_pair([this](FunctionTable& table) {
      ASSERT_TRUE(table.add("add", &add_numbers).ok());
      ASSERT_TRUE(table.add("park", [this] { return parked; }).ok());
      ASSERT_TRUE(table
                      .add("hold", blocking([this] {
                             begun.set();
                             EXPECT_TRUE(gate.wait());
                             return 1;
                           }))
                      .ok());
    });
  }
  const Remote<int()> park = remote<int()>("park");
  const Future<int> parked{static_cast<LoopHandle*>(nullptr)};
  Event begun;
  Event gate;
};

TEST_F(NodeStopTest, B21_CallsInFlightFinish) {
  start_parking();
  const auto waiting = rpc_async(*a, "b", park);
  const auto held = rpc_async(*a, "b", remote<int()>("hold"));
  ASSERT_TRUE(begun.wait());
  ASSERT_TRUE(wait_until_parked(*b, 2));
  std::thread stopper([&] { b->stop(kHang); });
  ASSERT_TRUE(lines.wait_for("takes no more calls"));  // a has been told
  gate.set();
  parked.mark_complete(5);
  stopper.join();
  EXPECT_EQ(waiting.wait(kHang), 5);
  EXPECT_EQ(held.wait(kHang), 1);
}

TEST_F(NodeStopTest, B21_ItsOwnCallsFinishToo) {
  start_parking();
  const auto call = rpc_async(*a, "b", park);
  ASSERT_TRUE(wait_until_parked(*b, 1));
  std::thread stopper([&] { a->stop(kHang); });
  parked.mark_complete(5);
  stopper.join();
  EXPECT_EQ(call.wait(kHang), 5);
}

TEST_F(NodeStopTest, B21_ParkedCallsGetUnavailableAtTheDeadline) {
  start_parking();
  const auto call = rpc_async(*a, "b", park);
  ASSERT_TRUE(wait_until_parked(*b, 1));
  b->stop(20ms);
  const Status status = error_of(call);
  EXPECT_EQ(status.code(), StatusCode::kUnavailable);
  EXPECT_THAT(status.to_string(), AllOf(HasSubstr("node b is shutting down"), HasSubstr("at node b, function park")));
  EXPECT_NO_THROW(parked.mark_complete(1));  // late, and nobody's error
}

TEST_F(NodeStopTest, B21_ItsOwnCallsFailAtTheDeadline) {
  start_parking();
  const auto call = rpc_async(*a, "b", park);
  const auto child = call.then([](int x) { return x; });
  ASSERT_TRUE(wait_until_parked(*b, 1));
  a->stop(0s);
  EXPECT_EQ(error_of(call).code(), StatusCode::kUnavailable);
  EXPECT_EQ(error_of(child).code(), StatusCode::kUnavailable);
}

TEST_F(NodeStopTest, B21_CallsThatWaitForAConnectionFail) {
  NodeOptions client = options("a");
  introduce(client, "b");
  a = start(std::move(client));
  const auto call = rpc_async(*a, to("b", {.timeout = kNoTimeout}), park);
  a->stop(0s);
  EXPECT_EQ(error_of(call).code(), StatusCode::kUnavailable);
}

TEST_F(NodeStopTest, B21_NewRequestsAreRefusedWhileItDrains) {
  start_parking();
  const auto waiting = rpc_async(*a, "b", park);
  ASSERT_TRUE(wait_until_parked(*b, 1));
  std::thread stopper([&] { b->stop(kHang); });
  ASSERT_TRUE(lines.wait_for("takes no more calls"));
  // Told so, a does not send it, but looks for a new connection; nobody listens.
  const Status status = error_of(rpc_async(*a, to("b", {.timeout = 5s, .fail_fast = true}), add_numbers, 1, 2));
  EXPECT_EQ(status.code(), StatusCode::kUnavailable);
  parked.mark_complete(1);
  stopper.join();
}

TEST_F(NodeStopTest, B21_ACallAfterShutdownFailsAtOnceAndSaysWhy) {
  start_parking();
  const PeerHandle peer = a->peer("b");
  a->stop();
  for (const Destination& destination : {Destination("b"), Destination(peer), Destination("inproc://b")}) {
    const Status status = error_of(rpc_async(*a, destination, add_numbers, 1, 2));
    EXPECT_EQ(status.code(), StatusCode::kUnavailable);
    EXPECT_THAT(status.message(), HasSubstr("node a has shut down"));
  }
  EXPECT_EQ(thrown_by([&] { return rpc_sync(*a, a->peer("b"), add_numbers, 1, 2); }).code(), StatusCode::kUnavailable);
  EXPECT_EQ(error_of(a->pool().run([] { return 1; })).code(), StatusCode::kUnavailable);
}

TEST_F(NodeStopTest, B21_ShutdownTwiceIsFine) {
  start_parking();
  a->stop();
  a->stop(0s);
  std::thread one([&] { b->stop(); });
  std::thread two([&] { b->stop(); });
  one.join();
  two.join();
}

TEST_F(NodeStopTest, B21_ThreadsThatWaitAreToldUnavailable) {
  start_parking();
  const Future<int> own(&b->loop());
  const Future<int> kept = own;
  Status status;
  std::thread waiter([&] { status = thrown_by([&] { return own.wait(); }); });
  b->stop(0s);
  waiter.join();
  EXPECT_EQ(status.code(), StatusCode::kUnavailable);
}

TEST_F(NodeStopTest, B21_HandlersThatWaitOnThePoolAreWokenUp) {
  start_pair([this](FunctionTable& table) {
    ASSERT_TRUE(table.add("park", [this] { return parked; }).ok());
    ASSERT_TRUE(table
                    .add("wait", blocking([this] {
                           begun.set();
                           return rpc_sync("a", park);
                         }))
                    .ok());
  });
  const auto call = rpc_async(*a, "b", remote<int()>("wait"));
  ASSERT_TRUE(begun.wait());
  ASSERT_TRUE(wait_until_parked(*a, 1));
  b->stop(10ms);
  EXPECT_EQ(error_of(call).code(), StatusCode::kUnavailable);
}

TEST_F(NodeStopTest, B21_TheOtherSideLearnsOfIt) {
  start_parking();
  EXPECT_EQ(rpc_sync(*a, "b", add_numbers, 1, 2), 3);
  EXPECT_EQ(a->statistics().connections, 1U);
  b->stop();
  EXPECT_TRUE(wait_until(*a, [](const auto& s) { return s.connections == 0; }));
}

TEST_F(NodeStopTest, ANodeThatNeverStartedEnds) {
  {
    const Node never(options("n"));
  }
  Node stopped(options("n"));
  stopped.stop();
  stopped.stop();
}

TEST_F(NodeStopTest, StartIsForOnce) {
  start_parking();
  const Status again = a->start();
  EXPECT_EQ(again.code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(rpc_sync(*a, "b", add_numbers, 1, 2), 3);
  a->stop();
  EXPECT_EQ(a->start().code(), StatusCode::kFailedPrecondition);
}

TEST_F(NodeStopTest, AnAddressIsFreeAgainOnceItsNodeHasStopped) {
  for (int i = 0; i < 3; ++i) {
    b = start(options("b"));
    b->stop();
  }
}

TEST_F(NodeStopTest, StopFromAHandlerIsRefused) {
  start_pair([](FunctionTable& table) {
    ASSERT_TRUE(table.add("add", &add_numbers).ok());
    ASSERT_TRUE(table.add("stop", [] { Node::current()->stop(); }).ok());
  });
  EXPECT_EQ(error_of(rpc_async(*a, "b", remote<void()>("stop"))).code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(rpc_sync(*a, "b", add_numbers, 1, 2), 3);
}

TEST_F(NodeStopTest, StoppingWhileCallsPourIn) {
  for (int round = 0; round < 5; ++round) {
    start_parking();
    std::atomic<bool> stop = false;
    std::atomic<int> unexpected = 0;
    std::vector<std::thread> threads;
    for (int t = 0; t < 2; ++t) {
      threads.emplace_back([&] {
        while (!stop) {
          const Status status = error_of(rpc_async(*a, to("b", {.timeout = 5s, .fail_fast = true}), add_numbers, 1, 2));
          if (!status.ok() && status.code() != StatusCode::kUnavailable) ++unexpected;
        }
      });
    }
    EXPECT_TRUE(rpc_async(*a, "b", add_numbers, 1, 2).wait(kHang) == 3);
    (round % 2 == 0 ? b : a)->stop(100ms);
    stop = true;
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(unexpected, 0);
    a.reset();
    b.reset();
  }
}

TEST_F(NodeStopTest, FuturesOutliveTheirNode) {
  start_parking();
  const auto call = rpc_async(*a, "b", add_numbers, 1, 2);
  EXPECT_EQ(call.wait(kHang), 3);
  const Future<int> own(&a->loop());
  const auto child = own.then([](int x) { return x; });
  a.reset();
  EXPECT_EQ(call.wait(), 3);
  own.mark_complete(1);
  EXPECT_EQ(child.status().code(), StatusCode::kUnavailable);
}

}  // namespace
}  // namespace onward
