// SPDX-License-Identifier: Apache-2.0
//
// Functions that are coroutines, over real connections.
#include <chrono>
#include <string>
#include <vector>

#include "node_fixture.h"
#include "onward/retry.h"
#include "onward/task.h"

namespace onward::test {
namespace {

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;
using std::chrono_literals::operator""h;
using ::testing::AllOf;
using ::testing::HasSubstr;

Task<int> add_three(int x, int y, int z) {
  const int sum = co_await rpc_async(to("b", {.timeout = 5s}), add_numbers, x, y);
  co_return co_await rpc_async("b", add_numbers, sum, z);
}
Task<std::string> greet(std::string name) {
  co_await sleep_for(1ms);
  co_return "hello, " + name;
}
Task<void> fail_later() {
  co_await sleep_for(1ms);
  throw RpcError(StatusCode::kNotFound, "nothing here");
}
Task<int> on_the_pool(int x) {
  co_return co_await pool().run([x] { return x * x; }) + 1;
}
Task<int> depth(int n) {
  if (n == 0) co_return 0;
  co_return 1 + co_await rpc_async("b", depth, n - 1);
}

class NodeTaskTest : public NodeTest {
 protected:
  void SetUp() override {
    start_pair([this](FunctionTable& table) {
      ASSERT_TRUE(table.add("add_numbers", &add_numbers).ok());
      ASSERT_TRUE(table.add("add_three", &add_three).ok());
      ASSERT_TRUE(table.add("greet", &greet).ok());
      ASSERT_TRUE(table.add("fail_later", &fail_later).ok());
      ASSERT_TRUE(table.add("on_the_pool", &on_the_pool).ok());
      ASSERT_TRUE(table.add("depth", &depth).ok());
      // Kept by the table, so it may have captures.
      ASSERT_TRUE(table.add("park", [this]() -> Task<int> { return park(*this); }).ok());
      ASSERT_TRUE(table
                      .add("at_once",
                           [this]() -> Task<int> {
                             ++at_once;
                             co_return 7;
                           })
                      .ok());
    });
  }
  struct Guard {
    Event& gone;
    ~Guard() { gone.set(); }
  };
  static Task<int> park(NodeTaskTest& test) {
    const Guard guard{test.unwound};
    test.parked.set();
    co_return co_await test.never;
  }
  Event parked;
  Event unwound;
  std::atomic<int> at_once = 0;
  const Future<int> never{static_cast<LoopHandle*>(nullptr)};
  const Remote<int()> call_park = remote<int()>("park");
};

TEST_F(NodeTaskTest, AFunctionMayBeACoroutine) {
  EXPECT_EQ(rpc_sync(*a, "b", add_three, 1, 2, 3), 6);
  EXPECT_EQ(rpc_sync(*a, "b", greet, "a"), "hello, a");
  EXPECT_EQ(rpc_sync(*a, "b", on_the_pool, 4), 17);
  EXPECT_EQ(rpc_sync(*a, "b", remote<int()>("at_once")), 7);
}

TEST_F(NodeTaskTest, WhatItThrowsReachesTheCaller) {
  const Status status = error_of(rpc_async(*a, "b", fail_later));
  EXPECT_EQ(status.code(), StatusCode::kNotFound);
  EXPECT_EQ(status.message(), "nothing here");
  ASSERT_EQ(status.trail().size(), 1U);
  EXPECT_EQ(status.trail()[0].function, "fail_later");
}

TEST_F(NodeTaskTest, B19_NestedToAThousand) { EXPECT_EQ(rpc_sync(*a, "b", depth, 1000), 1000); }

TEST_F(NodeTaskTest, CancellationUnwindsIt) {
  const CallContext context = CallContext::make(a->loop());
  const Future<int> call = call_in(context, *a, "b", call_park);
  ASSERT_TRUE(parked.wait());
  context.cancel();
  EXPECT_TRUE(unwound.wait());
  EXPECT_EQ(error_of(call).code(), StatusCode::kCancelled);
}

TEST_F(NodeTaskTest, TheCallersDeadlineUnwindsIt) {
  const Status status = error_of(rpc_async(*a, to("b", {.timeout = 20ms}), call_park));
  EXPECT_EQ(status.code(), StatusCode::kDeadlineExceeded);
  EXPECT_TRUE(unwound.wait());
}

TEST_F(NodeTaskTest, ShutdownUnwindsIt) {
  const Future<int> call = rpc_async(*a, "b", call_park);
  ASSERT_TRUE(parked.wait());
  b->stop(Duration::zero());
  EXPECT_TRUE(unwound.wait());
  EXPECT_EQ(error_of(call).code(), StatusCode::kUnavailable);
}

TEST_F(NodeTaskTest, AClientMaySpawnToo) {
  const Future<int> sum = spawn(
      [this]() -> Task<int> {
        const int first = co_await rpc_async(*a, to("b", {.timeout = 5s}), add_numbers, 1, 2);
        co_return co_await rpc_async(*a, "b", add_numbers, first, 3);
      },
      &a->loop());
  EXPECT_EQ(sum.wait(kHang), 6);
}

TEST_F(NodeTaskTest, RetryAndHedgeInsideOfIt) {
  const Future<int> sum = spawn(
      [this]() -> Task<int> {
        const int first = co_await retry([this] { return rpc_async(*a, "b", add_numbers, 1, 2); });
        const auto again = [this](unsigned) { return rpc_async(*a, "b", add_numbers, 3, 4); };
        co_return first + co_await hedge(again);
      },
      &a->loop());
  EXPECT_EQ(sum.wait(kHang), 10);
}

TEST_F(NodeTaskTest, TheLoserOfAHedgeIsCancelledAtItsNode) {
  const Future<int> result = spawn(
      [this]() -> Task<int> {
        const HedgeOptions options{.delay = 1ms};
        co_return co_await hedge(
            [this](unsigned copy) {
              return copy == 0 ? rpc_async(*a, "b", call_park) : rpc_async(*a, "b", add_numbers, 3, 4);
            },
            options);
      },
      &a->loop());
  EXPECT_EQ(result.wait(kHang), 7);
  EXPECT_TRUE(unwound.wait());
  EXPECT_TRUE(wait_until_parked(*b, 0));
}

TEST_F(NodeTaskTest, WithTimeoutCancelsWhatItRuns) {
  const Future<int> result = spawn(
      [this]() -> Task<int> {
        co_return co_await with_timeout([this] { return rpc_async(*a, "b", call_park); }, 20ms);
      },
      &a->loop());
  EXPECT_EQ(error_of(result).code(), StatusCode::kDeadlineExceeded);
  EXPECT_TRUE(unwound.wait());
}

}  // namespace
}  // namespace onward::test
