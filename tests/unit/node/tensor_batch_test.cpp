// SPDX-License-Identifier: Apache-2.0
#include "rfc/tensor_batch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "module_list.h"
#include "onward/init_rpc.h"

namespace onward::rfc {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(TensorBatch, StackAddUnstack) {
  const std::vector<Tensor> parts = {Tensor::of<float>({2}, {1, 2}), Tensor::of<float>({2}, {3, 4})};
  const Tensor stacked = stack(parts);
  EXPECT_EQ(describe(stacked), "float32 [2, 2]");
  const std::vector<Tensor> rows = unstack(add(stacked, stacked));
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_TRUE(rows[0] == Tensor::of<float>({2}, {2, 4}));
  EXPECT_TRUE(rows[1] == Tensor::of<float>({2}, {6, 8}));
}

TEST(TensorBatch, ScalarsAndEmptyTensors) {
  const Tensor scalar = Tensor::of<double>({}, {1.5});
  EXPECT_TRUE(unstack(stack(std::vector{scalar, scalar})).at(1) == scalar);
  const Tensor empty = Tensor::of<std::int64_t>({0, 3}, {});
  EXPECT_TRUE(unstack(add(stack(std::vector{empty, empty}), stack(std::vector{empty, empty}))).at(0) == empty);
}

TEST(TensorBatch, Int64WrapsAround) {
  constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
  EXPECT_EQ(add(Tensor::of<std::int64_t>({1}, {kMax}), Tensor::of<std::int64_t>({1}, {1})).at<std::int64_t>(0),
            -kMax - 1);
}

TEST(TensorBatch, Refused) {
  const Tensor two = Tensor::of<float>({2}, {1, 2});
  const Tensor three = Tensor::of<float>({3}, {1, 2, 3});
  EXPECT_THAT(check_addable(two, three).message(), HasSubstr("cannot add float32 [2] and float32 [3]"));
  const Tensor bytes = Tensor::of<std::uint8_t>({1}, {1});
  EXPECT_THAT(check_addable(bytes, bytes).message(), HasSubstr("uint8"));
  EXPECT_THROW(static_cast<void>(stack({})), RpcError);
  EXPECT_THROW(static_cast<void>(stack(std::vector{two, three})), RpcError);
  EXPECT_THROW(static_cast<void>(unstack(Tensor::of<float>({}, {1}))), RpcError);
}

class BatchModule : public testing::Test {
 protected:
  void start(std::map<std::string, Setting> arguments) {
    NodeOptions options{.name = "n", .transports = standard_transports(), .codecs = standard_codecs()};
    for (const ModuleDescriptor* descriptor : standard_modules()) {
      if (descriptor->name() == "rfc") options.modules.push_back({descriptor, std::move(arguments)});
    }
    node_ = std::make_unique<Node>(std::move(options));
    started_ = node_->start();
  }
  [[nodiscard]] Future<Tensor> add(float value) const {
    return rpc_async(*node_, "n", kBatchAdd, Tensor::of<float>({1}, {value}), Tensor::of<float>({1}, {100}));
  }

  const Remote<Tensor(Tensor, Tensor)> kBatchAdd{"rfc.batch.batch_add"};
  std::unique_ptr<Node> node_;
  Status started_;
};

TEST_F(BatchModule, PartlyFilledBatchWaitsForItsTimeout) {
  start({{"batch_timeout_ms", {std::int64_t{20}, "f:1"}}});
  ASSERT_TRUE(started_.ok()) << started_.to_string();
  const Future<Tensor> first = add(1);
  const Future<Tensor> second = add(2);
  EXPECT_EQ(first.wait().at<float>(0), 101);
  EXPECT_EQ(second.wait().at<float>(0), 102);
  EXPECT_EQ(add(3).wait().at<float>(0), 103);
}

TEST_F(BatchModule, BatchOfOne) {
  start({{"batch_size", {std::int64_t{1}, "f:1"}}});
  EXPECT_EQ(add(1).wait().at<float>(0), 101);
}

TEST_F(BatchModule, Arguments) {
  start({{"batch_size", {std::int64_t{0}, "f:1"}}});
  EXPECT_THAT(started_.message(), HasSubstr("batch_size must be an integer from 1 to"));
  start({{"batch_timeout_ms", {std::int64_t{0}, "f:1"}}});
  EXPECT_THAT(started_.message(), HasSubstr("batch_timeout_ms must be an integer from 1 to"));
}

TEST_F(BatchModule, DestinationIsTheNodeItselfWhereNoneIsNamed) {
  start({});
  EXPECT_EQ(rpc_sync(*node_, "n", remote<int(int, int, int)>("rfc.nested.my_add_3"), 1, 2, 3), 6);
  EXPECT_EQ(rpc_sync(*node_, "n", remote<int(int, int, int)>("rfc.chained.my_add_3"), 1, 2, 3), 6);
  EXPECT_THAT(rpc_sync(*node_, "n", remote<std::vector<int>(int, int, int, int)>("rfc.fan_out.my_add_4"), 1, 2, 3, 4),
              ElementsAre(3, 7));
}

}  // namespace
}  // namespace onward::rfc
