// SPDX-License-Identifier: Apache-2.0
//
// Bounds: requests in flight, sizes both ways, calls that wait, threads.
#include <thread>

#include "node_fixture.h"

namespace onward {
namespace {

using namespace std::chrono_literals;
using test::add_numbers;
using test::echo;
using test::error_of;
using test::kHang;
using ::testing::AllOf;
using ::testing::HasSubstr;

std::string repeat(std::string_view text, int times) {
  std::string result;
  for (int i = 0; i < times; ++i) result += text;
  return result;
}

class NodeLimitsTest : public test::NodeTest {
 protected:
  void add_functions(FunctionTable& table) {
    ASSERT_TRUE(table.add("add", &add_numbers).ok());
    ASSERT_TRUE(table.add("echo", &echo).ok());
    ASSERT_TRUE(table.add("repeat", &repeat).ok());
    ASSERT_TRUE(table.add("park", [this] { return parked; }).ok());
    ASSERT_TRUE(
        table
            .add("shout",
                 [](int bytes) -> int { throw std::runtime_error(std::string(static_cast<std::size_t>(bytes), '!')); })
            .ok());
  }
  // Each over TCP, where the transport holds the peer to its limits.
  void start_limited(NodeOptions client, NodeOptions server) {
    server.listen = {"tcp://127.0.0.1:0"};
    start_pair(std::move(client), std::move(server), [this](FunctionTable& table) { add_functions(table); });
  }
  const Remote<int()> park = remote<int()>("park");
  const Future<int> parked{static_cast<LoopHandle*>(nullptr)};
};

TEST_F(NodeLimitsTest, RequestsBeyondMaxInFlightAreRefused) {
  NodeOptions server = options("b");
  server.per_connection.max_in_flight = 3;
  start_limited(options("a"), std::move(server));
  std::vector<Future<int>> held;
  for (int i = 0; i < 3; ++i) held.push_back(rpc_async(*a, "b", park));
  ASSERT_TRUE(wait_until_parked(*b, 3));
  const Status status = error_of(rpc_async(*a, "b", add_numbers, 1, 2));
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(status.message(), AllOf(HasSubstr("3 requests"), HasSubstr("limits.max_in_flight")));
  parked.mark_complete(1);
  for (const auto& call : held) EXPECT_EQ(call.wait(kHang), 1);
  EXPECT_EQ(rpc_sync(*a, "b", add_numbers, 1, 2), 3);
}

TEST_F(NodeLimitsTest, TheLimitIsPerConnection) {
  NodeOptions server = options("b");
  server.per_connection.max_in_flight = 1;
  start_limited(options("a"), std::move(server));
  const auto held = rpc_async(*a, "b", park);
  ASSERT_TRUE(wait_until_parked(*b, 1));
  const auto other = start(options("other"));
  EXPECT_EQ(rpc_sync(*other, b->listening().front().to_string(), remote<int(int, int)>("add"), 1, 2), 3);
  parked.mark_complete(1);
  EXPECT_EQ(held.wait(kHang), 1);
}

TEST_F(NodeLimitsTest, ARequestThatThePeerWouldNotTakeIsNotSent) {
  NodeOptions server = options("b");
  server.limits.max_body_bytes = 2000;
  server.limits.max_message_bytes = 10'000;
  start_limited(options("a"), std::move(server));
  const Status body = error_of(rpc_async(*a, "b", repeat, std::string(3000, 'x'), 1));
  EXPECT_EQ(body.code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(body.message(),
              AllOf(HasSubstr("call of repeat at b"), HasSubstr("body 2000"), HasSubstr("raise its limits")));
  const Status whole = error_of(rpc_async(*a, "b", echo, Buffer::allocate(11'000)));
  EXPECT_EQ(whole.code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(rpc_sync(*a, "b", echo, Buffer::copy_of(std::string(9000, 'y'))).size(), 9000U);
  EXPECT_EQ(lines.count("ended"), 0U) << lines.text();  // on the same connection
}

TEST_F(NodeLimitsTest, AResultThatTheCallerWouldNotTakeIsAnError) {
  NodeOptions client = options("a");
  client.limits.max_body_bytes = 2000;
  client.limits.max_message_bytes = 10'000;
  start_limited(std::move(client), options("b"));
  const Status status = error_of(rpc_async(*a, "b", repeat, std::string(100, 'x'), 30));
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(status.message(), AllOf(HasSubstr("the result of repeat cannot be sent"), HasSubstr("body 2000")));
  EXPECT_EQ(rpc_sync(*a, "b", add_numbers, 1, 2), 3);
  EXPECT_EQ(lines.count("ended"), 0U) << lines.text();
}

TEST_F(NodeLimitsTest, AnErrorThatTheCallerWouldNotTakeIsCut) {
  for (const std::uint32_t limit : {300U, 2000U, 20'000U}) {
    const std::size_t ended = lines.count("ended");
    NodeOptions client = options("a");
    client.limits.max_body_bytes = limit;
    start_limited(std::move(client), options("b"));
    const Status status = error_of(rpc_async(*a, "b", remote<int(int)>("shout"), 60'000));
    EXPECT_EQ(status.code(), StatusCode::kUnknown) << limit << ": " << status.to_string();
    EXPECT_THAT(status.message(), HasSubstr("!!!"));
    EXPECT_EQ(status.type(), "std::runtime_error");
    EXPECT_EQ(rpc_sync(*a, "b", add_numbers, 1, 2), 3);
    EXPECT_EQ(lines.count("ended"), ended) << lines.text();
    b.reset();
    a.reset();
  }
}

TEST_F(NodeLimitsTest, CallsThatWaitForAConnectionAreBounded) {
  NodeOptions client = options("a");
  introduce(client, "b");
  client.max_waiting_calls = 5;
  a = start(std::move(client), [this](FunctionTable& table) { add_functions(table); });
  std::vector<Future<int>> waiting;
  for (int i = 0; i < 5; ++i) waiting.push_back(rpc_async(*a, "b", add_numbers, i, 0));
  const Status status = error_of(rpc_async(*a, "b", add_numbers, 9, 9));
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(status.message(), HasSubstr("limits.max_waiting_calls"));
  b = start(options("b"), [this](FunctionTable& table) { add_functions(table); });
  for (int i = 0; i < 5; ++i) EXPECT_EQ(waiting[static_cast<std::size_t>(i)].wait(kHang), i);
}

TEST_F(NodeLimitsTest, AFullPoolRefusesAndTheNodeServesOn) {
  test::Event gate;
  NodeOptions server = options("b");
  server.pool = {.threads = 1, .queue_limit = 1};
  start_pair(options("a"), std::move(server), [&](FunctionTable& table) {
    add_functions(table);
    ASSERT_TRUE(table.add("hold", blocking([&] { EXPECT_TRUE(gate.wait()); })).ok());
  });
  std::vector<Future<void>> held;
  for (int i = 0; i < 5; ++i) held.push_back(rpc_async(*a, "b", remote<void()>("hold")));
  EXPECT_EQ(rpc_sync(*a, "b", add_numbers, 1, 2), 3);
  EXPECT_TRUE(wait_until(*b, [](const auto& s) { return s.pool_queued == 1; }));
  gate.set();
  int refused = 0;
  for (const auto& call : held) {
    const Status status = error_of(call);
    if (status.ok()) continue;
    EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
    EXPECT_THAT(status.message(), HasSubstr("the pool of node b is full"));
    ++refused;
  }
  EXPECT_EQ(refused, 3);
}

// Behaviour 20: each step holds a thread of its node until the next has answered.
int ping_pong(int depth) {
  if (depth == 0) return 0;
  const char* other = Node::current()->name() == "a" ? "b" : "a";
  return rpc_sync(to(other, {.timeout = 300ms}), remote<int(int)>("ping_pong"), depth - 1) + 1;
}

TEST_F(NodeLimitsTest, B20_ASynchronousPingPongDeeperThanThePoolRecovers) {
  NodeOptions client = options("a");
  NodeOptions server = options("b");
  client.pool.threads = server.pool.threads = 2;
  start_pair(std::move(client), std::move(server), [this](FunctionTable& table) {
    add_functions(table);
    ASSERT_TRUE(table.add("ping_pong", blocking(&ping_pong)).ok());
  });
  EXPECT_EQ(rpc_sync(*a, "b", ping_pong, 3), 3);
  for (int round = 0; round < 2; ++round) {
    const auto deep = rpc_async(*a, to("b", {.timeout = 5s}), ping_pong, 12);
    EXPECT_EQ(rpc_sync(*a, "b", add_numbers, 1, 2), 3);  // meanwhile
    const Status status = error_of(deep);
    EXPECT_EQ(status.code(), StatusCode::kDeadlineExceeded) << status.to_string();
    EXPECT_GE(status.trail().size(), 1U);
    EXPECT_EQ(rpc_sync(*a, "b", ping_pong, 3), 3);  // and afterwards
  }
}

// ---- Scale (behaviours 18 and 19).

TEST_F(NodeLimitsTest, B18_TenThousandParkedRequestsAndOthersAreServed) {
  NodeOptions server = options("b");
  server.pool.threads = 4;
  start_limited(options("a"), std::move(server));
  std::vector<Future<int>> held;
  for (int i = 0; i < 10'000; ++i) held.push_back(rpc_async(*a, to("b", {.timeout = kNoTimeout}), park));
  ASSERT_TRUE(wait_until_parked(*b, 10'000));
  for (int i = 0; i < 100; ++i) ASSERT_EQ(rpc_sync(*a, "b", add_numbers, i, 1), i + 1);
  parked.mark_complete(7);
  for (const auto& call : held) ASSERT_EQ(call.wait(kHang), 7);
}

Future<int> bounce(int depth) {
  if (depth == 0) return Future<int>::of(0);
  const char* other = Node::current()->name() == "a" ? "b" : "a";
  return rpc_async(other, remote<int(int)>("bounce"), depth - 1).then([](int below) { return below + 1; });
}

TEST_F(NodeLimitsTest, B19_AnAsyncPingPongToDepthTenThousand) {
  start_pair([](FunctionTable& table) { ASSERT_TRUE(table.add("bounce", &bounce).ok()); });
  EXPECT_EQ(rpc_async(*a, to("b", {.timeout = kNoTimeout}), bounce, 10'000).wait(kHang * 3), 10'000);
}

TEST_F(NodeLimitsTest, B19_AFanOutOfAThousandAndAChainOfAThousand) {
  start_pair([this](FunctionTable& table) {
    add_functions(table);
    ASSERT_TRUE(table
                    .add("fan_out",
                         [](int n) {
                           std::vector<Future<int>> parts;
                           for (int i = 0; i < n; ++i) parts.push_back(rpc_async("a", add_numbers, i, 1));
                           return when_all(parts).then([](const std::vector<int>& all) {
                             int sum = 0;
                             for (const int each : all) sum += each;
                             return sum;
                           });
                         })
                    .ok());
    ASSERT_TRUE(table
                    .add("chain",
                         [](int n) {
                           Future<int> end = Future<int>::of(0);
                           for (int i = 0; i < n; ++i)
                             end = end.then([](int x) { return rpc_async("a", add_numbers, x, 1); });
                           return end;
                         })
                    .ok());
  });
  EXPECT_EQ(rpc_sync(*a, "b", remote<int(int)>("fan_out"), 1000), 500'500);
  EXPECT_EQ(rpc_sync(*a, "b", remote<int(int)>("chain"), 1000), 1000);
}

TEST_F(NodeLimitsTest, ANodeThatCallsItselfForEverServesOthers) {
  std::atomic<bool> stop = false;
  start_pair([&](FunctionTable& table) {
    add_functions(table);
    ASSERT_TRUE(table
                    .add("spin",
                         [&](int x) {
                           if (!stop) rpc_async("b", remote<void(int)>("spin"), x + 1).on_error([](const Status&) {});
                         })
                    .ok());
  });
  const Status first = error_of(rpc_async(*a, "b", remote<void(int)>("spin"), 0));
  EXPECT_TRUE(first.ok()) << first.to_string();
  for (int i = 0; i < 20 && first.ok(); ++i) EXPECT_TRUE(error_of(rpc_async(*a, "b", add_numbers, i, 1)).ok());
  stop = true;
  b->stop();  // while there is a flag to read
}

}  // namespace
}  // namespace onward
