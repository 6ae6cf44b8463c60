// SPDX-License-Identifier: Apache-2.0
//
// Nodes in the test's own process, which reach each other over inproc or TCP.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "loop_fixture.h"
#include "onward/combinators.h"
#include "onward/flex/flex_codec.h"
#include "onward/inproc/inproc_transport.h"
#include "onward/raw/raw_codec.h"
#include "onward/rpc.h"
#include "onward/tcp/tcp_transport.h"

namespace onward::test {

// What a call came to, within the time that a test waits.
template <class T>
[[nodiscard]] Status error_of(const Future<T>& future) {
  try {
    static_cast<void>(future.wait(kHang));
  } catch (const RpcError& error) {
    return error.status();
  }
  return {};
}

inline Buffer echo(Buffer value) { return value; }
inline int add_numbers(int x, int y) { return x + y; }

class NodeTest : public ::testing::Test {
 protected:
  using Register = std::function<void(FunctionTable&)>;

  // The functions that a test registers use its own members: they must not run any more when those go.
  void TearDown() override {
    a.reset();
    b.reset();
  }

  // A node that listens on inproc://NAME.
  [[nodiscard]] NodeOptions options(const std::string& name) const {
    NodeOptions result{.name = name};
    result.listen = {"inproc://" + name};
    result.transports = {
        [hub = hub_](EventLoop& loop, const MessageLimits& limits) { return make_inproc_transport(loop, limits, hub); },
        [](EventLoop& loop, const MessageLimits& limits) { return make_tcp_transport(loop, limits); },
    };
    result.codecs = {make_flex_codec(), make_raw_codec()};
    result.timeout = kHang;
    result.connect_backoff = std::chrono::milliseconds(2);
    result.connect_backoff_max = std::chrono::milliseconds(20);
    return result;
  }
  [[nodiscard]] static std::unique_ptr<Node> start(NodeOptions node_options, const Register& functions = {}) {
    auto node = std::make_unique<Node>(std::move(node_options));
    if (functions) functions(node->functions());
    const Status started = node->start();
    EXPECT_TRUE(started.ok()) << started.to_string();
    return node;
  }
  // `from` may call `name`.
  static void introduce(NodeOptions& from, const std::string& name) { from.peers[name] = {"inproc://" + name}; }

  // A server b with `functions`, and a client a that knows it and has the same ones, so that it can call them
  // by themselves.
  void start_pair(const Register& functions = {}) { start_pair(options("a"), options("b"), functions); }
  void start_pair(NodeOptions client, NodeOptions server, const Register& functions = {}) {
    b = start(std::move(server), functions);
    if (client.peers.empty()) client.peers["b"] = {b->listening().front().to_string()};
    a = start(std::move(client), functions);
  }
  // A call that is made in `context`.
  template <class... Arguments>
  static auto call_in(const CallContext& context, Arguments&&... arguments) {
    const ContextScope scope(context);
    return rpc_async(std::forward<Arguments>(arguments)...);
  }
  // Until `ready` holds for what the node tells about itself.
  static bool wait_until(const Node& node, const std::function<bool(const Node::Statistics&)>& ready) {
    const auto until = std::chrono::steady_clock::now() + kHang;
    while (!ready(node.statistics())) {
      if (std::chrono::steady_clock::now() > until) return false;
      std::this_thread::yield();
    }
    return true;
  }
  static bool wait_until_parked(const Node& node, std::size_t requests) {
    return wait_until(node, [&](const Node::Statistics& s) { return s.requests_in_flight == requests; });
  }

  LogLines lines{LogLevel::kDebug};
  std::unique_ptr<Node> b;
  std::unique_ptr<Node> a;

 private:
  std::shared_ptr<InprocHub> hub_ = std::make_shared<InprocHub>();
};

}  // namespace onward::test
