// SPDX-License-Identifier: Apache-2.0
//
// Calls between nodes of one process, each test over inproc and over TCP.
#include <cstring>
#include <map>
#include <thread>

#include "node_fixture.h"

namespace onward {
namespace {

using namespace std::chrono_literals;
using test::add_numbers;
using test::echo;
using test::error_of;
using test::kHang;
using ::testing::ElementsAre;

std::string greet(std::string_view name) { return "Hello, " + std::string(name); }
Future<int> add_later(int x, int y) {
  return Future<int>::of(x).then([y](int value) { return value + y; });
}
int add_slowly(int x, int y) { return rpc_sync(Node::current()->name(), add_numbers, x, y); }
std::map<std::string, std::vector<double>> many(std::map<std::string, std::vector<double>> value) { return value; }

class NodeCallTest : public test::NodeTest, public ::testing::WithParamInterface<const char*> {
 protected:
  void start_over(const Register& more = {}) {
    NodeOptions server = options("b");
    if (GetParam() == std::string("tcp")) server.listen = {"tcp://127.0.0.1:0"};
    start_pair(options("a"), std::move(server), [&](FunctionTable& table) {
      ASSERT_TRUE(table.add("add", &add_numbers).ok());
      ASSERT_TRUE(table.add("greet", &greet).ok());
      ASSERT_TRUE(table.add("add_later", &add_later).ok());
      ASSERT_TRUE(table.add("add_slowly", blocking(&add_slowly)).ok());
      ASSERT_TRUE(table.add("echo", &echo).ok());
      ASSERT_TRUE(table.add("many", &many).ok());
      if (more) more(table);
    });
  }
};
INSTANTIATE_TEST_SUITE_P(Over, NodeCallTest, ::testing::Values("inproc", "tcp"),
                         [](const auto& parameter) { return std::string(parameter.param); });

TEST_P(NodeCallTest, ByTheFunctionItself) {
  start_over();
  EXPECT_EQ(rpc_sync(*a, "b", add_numbers, 1, 2), 3);
  EXPECT_EQ(rpc_async(*a, "b", greet, "world").wait(kHang), "Hello, world");
}

TEST_P(NodeCallTest, ByATypedHandle) {
  start_over();
  const auto add = remote<int(int, int)>("add");
  EXPECT_EQ(rpc_sync(*a, "b", add, 1, 2), 3);
  EXPECT_EQ(rpc_sync(*a, "b", remote<std::string(std::string)>("greet"), std::string("you")), "Hello, you");
}

TEST_P(NodeCallTest, ByPeerHandleAndUrl) {
  start_over();
  const PeerHandle peer = a->peer("b");
  EXPECT_EQ(rpc_sync(*a, peer, add_numbers, 1, 2), 3);
  EXPECT_EQ(rpc_sync(*a, b->listening().front().to_string(), add_numbers, 3, 4), 7);
  EXPECT_EQ(rpc_sync(*a, to("b", {.timeout = 5s}), add_numbers, 5, 6), 11);
}

TEST_P(NodeCallTest, AnyRunMode) {
  start_over();
  EXPECT_EQ(rpc_sync(*a, "b", add_later, 1, 2), 3);
  EXPECT_EQ(rpc_sync(*a, "b", add_slowly, 1, 2), 3);
}

TEST_P(NodeCallTest, AnyResult) {
  int ran = 0;
  start_over([&](FunctionTable& table) {
    ASSERT_TRUE(table.add("void", [&] { ++ran; }).ok());
    ASSERT_TRUE(table.add("ok", [] { return Status(); }).ok());
    ASSERT_TRUE(table.add("not_ok", [] { return Status(StatusCode::kAborted, "no"); }).ok());
    ASSERT_TRUE(table
                    .add("half",
                         [](int x) -> Result<int> {
                           return x % 2 == 0 ? Result<int>(x / 2) : fail(StatusCode::kInvalidArgument, "odd");
                         })
                    .ok());
    ASSERT_TRUE(table.add("void_later", [] { return Future<void>::of(); }).ok());
    ASSERT_TRUE(
        table.add("nested", [] { return Future<Future<Result<int>>>::of(Future<Result<int>>::of(Result<int>(6))); })
            .ok());
    ASSERT_TRUE(table.add("void_on_pool", blocking([] {})).ok());
  });
  rpc_sync(*a, "b", remote<void()>("void"));
  EXPECT_EQ(ran, 1);
  rpc_sync(*a, "b", remote<Status()>("ok"));
  EXPECT_EQ(error_of(rpc_async(*a, "b", remote<Status()>("not_ok"))).message(), "no");
  EXPECT_EQ(rpc_sync(*a, "b", remote<int(int)>("half"), 4), 2);
  EXPECT_EQ(error_of(rpc_async(*a, "b", remote<Result<int>(int)>("half"), 3)).message(), "odd");
  rpc_sync(*a, "b", remote<void()>("void_later"));
  EXPECT_EQ(rpc_sync(*a, "b", remote<int()>("nested")), 6);
  rpc_sync(*a, "b", remote<void()>("void_on_pool"));
}

TEST_P(NodeCallTest, AnySize) {
  start_over();
  for (const std::size_t size : {0U, 1U, 4095U, 4096U, 65'536U, 1'000'003U}) {
    Buffer sent = Buffer::allocate(size);
    if (size > 0) std::memset(sent.mutable_data(), static_cast<int>(size % 251), size);
    const Buffer received = rpc_sync(*a, "b", echo, sent);
    ASSERT_EQ(received.text(), sent.text());
    ASSERT_EQ(rpc_async(*a, to("b", {.codec = "raw"}), echo, sent).wait(kHang).text(), sent.text());
  }
  const std::map<std::string, std::vector<double>> nested = {
      {"", {}}, {"x", {1.5, -2}}, {"y", std::vector<double>(5000, 0.25)}};
  EXPECT_EQ(rpc_sync(*a, "b", many, nested), nested);
}

TEST_P(NodeCallTest, ItsOwnNode) {
  start_over();
  EXPECT_EQ(rpc_sync(*a, "a", add_numbers, 1, 2), 3);
  std::vector<Future<int>> sums;
  for (int i = 0; i < 1000; ++i) sums.push_back(rpc_async(*a, "a", add_later, i, 1));
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(sums[static_cast<std::size_t>(i)].wait(kHang), i + 1);
}

TEST_P(NodeCallTest, ManyInFlightAnswerTheRightOnes) {
  start_over();
  std::vector<Future<int>> sums;
  for (int i = 0; i < 5000; ++i) {
    sums.push_back(i % 3 == 0 ? rpc_async(*a, "b", add_numbers, i, 1) : rpc_async(*a, "b", add_later, i, 1));
  }
  for (int i = 0; i < 5000; ++i) ASSERT_EQ(sums[static_cast<std::size_t>(i)].wait(kHang), i + 1);
  EXPECT_EQ(a->statistics().calls_in_flight, 0U);
}

TEST_P(NodeCallTest, FromManyThreads) {
  start_over();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 200; ++i) ASSERT_EQ(rpc_sync(*a, "b", add_numbers, t * 1000, i), t * 1000 + i);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_P(NodeCallTest, ACallGoesBackOverTheConnectionThatCameIn) {
  // b does not know where a is; a listens nowhere that b was told of.
  start_over([](FunctionTable& table) {
    ASSERT_TRUE(table.add("ask_back", [](int x) { return rpc_async("a", add_numbers, x, 100); }).ok());
  });
  EXPECT_EQ(rpc_sync(*a, "b", remote<int(int)>("ask_back"), 1), 101);
  EXPECT_EQ(a->statistics().connections, 1U);
  EXPECT_EQ(b->statistics().connections, 1U);
}

TEST_P(NodeCallTest, HandlersCallFromTheirOwnNode) {
  start_over([](FunctionTable& table) {
    ASSERT_TRUE(table.add("who", [] { return Node::current()->name(); }).ok());
    ASSERT_TRUE(table.add("who_on_pool", blocking([] { return Node::current()->name(); })).ok());
    ASSERT_TRUE(
        table
            .add("who_later",
                 [] { return rpc_async("b", add_numbers, 1, 1).then([](int) { return Node::current()->name(); }); })
            .ok());
  });
  for (const char* name : {"who", "who_on_pool", "who_later"}) {
    EXPECT_EQ(rpc_sync(*a, "b", remote<std::string()>(name)), "b") << name;
  }
  EXPECT_EQ(Node::current(), nullptr);
}

TEST_P(NodeCallTest, CallbacksRunOnTheCallersNode) {
  start_over();
  const auto name = rpc_async(*a, "b", add_numbers, 1, 2).then([](int) { return Node::current()->name(); });
  EXPECT_EQ(name.wait(kHang), "a");
}

TEST_P(NodeCallTest, B01_B02_AsyncFunctionsMayAnswerLaterFromAnyThread) {
  std::optional<Future<int>> kept;
  test::Event parked;
  start_over([&](FunctionTable& table) {
    ASSERT_TRUE(table
                    .add("later",
                         [&] {
                           kept.emplace();
                           parked.set();
                           return *kept;
                         })
                    .ok());
  });
  const auto answer = rpc_async(*a, "b", remote<int()>("later"));
  ASSERT_TRUE(parked.wait());
  EXPECT_FALSE(answer.done());
  kept->mark_complete(8);  // on this thread, which is nobody's
  EXPECT_EQ(answer.wait(kHang), 8);
}

TEST_P(NodeCallTest, B03_OneFutureAnswersAllRequestsThatReturnedIt) {
  const Future<std::string> one(static_cast<LoopHandle*>(nullptr));
  start_over([&](FunctionTable& table) { ASSERT_TRUE(table.add("one", [one] { return one; }).ok()); });
  std::vector<Future<std::string>> answers;
  for (int i = 0; i < 50; ++i) answers.push_back(rpc_async(*a, "b", remote<std::string()>("one")));
  ASSERT_TRUE(wait_until_parked(*b, 50));
  one.mark_complete("for all");
  for (const auto& answer : answers) EXPECT_EQ(answer.wait(kHang), "for all");
  EXPECT_EQ(rpc_sync(*a, "b", remote<std::string()>("one")), "for all");
  EXPECT_EQ(b->statistics().requests_in_flight, 0U);
}

TEST_P(NodeCallTest, SyncAndAsyncFromHandlersOfTheOtherKind) {
  start_over([](FunctionTable& table) {
    ASSERT_TRUE(table
                    .add("fan_out",
                         [](int n) {
                           std::vector<Future<int>> parts;
                           for (int i = 0; i < n; ++i) parts.push_back(rpc_async("a", add_later, i, i));
                           return when_all(parts);
                         })
                    .ok());
    ASSERT_TRUE(table.add("nested_sync", blocking([](int x) { return rpc_sync("a", add_slowly, x, 1); })).ok());
  });
  EXPECT_THAT(rpc_sync(*a, "b", remote<std::vector<int>(int)>("fan_out"), 4), ElementsAre(0, 2, 4, 6));
  EXPECT_EQ(rpc_sync(*a, "b", remote<int(int)>("nested_sync"), 1), 2);
}

}  // namespace
}  // namespace onward
