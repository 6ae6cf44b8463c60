// SPDX-License-Identifier: Apache-2.0
//
// Peers: found, waited for, lost, found again.
#include "node_fixture.h"

namespace onward {
namespace {

using namespace std::chrono_literals;
using test::add_numbers;
using test::error_of;
using test::kHang;
using ::testing::AllOf;
using ::testing::HasSubstr;

class NodeConnectionTest : public test::NodeTest {
 protected:
  static void add_functions(FunctionTable& table) {
    ASSERT_TRUE(table.add("add", &add_numbers).ok());
    ASSERT_TRUE(table.add("call_a", [](int x) { return rpc_async("a", add_numbers, x, 1000); }).ok());
  }
  // A client that knows b, which may not be there yet.
  void start_client(NodeOptions client) {
    introduce(client, "b");
    a = start(std::move(client), &add_functions);
  }
  void start_client() { start_client(options("a")); }
};

TEST_F(NodeConnectionTest, CallsWaitForTheConnection) {
  start_client();
  std::vector<Future<int>> early;
  for (int i = 0; i < 100; ++i) early.push_back(rpc_async(*a, "b", add_numbers, i, 1));
  ASSERT_TRUE(lines.wait_for("cannot reach b"));
  b = start(options("b"), &add_functions);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(early[static_cast<std::size_t>(i)].wait(kHang), i + 1);
}

TEST_F(NodeConnectionTest, CallsWaitUntilTheirTimeoutAndThenSayWhy) {
  start_client();
  const auto longer = rpc_async(*a, "b", add_numbers, 1, 1);
  const Status status = error_of(rpc_async(*a, to("b", {.timeout = 40ms}), add_numbers, 1, 2));
  EXPECT_EQ(status.code(), StatusCode::kDeadlineExceeded);
  EXPECT_THAT(status.message(),
              AllOf(HasSubstr("call of add at b (inproc://b)"), HasSubstr("40 ms"), HasSubstr("it was never sent")));
  b = start(options("b"), &add_functions);
  EXPECT_EQ(longer.wait(kHang), 2);
}

TEST_F(NodeConnectionTest, CallsThatExpireWhileWaitingAreForgotten) {
  start_client();
  const auto last = rpc_async(*a, "b", add_numbers, 1, 1);
  for (int round = 0; round < 5; ++round) {
    std::vector<Future<int>> expiring;
    for (int i = 0; i < 200; ++i) expiring.push_back(rpc_async(*a, to("b", {.timeout = 2ms}), add_numbers, i, 1));
    for (const auto& call : expiring) EXPECT_EQ(error_of(call).code(), StatusCode::kDeadlineExceeded);
  }
  EXPECT_EQ(a->statistics().calls_in_flight, 1U);
  b = start(options("b"), &add_functions);
  EXPECT_EQ(last.wait(kHang), 2);
  EXPECT_EQ(a->statistics().calls_in_flight, 0U);
}

TEST_F(NodeConnectionTest, FailFastDoesNotWait) {
  start_client();
  for (int i = 0; i < 3; ++i) {
    const Status status = error_of(rpc_async(*a, to("b", {.fail_fast = true}), add_numbers, 1, 2));
    EXPECT_EQ(status.code(), StatusCode::kUnavailable);
    EXPECT_THAT(status.message(), HasSubstr("call of add at b"));
  }
  b = start(options("b"), &add_functions);
  EXPECT_EQ(rpc_sync(*a, "b", add_numbers, 1, 2), 3);
  EXPECT_EQ(rpc_sync(*a, to("b", {.fail_fast = true}), add_numbers, 1, 2), 3);
}

TEST_F(NodeConnectionTest, APeerThatNobodyKnowsFailsAtOnce) {
  start_client();
  const Status status = error_of(rpc_async(*a, "nobody", add_numbers, 1, 2));
  EXPECT_EQ(status.code(), StatusCode::kUnavailable);
  EXPECT_THAT(status.message(), AllOf(HasSubstr("node a knows no address of \"nobody\""), HasSubstr("[peers]")));
}

TEST_F(NodeConnectionTest, AUrlThatIsWrongFailsAtOnce) {
  start_client();
  const std::pair<const char*, const char*> cases[] = {{"ftp://x", "no transport for ftp://x, only inproc, tcp"},
                                                       {"tcp://nowhere", "port is missing"},
                                                       {"://", "is not a URL"}};
  for (const auto& [url, reason] : cases) {
    const Status status = error_of(rpc_async(*a, url, add_numbers, 1, 2));
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << url;
    EXPECT_THAT(status.message(), HasSubstr(reason));
  }
}

TEST_F(NodeConnectionTest, APeerOfAnotherNameIsNotCalled) {
  b = start(options("other"), &add_functions);
  NodeOptions client = options("a");
  client.peers["b"] = {"inproc://other"};
  a = start(std::move(client), &add_functions);
  const Status status = error_of(rpc_async(*a, "b", add_numbers, 1, 2));
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(status.message(), AllOf(HasSubstr("is node \"other\", not \"b\""), HasSubstr("check that peer's URL")));
  EXPECT_EQ(rpc_sync(*a, "inproc://other", add_numbers, 1, 2), 3);  // a URL has no name to be wrong
}

TEST_F(NodeConnectionTest, TheNextUrlIsTriedWhenOneFails) {
  b = start(options("b"), &add_functions);
  NodeOptions client = options("a");
  client.peers["b"] = {"inproc://gone", "ftp://wrong", "inproc://b"};
  client.connect_backoff = client.connect_backoff_max = std::chrono::hours(1);  // the others are tried at once
  a = start(std::move(client), &add_functions);
  EXPECT_EQ(rpc_sync(*a, "b", add_numbers, 1, 2), 3);
  EXPECT_TRUE(lines.wait_for("is the node running?; it is tried over ftp://wrong"));
  EXPECT_TRUE(lines.wait_for("b is called over inproc://b, as others failed: inproc://gone: "));
  const auto states = a->peers();
  ASSERT_EQ(states.size(), 1U);
  EXPECT_EQ(states[0].name, "b");
  EXPECT_EQ(states[0].url, "inproc://b");
  EXPECT_TRUE(states[0].connected);
  EXPECT_THAT(states[0].trouble, HasSubstr("no transport for ftp://wrong"));
}

TEST_F(NodeConnectionTest, ALostConnectionTriesTheBestUrlAgain) {
  NodeOptions server = options("b");
  server.listen = {"inproc://b-second"};
  b = start(std::move(server), &add_functions);
  NodeOptions client = options("a");
  client.peers["b"] = {"inproc://b", "inproc://b-second"};
  a = start(std::move(client), &add_functions);
  EXPECT_EQ(rpc_sync(*a, "b", add_numbers, 1, 2), 3);
  EXPECT_EQ(a->peers().front().url, "inproc://b-second");
  b.reset();
  NodeOptions better = options("b");
  better.listen = {"inproc://b-second", "inproc://b"};
  b = start(std::move(better), &add_functions);
  EXPECT_EQ(rpc_sync(*a, "b", add_numbers, 3, 4), 7);
  EXPECT_EQ(a->peers().front().url, "inproc://b");
  EXPECT_EQ(a->peers().front().trouble, "");
}

TEST_F(NodeConnectionTest, AnErrorNamesEveryUrlThatWasTried) {
  NodeOptions client = options("a");
  client.peers["b"] = {"inproc://gone", "ftp://wrong"};
  client.peers["c"] = {"gopher://x", "ftp://wrong"};
  a = start(std::move(client), &add_functions);
  const Status status = error_of(rpc_async(*a, to("b", {.fail_fast = true}), add_numbers, 1, 2));
  EXPECT_EQ(status.code(), StatusCode::kUnavailable);
  EXPECT_THAT(status.message(), HasSubstr("is the node running?; ftp://wrong: this node has no transport"));
  // What no waiting will mend is not waited for.
  EXPECT_EQ(error_of(rpc_async(*a, "c", add_numbers, 1, 2)).code(), StatusCode::kInvalidArgument);
}

TEST_F(NodeConnectionTest, ACallInFlightFailsWhenItsConnectionDoes) {
  const Future<int> never(static_cast<LoopHandle*>(nullptr));
  NodeOptions server = options("b");
  server.listen = {"tcp://127.0.0.1:0"};
  start_pair(options("a"), std::move(server),
             [&](FunctionTable& table) { ASSERT_TRUE(table.add("park", [never] { return never; }).ok()); });
  const auto call = rpc_async(*a, "b", remote<int()>("park"));
  ASSERT_TRUE(wait_until_parked(*b, 1));
  b.reset();
  const Status status = error_of(call);
  EXPECT_EQ(status.code(), StatusCode::kUnavailable);
  EXPECT_THAT(status.to_string(), HasSubstr("b"));
  EXPECT_EQ(a->statistics().calls_in_flight, 0U);
}

TEST_F(NodeConnectionTest, ARestartedPeerIsFoundAgain) {
  start_client();
  for (int round = 0; round < 5; ++round) {
    b = start(options("b"), &add_functions);
    EXPECT_EQ(rpc_sync(*a, "b", add_numbers, round, 1), round + 1);
    b.reset();
  }
}

TEST_F(NodeConnectionTest, ACallWhileThePeerRestartsWaitsForIt) {
  b = start(options("b"), &add_functions);
  start_client();
  EXPECT_EQ(rpc_sync(*a, "b", add_numbers, 1, 2), 3);
  b.reset();
  const auto call = rpc_async(*a, "b", add_numbers, 3, 4);
  ASSERT_TRUE(lines.wait_for("cannot reach b"));
  b = start(options("b"), &add_functions);
  EXPECT_EQ(call.wait(kHang), 7);
}

TEST_F(NodeConnectionTest, OneConnectionServesAllCalls) {
  start_pair(&add_functions);
  std::vector<Future<int>> calls;
  for (int i = 0; i < 100; ++i)
    calls.push_back(rpc_async(*a, i % 2 == 0 ? Destination("b") : Destination(a->peer("b")), add_numbers, i, 1));
  for (const auto& call : calls) static_cast<void>(call.wait(kHang));
  EXPECT_EQ(a->statistics().connections, 1U);
}

TEST_F(NodeConnectionTest, TwoNodesMayConnectToEachOtherAtOnce) {
  NodeOptions one = options("a");
  NodeOptions two = options("b");
  introduce(one, "b");
  introduce(two, "a");
  a = start(std::move(one), &add_functions);
  b = start(std::move(two), &add_functions);
  std::vector<Future<int>> calls;
  for (int i = 0; i < 100; ++i) {
    calls.push_back(rpc_async(*a, "b", add_numbers, i, 1));
    calls.push_back(rpc_async(*b, "a", add_numbers, i, 1));
  }
  for (int i = 0; i < 200; ++i) EXPECT_EQ(calls[static_cast<std::size_t>(i)].wait(kHang), i / 2 + 1);
}

TEST_F(NodeConnectionTest, CallsBackFindTheConnectionThatIsLeft) {
  // a is connected twice: by b's name and by its URL. The first goes, calls back use the second.
  NodeOptions server = options("b");
  start_pair(options("a"), std::move(server), &add_functions);
  EXPECT_EQ(rpc_sync(*a, "b", remote<int(int)>("call_a"), 1), 1001);
  auto twin = start(options("twin"), &add_functions);  // a third node, to see that it is not confused with a
  EXPECT_EQ(rpc_sync(*twin, "inproc://b", add_numbers, 1, 1), 2);
  a.reset();
  NodeOptions again = options("a");
  introduce(again, "b");
  a = start(std::move(again), &add_functions);
  EXPECT_EQ(rpc_sync(*a, "b", add_numbers, 1, 1), 2);
  EXPECT_EQ(rpc_sync(*a, "b", remote<int(int)>("call_a"), 2), 1002);
}

TEST_F(NodeConnectionTest, ANodeThatHasOurNameIsNotUs) {
  b = start(options("b"), &add_functions);
  // It says that it is "b", too.
  NodeOptions impostor = options("b");
  impostor.listen = {"inproc://impostor"};
  const auto other = start(std::move(impostor), [](FunctionTable& table) {
    ASSERT_TRUE(table.add("add", [](int, int) { return -1; }).ok());
  });
  EXPECT_EQ(rpc_sync(*other, "inproc://b", remote<int(int, int)>("add"), 1, 2), 3);
  EXPECT_EQ(rpc_sync(*b, "b", add_numbers, 1, 2), 3);
}

TEST_F(NodeConnectionTest, ANodeMayCallItselfByUrl) {
  b = start(options("b"), &add_functions);
  EXPECT_EQ(rpc_sync(*b, "inproc://b", add_numbers, 1, 2), 3);
  EXPECT_EQ(rpc_sync(*b, "b", add_numbers, 1, 2), 3);
}

TEST_F(NodeConnectionTest, OptionsThatContradictThemselves) {
  for (const char* name : {"", "tcp://x"}) {
    EXPECT_THROW(Node(options(name)), RpcError) << name;
  }
  NodeOptions twice = options("a");
  twice.codecs = {make_flex_codec(), make_flex_codec()};
  EXPECT_THROW(Node(std::move(twice)), RpcError);
}

TEST_F(NodeConnectionTest, StatisticsMayBeAskedForAnywhere) {
  Node early(options("early"));
  EXPECT_EQ(early.statistics().connections, 0U);  // before start()
  start_pair([](FunctionTable& table) {
    ASSERT_TRUE(
        table.add("count", [] { return static_cast<int>(Node::current()->statistics().requests_in_flight); }).ok());
  });
  EXPECT_EQ(rpc_sync(*a, "b", remote<int()>("count")), 1);  // on the kernel thread
  b->stop();
  EXPECT_EQ(b->statistics().connections, 0U);
}

}  // namespace
}  // namespace onward
