// SPDX-License-Identifier: Apache-2.0
#include "onward/tensor.h"

#include <gtest/gtest.h>

#include <cstring>

#include "onward/flex/flex_codec.h"
#include "onward/value.h"

namespace onward {
namespace {

Result<Tensor> through_flex(const auto& value, std::size_t* segments = nullptr, std::size_t offset = 0) {
  const auto codec = make_flex_codec();
  Payload payload;
  if (Status status = codec->encode([&](Encoder& encoder) { encode_value(encoder, value); }, payload); !status.ok()) {
    return std::unexpected(status);
  }
  if (segments != nullptr) *segments = payload.segments.size();
  const Buffer storage = Buffer::allocate(payload.body.size() + offset);
  std::memcpy(Buffer(storage).mutable_data() + offset, payload.body.data(), payload.body.size());
  InboundMessage message{
      .header = {}, .body = storage.bytes().subspan(offset), .storage = &storage, .segments = payload.segments};
  Tensor tensor;
  const Status status = codec->decode(message, [&](Decoder& decoder) { decode_value(decoder, tensor); });
  if (!status.ok()) return std::unexpected(status);
  return tensor;
}

TEST(Tensor, HoldsElementsRowByRow) {
  const Tensor tensor = Tensor::of<float>({2, 3}, {1, 2, 3, 4, 5, 6});
  EXPECT_EQ(tensor.type(), NumberType::kFloat32);
  EXPECT_EQ(tensor.element_count(), 6U);
  EXPECT_EQ(tensor.at<float>(0, 2), 3);
  EXPECT_EQ(tensor.at<float>(1, 0), 4);
  EXPECT_EQ(tensor.values<float>().back(), 6);
  EXPECT_EQ(Tensor::of<std::int8_t>({}, {5}).at<std::int8_t>(), 5) << "no dimensions, one element";
  EXPECT_EQ(Tensor().element_count(), 0U);
}

TEST(Tensor, ChecksTypesIndicesAndShapes) {
  const Tensor tensor = Tensor::of<float>({2, 3}, {1, 2, 3, 4, 5, 6});
  EXPECT_THROW((void)tensor.values<double>(), RpcError);
  EXPECT_THROW((void)tensor.at<float>(2, 0), RpcError);
  EXPECT_THROW((void)tensor.at<float>(0, 3), RpcError);
  EXPECT_THROW((void)tensor.at<float>(0), RpcError);
  EXPECT_THROW((void)Tensor::of<float>({2, 2}, {1, 2, 3}), RpcError);
  const auto refused = [](Tensor::Shape shape, std::size_t bytes) {
    const auto result = Tensor::from(NumberType::kInt32, std::move(shape), Buffer::allocate(bytes));
    return !result.has_value() && result.error().code() == StatusCode::kInvalidArgument;
  };
  EXPECT_TRUE(refused({1ULL << 62U, 4}, 0)) << "the product overflows";
  EXPECT_TRUE(refused({1ULL << 63U, 2, 2}, 0));
  EXPECT_FALSE(refused({1ULL << 63U, 2, 2, 0}, 0)) << "zero elements are zero elements";
  EXPECT_TRUE(refused({2}, 9));
  EXPECT_TRUE(refused(Tensor::Shape(kMaxTensorRank + 1, 1), 4));
  EXPECT_FALSE(Tensor::from(static_cast<NumberType>(99), {0}, {}).has_value());
}

TEST(Tensor, KeepsAVectorWithoutACopy) {
  std::vector<double> values{1, 2, 3};
  const double* memory = values.data();
  const Tensor tensor = Tensor::of<double>({3}, std::move(values));
  EXPECT_EQ(tensor.values<double>().data(), memory);
}

TEST(Tensor, AlignsItsData) {
  const Buffer bytes = Buffer::allocate(17);
  const auto tensor = Tensor::from(NumberType::kFloat64, {2}, bytes.slice(1, 16));
  ASSERT_TRUE(tensor.has_value());
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(tensor->values<double>().data()) % alignof(double), 0U);
  const auto shared = Tensor::from(NumberType::kFloat64, {2}, bytes.slice(0, 16));
  EXPECT_EQ(shared->data().data(), bytes.data());
}

TEST(Tensor, ComparesTypeShapeAndBytes) {
  const Tensor tensor = Tensor::of<float>({2}, {1, 2});
  EXPECT_EQ(tensor, Tensor::of<float>({2}, {1, 2}));
  EXPECT_NE(tensor, Tensor::of<float>({1, 2}, {1, 2}));
  EXPECT_NE(tensor, Tensor::of<float>({2}, {1, 3}));
  EXPECT_NE(Tensor::of<std::int32_t>({1}, {0}), Tensor::of<std::uint32_t>({1}, {0}));
}

TEST(Tensor, TravelsAtEveryAlignment) {
  const Tensor small = Tensor::of<double>({2, 2}, {1, 2, 3, 4});
  for (std::size_t offset = 0; offset < 8; ++offset) {
    const auto back = through_flex(small, nullptr, offset);
    ASSERT_TRUE(back.has_value()) << back.error().to_string();
    EXPECT_EQ(*back, small);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(back->values<double>().data()) % alignof(double), 0U);
  }
}

TEST(Tensor, TravelsWithoutACopyWhenLarge) {
  const Tensor large = Tensor::of<float>({64, 64}, std::vector<float>(4096, 2.0F));
  std::size_t segments = 0;
  const auto back = through_flex(large, &segments);
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(segments, 1U);
  EXPECT_EQ(back->data().data(), large.data().data());
  EXPECT_EQ(*back, large);
}

TEST(Tensor, IsReadFromPlainNumbers) {
  EXPECT_EQ(*through_flex(std::vector<std::int16_t>{1, -2}), Tensor::of<std::int16_t>({2}, {1, -2}));
  EXPECT_EQ(*through_flex(std::tuple(1, 2.5)), Tensor::of<double>({2}, {1, 2.5}));
  EXPECT_FALSE(through_flex(std::vector<std::string>{"x"}).has_value());
  EXPECT_FALSE(through_flex(std::string("x")).has_value());
}

}  // namespace
}  // namespace onward
