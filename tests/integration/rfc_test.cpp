// SPDX-License-Identifier: Apache-2.0
//
// The RFC's examples between nodes of the program `onward`: "a" asks "b", which asks "c". This process is
// a user of init_rpc().
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <barrier>
#include <string>
#include <thread>
#include <vector>

#include "cluster.h"

namespace onward::testing_support {
namespace {

using testing::HasSubstr;
using testing::UnorderedElementsAre;

const auto kMyAdd2 = remote<int(int, int)>("rfc.my_add_2");
const auto kMyAdd3 = remote<int(int, int, int)>("rfc.my_add_3");
const auto kNestedMyAdd3 = remote<int(int, int, int)>("rfc.nested.my_add_3");
const auto kChainedMyAdd3 = remote<int(int, int, int)>("rfc.chained.my_add_3");
const auto kFanOutMyAdd4 = remote<std::vector<int>(int, int, int, int)>("rfc.fan_out.my_add_4");
const auto kBatchAdd = remote<Tensor(Tensor, Tensor)>("rfc.batch.batch_add");

constexpr int kBatchSize = 10;

class Rfc : public ClusterTest {
 protected:
  void SetUp() override {
    const std::string rfc = "[[modules]]\nname = \"rfc\"\n";
    cluster.start_plain("c", {.toml = rfc});
    cluster.start_plain("b", {.peers = {"c"}, .toml = rfc + "dst = \"c\"\n"});
    cluster.start_plain("a", {.peers = {"b", "c"}, .toml = rfc + "dst = \"b\"\ndst2 = \"c\"\n"});
    init_rpc(cluster.client_options());
  }
  void TearDown() override { shutdown(); }
};

TEST_P(Rfc, MyAdd3) {
  EXPECT_EQ(rpc_sync("a", kMyAdd3, 1, 2, 3), 6);
  EXPECT_EQ(rpc_sync("b", kMyAdd3, -1, 2, 30), 31);
}

TEST_P(Rfc, Nested) { EXPECT_EQ(rpc_sync("a", kNestedMyAdd3, 1, 2, 3), 6); }

TEST_P(Rfc, NestedCallGoesThroughAllThreeNodes) {
  cluster.node("c").kill();
  cluster.start_plain("c", {});  // without the module: it fails, and the trail shows who asked whom
  const Status error = error_of(rpc_async("a", kNestedMyAdd3, 1, 2, 3));
  EXPECT_EQ(error.code(), StatusCode::kUnimplemented);
  EXPECT_THAT(error.message(), HasSubstr("\"rfc.identity\" is not registered at c ("));
  const std::vector<Hop> expected = {{"c", "", ""}, {"b", "rfc.nested.my_add_2", ""}, {"a", "rfc.nested.my_add_3", ""}};
  EXPECT_EQ(error.trail(), expected) << error.to_string();
}

TEST_P(Rfc, Chained) { EXPECT_EQ(rpc_sync("a", kChainedMyAdd3, 1, 2, 3), 6); }

TEST_P(Rfc, FanOut) { EXPECT_THAT(rpc_sync("a", kFanOutMyAdd4, 1, 2, 3, 4), UnorderedElementsAre(3, 7)); }

TEST_P(Rfc, ErrorOfTheLastNodeReachesTheFirstCaller) {
  const Status error = error_of(rpc_async("a", kMyAdd3, 2'000'000'000, 2'000'000'000, 0));
  EXPECT_EQ(error.type(), "std::overflow_error") << error.to_string();
  ASSERT_EQ(error.trail().size(), 2U);
  EXPECT_EQ(error.trail()[0], (Hop{"c", "rfc.my_add_2", ""}));
  EXPECT_EQ(error.trail()[1], (Hop{"a", "rfc.my_add_3", ""}));
}

Tensor filled(Tensor::Shape shape, float value) {
  std::size_t count = 1;
  for (const std::uint64_t dimension : shape) count *= dimension;
  return Tensor::of(std::move(shape), std::vector<float>(count, value));
}

// Large enough to travel beside the message.
const Tensor::Shape kShape = {64, 512};

TEST_P(Rfc, BatchOfTensorsIsAnsweredWithItsLastCall) {
  std::vector<Future<Tensor>> calls;
  const auto add = [&] {
    const auto number = static_cast<float>(calls.size());
    calls.push_back(rpc_async("a", kBatchAdd, filled(kShape, number), filled(kShape, 100)));
  };
  for (int i = 0; i < kBatchSize - 1; ++i) add();
  // Requests are taken in their order: with this answer, all before have been looked at.
  EXPECT_EQ(rpc_sync("a", kMyAdd2, 1, 1), 2);
  for (const auto& call : calls) EXPECT_FALSE(call.done());
  add();
  for (std::size_t i = 0; i < calls.size(); ++i) {
    EXPECT_TRUE(outcome_of(calls[i]) == filled(kShape, 100 + static_cast<float>(i))) << i;
  }
}

TEST_P(Rfc, BatchGathersTenConcurrentCallers) {
  constexpr int kRounds = 20;
  std::barrier<> together(kBatchSize);
  std::vector<std::thread> callers;
  for (int caller = 0; caller < kBatchSize; ++caller) {
    callers.emplace_back([&, caller] {
      const auto node = cluster.client("caller-" + std::to_string(caller));
      for (int round = 0; round < kRounds; ++round) {
        together.arrive_and_wait();
        const auto a = static_cast<float>(caller);
        const auto b = static_cast<float>(1000 * round);
        const auto sum = outcome_of(rpc_async(*node, "a", kBatchAdd, filled(kShape, a), filled(kShape, b)));
        EXPECT_TRUE(sum == filled(kShape, a + b)) << "caller " << caller << ", round " << round;
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
}

TEST_P(Rfc, TensorThatDoesNotFitTheBatchIsItsCallersErrorAlone) {
  std::vector<Future<Tensor>> calls;
  for (int i = 0; i < kBatchSize - 1; ++i)
    calls.push_back(rpc_async("a", kBatchAdd, filled({2, 2}, 1), filled({2, 2}, 2)));
  EXPECT_EQ(error_of(rpc_async("a", kBatchAdd, filled({3}, 1), filled({3}, 2))).code(), StatusCode::kInvalidArgument);
  calls.push_back(rpc_async("a", kBatchAdd, filled({2, 2}, 1), filled({2, 2}, 2)));
  for (const auto& call : calls) EXPECT_TRUE(outcome_of(call) == filled({2, 2}, 3));
}

ONWARD_ON_EVERY_TRANSPORT(Rfc);

// "a" is reached over one transport and reaches "b" over another.
class RfcAcross : public testing::TestWithParam<std::tuple<TransportKind, TransportKind>> {};

TEST_P(RfcAcross, NestedCallsAndTensorsPassFromOneTransportToAnother) {
  const auto& [outer, inner] = GetParam();
  Cluster cluster(outer);
  cluster.place("b", inner);
  const std::string rfc = "[[modules]]\nname = \"rfc\"\n";
  cluster.start_plain("b", {.toml = rfc + "batch_size = 1\n"});
  cluster.start_plain("a", {.peers = {"b"}, .toml = rfc + "dst = \"b\"\n"});
  const auto client = cluster.client();
  EXPECT_EQ(rpc_sync(*client, "a", kNestedMyAdd3, 1, 2, 3), 6);
  EXPECT_THAT(rpc_sync(*client, "a", kFanOutMyAdd4, 1, 2, 3, 4), UnorderedElementsAre(3, 7));
  EXPECT_TRUE(rpc_sync(*client, "b", kBatchAdd, filled(kShape, 1), filled(kShape, 2)) == filled(kShape, 3));
}

INSTANTIATE_TEST_SUITE_P(Transports, RfcAcross,
                         testing::Combine(testing::ValuesIn(transport_kinds()), testing::ValuesIn(transport_kinds())),
                         [](const auto& case_info) {
                           return std::get<0>(case_info.param).name + "_" + std::get<1>(case_info.param).name;
                         });

}  // namespace
}  // namespace onward::testing_support
