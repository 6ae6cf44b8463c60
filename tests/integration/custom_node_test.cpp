// SPDX-License-Identifier: Apache-2.0
//
// A node binary that is not `onward`, and a program that is no node: both have init_rpc() and nothing else.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <string>

#include "cluster.h"

namespace onward::testing_support {
namespace {

using testing::HasSubstr;

class CustomNode : public ClusterTest {
 protected:
  CustomNode() : process(cluster.command({custom_node_program(), "custom", cluster.url("custom")}, "custom")) {
    EXPECT_TRUE(process.wait_for_line(Process::Stream::kOutput, "ready custom " + cluster.url("custom")))
        << process.text(Process::Stream::kError);
  }
  ~CustomNode() override { shutdown(); }

  Process process;
};

TEST_P(CustomNode, ServesAndDrainsLikeAnyOther) {
  init_rpc(cluster.client_options());
  EXPECT_EQ(rpc_sync("custom", probe::kEcho, "hello"), "hello");
  const auto slow = rpc_async("custom", probe::kSlow, 50);
  EXPECT_EQ(rpc_sync("custom", probe::kEcho, "sent behind it"), "sent behind it");
  process.send_signal(SIGTERM);
  EXPECT_TRUE(error_of(slow).ok());
  EXPECT_EQ(process.wait_for_end().value_or(Ending()).code, 0);
}

TEST_P(CustomNode, WorksBesideOrdinaryNodes) {
  cluster.start("node", {.peers = {"custom"}});
  init_rpc(cluster.client_options());
  EXPECT_EQ(rpc_sync("node", probe::kPing, "custom", 100), 100);
  EXPECT_EQ(rpc_sync("node", probe::kChain, "custom", 10), 10);
  EXPECT_EQ(cluster.run({"call", cluster.url("custom"), "probe.add", "20", "22"}).output, "42\n");
}

TEST_P(CustomNode, InitRpcAndShutdownCanBeRepeated) {
  for (int i = 0; i < 3; ++i) {
    init_rpc(cluster.client_options());
    EXPECT_EQ(rpc_sync("custom", probe::kAdd, i, 1), i + 1);
    EXPECT_THROW(init_rpc(cluster.client_options("second")), RpcError);
    const auto parked = rpc_async("custom", probe::kPark);
    shutdown(std::chrono::milliseconds(0));
    EXPECT_EQ(error_of(parked).code(), StatusCode::kUnavailable);
    const Status late = error_of(rpc_async("custom", probe::kAdd, 1, 1));
    EXPECT_EQ(late.code(), StatusCode::kUnavailable) << late.to_string();
    shutdown();
  }
}

int twice(int x) { return 2 * x; }

TEST_P(CustomNode, InitRpcRegistersFunctionsBeforeTheNodeStarts) {
  NodeOptions options = cluster.client_options();
  options.listen = {cluster.url("client")};
  init_rpc(std::move(options), [](FunctionTable& functions) { functions.add("twice", twice).throw_if_error(); });
  EXPECT_EQ(rpc_sync(cluster.url("client"), twice, 21), 42);
  shutdown();
  EXPECT_THROW(init_rpc(cluster.client_options(), [](FunctionTable&) { throw RpcError(StatusCode::kInternal, "no"); }),
               RpcError);
  init_rpc(cluster.client_options());  // nothing is left of the one that failed
}

ONWARD_ON_EVERY_TRANSPORT(CustomNode);

}  // namespace
}  // namespace onward::testing_support
