// SPDX-License-Identifier: Apache-2.0
//
// Who may call what: every combination of what a peer has proved, how the connection came about, what the listener
// allows and what the function's rule says.
#include <optional>
#include <tuple>

#include "known_transport.h"
#include "node_fixture.h"
#include "onward/identity.h"

namespace onward::test {
namespace {

using ::testing::HasSubstr;

const PeerIdentity kAnonymous;
const PeerIdentity kFront{.names = {"front"}, .names_nodes = true};
const PeerIdentity kUser{.names = {"uid:1000"}};
const PeerIdentity kSelf{.names = {"self"}};

enum class Rule { kNone, kNobody, kOthers, kThisPeer, kEverybody };
std::vector<std::string> peers_of(Rule rule, const PeerIdentity& peer) {
  switch (rule) {
    case Rule::kNone:
    case Rule::kEverybody:
      return {"*"};
    case Rule::kNobody:
      return {};
    case Rule::kOthers:
      return {"other", "uid:7"};
    case Rule::kThisPeer:
      return {"other", peer.name()};
  }
  return {};
}
bool admits(Rule rule) { return rule != Rule::kNobody && rule != Rule::kOthers; }

class NodeAccess : public NodeTest {
 protected:
  // A server whose peers are `peer`, wherever they come from.
  [[nodiscard]] NodeOptions server_for(const PeerIdentity& peer, bool guarded = true) const {
    NodeOptions server = options("b");
    server.transports = {
        [peer, guarded, make = server.transports.front()](EventLoop& loop, const MessageLimits& limits) {
          return std::make_unique<KnownTransport>(make(loop, limits), peer, guarded);
        }};
    return server;
  }
};

class NodeAccessMatrix : public NodeAccess, public ::testing::WithParamInterface<std::tuple<int, Rule, Rule, bool>> {};

// The callee's rules hold over connections that it accepted, and over those that it made.
TEST_P(NodeAccessMatrix, DecidesByPeerListenerAndFunction) {
  const auto& [who, listener, function, dialled] = GetParam();
  const PeerIdentity peer = std::vector{kAnonymous, kFront, kUser, kSelf}[static_cast<std::size_t>(who)];
  const bool is_self = who == 3;
  const bool expected = is_self || (admits(function) && (dialled || admits(listener)));

  NodeOptions callee = server_for(peer);
  callee.listen.front().allow = peers_of(listener, peer);
  if (function != Rule::kNone) {
    ASSERT_TRUE(callee.access.add("math.*", peers_of(function, peer)).ok());
  }
  NodeOptions caller = options("front");
  const auto math = [](FunctionTable& table) {
    table.add("math.add", add_numbers).throw_if_error();
    table.add("touch", [] { return 1; }).throw_if_error();
  };
  if (dialled) {
    // The callee connects, by a call of its own; the caller has no other way to it.
    caller.listen = {"inproc://front"};
    callee.listen.clear();
    callee.peers["front"] = {"inproc://front"};
    a = start(std::move(caller), math);
    b = start(std::move(callee), math);
    ASSERT_EQ(rpc_sync(*b, "front", remote<int()>("touch")), 1);
  } else {
    caller.peers["b"] = {"inproc://b"};
    b = start(std::move(callee), math);
    a = start(std::move(caller), math);
  }
  for (int again = 0; again < 2; ++again) {
    const Status error = error_of(rpc_async(*a, "b", remote<int(int, int)>("math.add"), 1, 2));
    if (expected) {
      EXPECT_TRUE(error.ok()) << error.to_string();
    } else {
      EXPECT_EQ(error.code(), StatusCode::kPermissionDenied);
      EXPECT_THAT(error.message(), HasSubstr(peer.name() + " may not call math.add"));
    }
  }
}
INSTANTIATE_TEST_SUITE_P(
    All, NodeAccessMatrix,
    ::testing::Combine(::testing::Range(0, 4),
                       ::testing::Values(Rule::kNobody, Rule::kOthers, Rule::kThisPeer, Rule::kEverybody),
                       ::testing::Values(Rule::kNone, Rule::kNobody, Rule::kOthers, Rule::kThisPeer, Rule::kEverybody),
                       ::testing::Bool()));

TEST_F(NodeAccess, OneFunctionRefusedLeavesTheOthers) {
  NodeOptions server = server_for(kFront);
  ASSERT_TRUE(server.access.add("shut", {"ops"}).ok());
  NodeOptions client = options("front");
  client.peers["b"] = {"inproc://b"};
  b = start(std::move(server), [](FunctionTable& table) {
    table.add("open", [] { return 1; }).throw_if_error();
    table.add("shut", [] { return 2; }).throw_if_error();
  });
  a = start(std::move(client));
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(rpc_sync(*a, "b", remote<int()>("open")), 1);
    const Status error = error_of(rpc_async(*a, "b", remote<int()>("shut")));
    EXPECT_EQ(error.code(), StatusCode::kPermissionDenied);
    EXPECT_THAT(error.message(), HasSubstr("front may not call shut"));
  }
  EXPECT_GE(lines.count("refused front"), 1U);
}

TEST_F(NodeAccess, RulesHoldForFunctionsThatAreAddedLater) {
  NodeOptions server = server_for(kFront);
  ASSERT_TRUE(server.access.add("shut.*", {"ops"}).ok());
  NodeOptions client = options("front");
  client.peers["b"] = {"inproc://b"};
  start_pair(std::move(client), std::move(server));
  for (const char* name : {"shut.late", "open.late"}) {
    EXPECT_EQ(error_of(rpc_async(*a, "b", remote<int()>(name))).code(), StatusCode::kUnimplemented);
    b->add_function(detail::make_function(name, [] { return 1; }, "")).wait(kHang);
  }
  EXPECT_EQ(rpc_sync(*a, "b", remote<int()>("open.late")), 1);
  const Status error = error_of(rpc_async(*a, "b", remote<int()>("shut.late")));
  EXPECT_EQ(error.code(), StatusCode::kPermissionDenied);
  EXPECT_THAT(error.message(), HasSubstr("front may not call shut.late"));
  NodeOptions changed = b->options();
  ASSERT_TRUE(changed.access.add("open.*", {"ops"}).ok());
  ASSERT_TRUE(b->reload(changed).ok());
  EXPECT_EQ(error_of(rpc_async(*a, "b", remote<int()>("open.late"))).code(), StatusCode::kPermissionDenied);
}

TEST_F(NodeAccess, CallsToItselfAreAlwaysAllowed) {
  NodeOptions own = options("a");
  ASSERT_TRUE(own.access.add("*", {}).ok());
  a = start(std::move(own), [](FunctionTable& table) { table.add("one", [] { return 1; }).throw_if_error(); });
  EXPECT_EQ(rpc_sync(*a, "a", remote<int()>("one")), 1);
}

TEST_F(NodeAccess, HandlersKnowTheirCaller) {
  NodeOptions client = options("front");
  client.peers["b"] = {"inproc://b"};
  const auto who = [] {
    const auto& caller = current_caller();
    return caller == nullptr ? std::string("nobody") : caller->node + " " + caller->identity.name();
  };
  b = start(server_for(kFront), [&](FunctionTable& table) {
    table.add("direct", who).throw_if_error();
    table.add("blocking", blocking(who)).throw_if_error();
    table.add("async", [who] { return Future<std::string>::of(who()); }).throw_if_error();
  });
  a = start(std::move(client));
  for (const char* name : {"direct", "blocking", "async"}) {
    EXPECT_EQ(rpc_sync(*a, "b", remote<std::string()>(name)), "front front") << name;
  }
}

// A node that says it is somebody whom its certificate does not name.
TEST_F(NodeAccess, AnotherNodesNameIsRefused) {
  NodeOptions client = options("impostor");
  client.peers["b"] = {"inproc://b"};
  b = start(server_for(kFront), [](FunctionTable& table) { table.add("one", [] { return 1; }).throw_if_error(); });
  a = start(std::move(client));
  const Status error = error_of(rpc_async(*a, to("b", {.fail_fast = true}), remote<int()>("one")));
  EXPECT_EQ(error.code(), StatusCode::kPermissionDenied) << error.to_string();
  EXPECT_THAT(error.message(), HasSubstr("says that it is node \"impostor\", but its certificate is for \"front\""));
}
// The same when it is called.
TEST_F(NodeAccess, ACalleeThatHasAnothersNameIsRefused) {
  NodeOptions client = server_for(kFront);
  client.name = "c";
  client.listen.clear();
  client.peers["b"] = {"inproc://b"};
  b = start(options("b"), [](FunctionTable& table) { table.add("one", [] { return 1; }).throw_if_error(); });
  a = start(std::move(client));
  const Status error = error_of(rpc_async(*a, "b", remote<int()>("one")));
  EXPECT_EQ(error.code(), StatusCode::kPermissionDenied) << error.to_string();
  EXPECT_THAT(error.message(), HasSubstr("its certificate is for \"front\""));
}

TEST_F(NodeAccess, UnguardedListenersMustBeMeant) {
  const Status refused = Node(server_for(kAnonymous, false)).start();
  EXPECT_EQ(refused.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(refused.message(), HasSubstr("does not listen on inproc://b"));
  EXPECT_THAT(refused.message(), HasSubstr("insecure = true"));
  NodeOptions meant = server_for(kAnonymous, false);
  meant.listen.front().insecure = true;
  b = start(std::move(meant));
}

TEST_F(NodeAccess, ReloadReachesTheTransportsAndTellsTheFirstError) {
  b = start(server_for(kAnonymous));
  EXPECT_TRUE(b->reload().ok());
  const Status failed = b->reload();
  EXPECT_EQ(failed.code(), StatusCode::kNotFound);
  EXPECT_EQ(failed.message(), "no file x.pem");
}

}  // namespace
}  // namespace onward::test
