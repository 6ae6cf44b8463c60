// SPDX-License-Identifier: Apache-2.0
//
// What a node takes while it runs: other peers, other rules, other limits.
#include "node_fixture.h"

namespace onward {
namespace {

using test::error_of;
using test::kHang;
using ::testing::HasSubstr;

class NodeReloadTest : public test::NodeTest {
 protected:
  // A node that calls itself "shop", wherever it is, and says where.
  std::unique_ptr<Node> shop(const std::string& place) {
    NodeOptions with = options("shop");
    with.listen = {"inproc://" + place};
    return start(std::move(with), [this, place](FunctionTable& table) {
      table.add("where", [place] { return place; }).throw_if_error();
      table.add("wait", [this] { return parked_; }).throw_if_error();
    });
  }
  NodeOptions calling(const std::string& place) {
    NodeOptions with = options("a");
    if (!place.empty()) with.peers["shop"] = {"inproc://" + place};
    return with;
  }
  std::string where() { return rpc_sync(*a, "shop", remote<std::string()>("where")); }

  Future<int> parked_{static_cast<LoopHandle*>(nullptr)};
};

TEST_F(NodeReloadTest, APeerMovesWhileItsCallsAreInFlight) {
  const auto here = shop("here");
  const auto there = shop("there");
  a = start(calling("here"));
  const auto waiting = rpc_async(*a, "shop", remote<int()>("wait"));
  ASSERT_TRUE(wait_until_parked(*here, 1));
  ASSERT_TRUE(a->reload(calling("there")).ok());
  EXPECT_EQ(where(), "there");
  EXPECT_FALSE(waiting.done());
  EXPECT_EQ(here->statistics().connections, 1U);
  parked_.mark_complete(7);
  EXPECT_EQ(waiting.wait(kHang), 7);
  EXPECT_TRUE(wait_until(*here, [](const Node::Statistics& s) { return s.connections == 0; }));
  EXPECT_EQ(where(), "there");
  EXPECT_EQ(a->peers().front().url, "inproc://there");
}

TEST_F(NodeReloadTest, APeerThatHasCalledUsIsCalledWhereItIsSaidToBe) {
  // It has connected before we know any address of it.
  a = start(options("a"));
  NodeOptions calls_first = options("shop");
  calls_first.listen = {"inproc://there"};
  calls_first.peers["a"] = {"inproc://a"};
  const auto caller = start(std::move(calls_first), [this](FunctionTable& table) {
    table.add("listeners", [] { return current_caller()->address; }).throw_if_error();
    table.add("wait", [this] { return parked_; }).throw_if_error();
  });
  EXPECT_EQ(error_of(rpc_async(*caller, "a", remote<int()>("nothing"))).code(), StatusCode::kUnimplemented);
  const auto waiting = rpc_async(*a, "shop", remote<int()>("wait"));
  ASSERT_TRUE(wait_until_parked(*caller, 1));
  EXPECT_EQ(caller->statistics().connections, 1U);
  ASSERT_TRUE(a->reload(calling("there")).ok());
  rpc_sync(*a, "shop", remote<std::string()>("listeners"));
  EXPECT_EQ(caller->statistics().connections, 2U);
  // What is under way goes on.
  parked_.mark_complete(7);
  EXPECT_EQ(waiting.wait(kHang), 7);
}

TEST_F(NodeReloadTest, AnIdleConnectionToTheOldAddressClosesAtOnce) {
  const auto here = shop("here");
  const auto there = shop("there");
  a = start(calling("here"));
  EXPECT_EQ(where(), "here");
  ASSERT_TRUE(a->reload(calling("there")).ok());
  EXPECT_TRUE(wait_until(*here, [](const Node::Statistics& s) { return s.connections == 0; }));
  EXPECT_EQ(where(), "there");
}

TEST_F(NodeReloadTest, WhoHasTheSameAddressDoesNotNotice) {
  const auto here = shop("here");
  a = start(calling("here"));
  const auto waiting = rpc_async(*a, "shop", remote<int()>("wait"));
  ASSERT_TRUE(wait_until_parked(*here, 1));
  ASSERT_TRUE(a->reload(calling("here")).ok());
  parked_.mark_complete(1);
  EXPECT_EQ(waiting.wait(kHang), 1);
  EXPECT_EQ(here->statistics().connections, 1U);
}

TEST_F(NodeReloadTest, CallsThatWaitForAPeerGoToItsNewAddress) {
  const auto there = shop("there");
  a = start(calling("nowhere"));
  const auto waiting = rpc_async(*a, "shop", remote<std::string()>("where"));
  ASSERT_TRUE(lines.wait_for("cannot reach shop"));
  ASSERT_TRUE(a->reload(calling("there")).ok());
  EXPECT_EQ(waiting.wait(kHang), "there");
}

TEST_F(NodeReloadTest, CallsThatWaitForAPeerThatIsGoneFail) {
  a = start(calling("nowhere"));
  const auto waiting = rpc_async(*a, "shop", remote<std::string()>("where"));
  ASSERT_TRUE(lines.wait_for("cannot reach shop"));
  ASSERT_TRUE(a->reload(calling("")).ok());
  const Status error = error_of(waiting);
  EXPECT_EQ(error.code(), StatusCode::kUnavailable);
  EXPECT_THAT(error.message(), HasSubstr("shop is no longer among the peers of node a"));
  EXPECT_THAT(error_of(rpc_async(*a, "shop", remote<std::string()>("where"))).message(), HasSubstr("no address"));
}

TEST_F(NodeReloadTest, APeerMayComeLater) {
  const auto here = shop("here");
  a = start(calling(""));
  EXPECT_EQ(error_of(rpc_async(*a, "shop", remote<std::string()>("where"))).code(), StatusCode::kUnavailable);
  ASSERT_TRUE(a->reload(calling("here")).ok());
  EXPECT_EQ(where(), "here");
}

TEST_F(NodeReloadTest, WhoMayCallChangesForConnectionsThatExist) {
  NodeOptions server = options("b");
  server.listen = {"tcp://127.0.0.1:0"};  // over inproc, it would be itself
  start_pair(options("a"), std::move(server),
             [](FunctionTable& table) { table.add("add", test::add_numbers).throw_if_error(); });
  EXPECT_EQ(rpc_sync(*a, "b", test::add_numbers, 1, 2), 3);
  NodeOptions closed = options("b");
  ASSERT_TRUE(closed.access.add("add", {"nobody"}).ok());
  ASSERT_TRUE(b->reload(closed).ok());
  EXPECT_EQ(error_of(rpc_async(*a, "b", test::add_numbers, 1, 2)).code(), StatusCode::kPermissionDenied);
  ASSERT_TRUE(b->reload(options("b")).ok());
  EXPECT_EQ(rpc_sync(*a, "b", test::add_numbers, 1, 2), 3);
}

TEST_F(NodeReloadTest, LimitsHoldFromThenOn) {
  start_pair([this](FunctionTable& table) { table.add("wait", [this] { return parked_; }).throw_if_error(); });
  const auto first = rpc_async(*a, "b", remote<int()>("wait"));
  ASSERT_TRUE(wait_until_parked(*b, 1));
  NodeOptions strict = options("b");
  strict.per_connection.max_in_flight = 1;
  ASSERT_TRUE(b->reload(strict).ok());
  EXPECT_EQ(error_of(rpc_async(*a, "b", remote<int()>("wait"))).code(), StatusCode::kResourceExhausted);
  parked_.mark_complete(1);
  EXPECT_EQ(first.wait(kHang), 1);
}

}  // namespace
}  // namespace onward
