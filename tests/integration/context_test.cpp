// SPDX-License-Identifier: Apache-2.0
//
// What calls carry and what ends them, between real nodes over each transport.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "cluster.h"
#include "context_functions.h"

namespace onward::testing_support {
namespace {

using context_functions::kAwaitHeld;
using context_functions::kAwaitUnwound;
using context_functions::kHold;
using context_functions::kRelaySee;
using context_functions::kSee;
using context_functions::Seen;
using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""min;
using testing::AllOf;
using testing::Ge;
using testing::Le;

class Contexts : public ClusterTest {
 protected:
  // The client calls "front", which calls "worker".
  void SetUp() override {
    cluster.start("worker");
    cluster.start("front", {.peers = {"worker"}});
    client = cluster.client();
    observer = cluster.client("observer");
  }
  template <class F>
  auto ask(const std::string& node, const F& function) {
    const ContextScope apart{CallContext()};
    return rpc_async(*observer, node, function, 1).wait(kPatience);
  }
  // Both functions wait, called by the client.
  Future<void> hold(const CallContext& context, CallOptions options = {}) {
    const ContextScope scope(context);
    const Future<void> call = rpc_async(*client, to("front", options), kHold, std::string("worker"));
    ask("front", kAwaitHeld);
    ask("worker", kAwaitHeld);
    return call;
  }
  void expect_unwound(const std::string& code) {
    EXPECT_EQ(ask("front", kAwaitUnwound), code);
    EXPECT_EQ(ask("worker", kAwaitUnwound), code);
  }

  std::unique_ptr<Node> client;
  std::unique_ptr<Node> observer;
};

TEST_P(Contexts, TheTimeThatIsLeftGoesAlong) {
  const Seen near = rpc_sync(*client, to("front", {.timeout = 10min}), kSee);
  EXPECT_THAT(near.remaining_ms, AllOf(Ge(0), Le(600'000)));
  const Seen far = rpc_sync(*client, to("front", {.timeout = 10min}), kRelaySee, std::string("worker"));
  EXPECT_THAT(far.remaining_ms, AllOf(Ge(0), Le(600'000)));
  EXPECT_EQ(far.caller, "front");
}

TEST_P(Contexts, TraceAndBaggageGoAlong) {
  Baggage baggage;
  ASSERT_TRUE(baggage.set("tenant", "blue").ok());
  const TraceContext trace = TraceContext::generate();
  const ContextScope scope(CallContext::make(client->loop(), {.trace = trace, .baggage = baggage}));
  const Seen seen = rpc_sync(*client, "front", kRelaySee, std::string("worker"));
  EXPECT_EQ(seen.trace_id, trace.trace_id_text());
  EXPECT_EQ(seen.tenant, "blue");
}

TEST_P(Contexts, CancellingUnwindsTheCoroutinesOfAllNodes) {
  const CallContext context = CallContext::make(client->loop());
  const Future<void> call = hold(context);
  context.cancel(Status(StatusCode::kCancelled, "enough"));
  EXPECT_EQ(error_of(call).code(), StatusCode::kCancelled);
  expect_unwound("CANCELLED");
}

TEST_P(Contexts, SoDoesTheDeadline) {
  const Future<void> call = hold(CallContext(), {.timeout = 1500ms});
  EXPECT_EQ(error_of(call).code(), StatusCode::kDeadlineExceeded);
  // Whichever is first, its own clock or the caller's word.
  EXPECT_THAT(ask("worker", kAwaitUnwound), testing::AnyOf("DEADLINE_EXCEEDED", "CANCELLED"));
}

TEST_P(Contexts, SoDoesACallerThatGoesAway) {
  const Future<void> call = hold(CallContext());
  client->stop(Duration::zero());
  expect_unwound("CANCELLED");
}

ONWARD_ON_EVERY_TRANSPORT(Contexts);

}  // namespace
}  // namespace onward::testing_support
