// SPDX-License-Identifier: Apache-2.0
//
// Behaviours 4 and 17: deadlines on the caller's side, and what becomes of answers that come too late.
#include <thread>

#include "node_fixture.h"

namespace onward {
namespace {

using namespace std::chrono_literals;
using test::add_numbers;
using test::error_of;
using test::kHang;
using ::testing::AllOf;
using ::testing::HasSubstr;

// Its server parks every call of "park" until the test completes it.
class NodeTimeoutTest : public test::NodeTest {
 protected:
  void start_parking(NodeOptions client) {
    start_pair(std::move(client), options("b"), [this](FunctionTable& table) {
      ASSERT_TRUE(table.add("add", &add_numbers).ok());
      ASSERT_TRUE(table
                      .add("park",
                           [this] {
                             ++arrived;
                             return parked;
                           })
                      .ok());
    });
  }
  void start_parking() { start_parking(options("a")); }

  const Remote<int()> park = remote<int()>("park");
  const Future<int> parked{static_cast<LoopHandle*>(nullptr)};
  std::atomic<int> arrived = 0;
};

TEST_F(NodeTimeoutTest, B04_NeverCompletedMeansTheDeadline) {
  start_parking();
  const Status status = error_of(rpc_async(*a, to("b", {.timeout = 30ms}), park));
  EXPECT_EQ(status.code(), StatusCode::kDeadlineExceeded);
  EXPECT_THAT(status.message(), AllOf(HasSubstr("call of park"), HasSubstr("b (inproc://b)"), HasSubstr("30 ms")));
  EXPECT_EQ(a->statistics().calls_in_flight, 0U);
}

TEST_F(NodeTimeoutTest, B04_ALateCompletionIsDroppedQuietly) {
  start_parking();
  const auto call = rpc_async(*a, to("b", {.timeout = 20ms}), park);
  EXPECT_EQ(error_of(call).code(), StatusCode::kDeadlineExceeded);
  ASSERT_TRUE(wait_until(*b, [this](const auto& s) { return arrived == 1 && s.requests_in_flight == 0; }));
  EXPECT_NO_THROW(parked.mark_complete(5));
  EXPECT_EQ(rpc_sync(*a, "b", add_numbers, 1, 2), 3);  // behind a late answer, if there were one
  EXPECT_EQ(call.status().code(), StatusCode::kDeadlineExceeded);
  EXPECT_EQ(b->statistics().requests_in_flight, 0U);
  EXPECT_EQ(lines.count("never looked at"), 0U) << lines.text();
}

TEST_F(NodeTimeoutTest, B04_ALateAnswerDoesNotAnswerALaterCall) {
  start_parking();
  for (int i = 0; i < 20; ++i) EXPECT_FALSE(error_of(rpc_async(*a, to("b", {.timeout = 1ms}), park)).ok());
  // The slots of the late ones are used again.
  std::vector<Future<int>> sums;
  for (int i = 0; i < 40; ++i) sums.push_back(rpc_async(*a, "b", add_numbers, i, 0));
  parked.mark_complete(-1);
  for (int i = 0; i < 40; ++i) sums.push_back(rpc_async(*a, "b", add_numbers, i, 0));
  for (int i = 0; i < 80; ++i) EXPECT_EQ(sums[static_cast<std::size_t>(i)].wait(kHang), i % 40);
}

TEST_F(NodeTimeoutTest, B17_TheNodesDefaultHoldsWithoutAnother) {
  NodeOptions client = options("a");
  client.timeout = 25ms;
  start_parking(std::move(client));
  const Status status = error_of(rpc_async(*a, "b", park));
  EXPECT_EQ(status.code(), StatusCode::kDeadlineExceeded);
  EXPECT_THAT(status.message(), HasSubstr("25 ms"));
}

TEST_F(NodeTimeoutTest, B17_ACallMayHaveItsOwn) {
  NodeOptions client = options("a");
  client.timeout = 1ms;
  start_parking(std::move(client));
  const auto longer = rpc_async(*a, to("b", {.timeout = 10min}), park);
  const auto by_default = rpc_async(*a, "b", park);
  EXPECT_EQ(error_of(by_default).code(), StatusCode::kDeadlineExceeded);
  ASSERT_TRUE(wait_until(*b, [&](const auto&) { return arrived == 2 || arrived == 1; }));
  EXPECT_FALSE(longer.done());
  parked.mark_complete(3);
  EXPECT_EQ(longer.wait(kHang), 3);
}

TEST_F(NodeTimeoutTest, B17_NoneIsDistinctFromZero) {
  NodeOptions client = options("a");
  client.timeout = 1ms;
  start_parking(std::move(client));
  const auto none = rpc_async(*a, to("b", {.timeout = kNoTimeout}), park);
  const auto zero = rpc_async(*a, to("b", {.timeout = 0ms}), park);
  const auto negative = rpc_async(*a, to("b", {.timeout = -1s}), park);
  for (const auto& call : {zero, negative}) {
    const Status status = error_of(call);
    EXPECT_EQ(status.code(), StatusCode::kDeadlineExceeded);
    EXPECT_THAT(status.message(), AllOf(HasSubstr("call of park at b"), HasSubstr("before it was sent")));
  }
  // Longer than the default: by the time that another call has run into it.
  EXPECT_EQ(error_of(rpc_async(*a, "b", park)).code(), StatusCode::kDeadlineExceeded);
  EXPECT_FALSE(none.done());
  parked.mark_complete(4);
  EXPECT_EQ(none.wait(kHang), 4);
}

TEST_F(NodeTimeoutTest, B17_WhatHasExpiredIsNotSent) {
  start_parking();
  EXPECT_EQ(error_of(rpc_async(*a, to("b", {.timeout = 0ms}), park)).code(), StatusCode::kDeadlineExceeded);
  EXPECT_EQ(rpc_sync(*a, "b", add_numbers, 1, 2), 3);
  EXPECT_EQ(arrived, 0);
}

TEST_F(NodeTimeoutTest, B17_ANewDefaultHoldsForNewCallsOnly) {
  start_parking();
  const auto before = rpc_async(*a, "b", park);
  ASSERT_TRUE(wait_until_parked(*b, 1));
  a->set_default_timeout(1ms);
  EXPECT_EQ(error_of(rpc_async(*a, "b", park)).code(), StatusCode::kDeadlineExceeded);
  EXPECT_FALSE(before.done());
  a->set_default_timeout(kNoTimeout);
  const auto after = rpc_async(*a, "b", park);
  parked.mark_complete(6);
  EXPECT_EQ(before.wait(kHang), 6);
  EXPECT_EQ(after.wait(kHang), 6);
}

TEST_F(NodeTimeoutTest, B17_ADefaultOfZeroFailsAllCallsThatSetNone) {
  start_parking();
  a->set_default_timeout(0ms);
  EXPECT_EQ(error_of(rpc_async(*a, "b", add_numbers, 1, 2)).code(), StatusCode::kDeadlineExceeded);
  EXPECT_EQ(rpc_async(*a, to("b", {.timeout = 5s}), add_numbers, 1, 2).wait(kHang), 3);
}

TEST_F(NodeTimeoutTest, VeryLongTimeoutsAreNoOverflow) {
  start_parking();
  for (const Duration timeout :
       {kNoTimeout - 1ns, kNoTimeout - 1ms, kNoTimeout / 2, Duration(24h * 365 * 100), Duration(50 * 24h)}) {
    EXPECT_EQ(rpc_async(*a, to("b", {.timeout = timeout}), add_numbers, 1, 2).wait(kHang), 3) << timeout.count();
  }
}

TEST_F(NodeTimeoutTest, TinyTimeoutsAreRoundedUpAndNotToNone) {
  start_parking();
  const Status status = error_of(rpc_async(*a, to("b", {.timeout = 1ns}), park));
  EXPECT_EQ(status.code(), StatusCode::kDeadlineExceeded);
  EXPECT_THAT(status.message(), HasSubstr("1 ms"));
}

TEST_F(NodeTimeoutTest, ABlockingFunctionThatIsTooLateIsNotRun) {
  test::Event begun;
  test::Event gate;
  std::atomic<int> ran = 0;
  NodeOptions server = options("b");
  server.pool.threads = 1;
  start_pair(options("a"), std::move(server), [&](FunctionTable& table) {
    ASSERT_TRUE(table
                    .add("hold", blocking([&] {
                           begun.set();
                           EXPECT_TRUE(gate.wait());
                         }))
                    .ok());
    ASSERT_TRUE(table.add("run", blocking([&] { return ++ran; })).ok());
  });
  const auto held = rpc_async(*a, "b", remote<void()>("hold"));
  ASSERT_TRUE(begun.wait());
  EXPECT_EQ(error_of(rpc_async(*a, to("b", {.timeout = 10ms}), remote<int()>("run"))).code(),
            StatusCode::kDeadlineExceeded);
  // The server counts the same 10 ms from when it came.
  const auto late = std::chrono::steady_clock::now() + 20ms;
  while (std::chrono::steady_clock::now() < late) std::this_thread::yield();
  gate.set();
  held.wait(kHang);
  EXPECT_EQ(rpc_sync(*a, "b", remote<int()>("run")), 1);
}

TEST_F(NodeTimeoutTest, ManyCallsRunOutTogether) {
  start_parking();
  std::vector<Future<int>> calls;
  for (int i = 0; i < 5000; ++i) calls.push_back(rpc_async(*a, to("b", {.timeout = 20ms}), park));
  for (const auto& call : calls) ASSERT_EQ(error_of(call).code(), StatusCode::kDeadlineExceeded);
  EXPECT_EQ(a->statistics().calls_in_flight, 0U);
  parked.mark_complete(1);
  EXPECT_EQ(rpc_sync(*a, "b", add_numbers, 1, 2), 3);
}

}  // namespace
}  // namespace onward
