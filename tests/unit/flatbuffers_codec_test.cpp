// SPDX-License-Identifier: Apache-2.0
//
// FlatTable, with the codecs that carry it.
#include "onward/flatbuffers/flatbuffers_codec.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "flat_table_test_generated.h"
#include "onward/flatbuffers/flat_table.h"
#include "onward/flex/flex_codec.h"
#include "onward/testing/value_generator.h"
#include "onward/value.h"

namespace onward::test {

using namespace testing_support;
namespace {

using Point = FlatTable<demo::Point>;
using Line = FlatTable<demo::Line>;

Point make_point(std::uint64_t id, std::size_t blob_bytes = 3) {
  flatbuffers::FlatBufferBuilder builder;
  const std::vector<std::uint8_t> blob(blob_bytes, 7);
  const demo::Position position(1.5, -2);
  const auto neighbour = demo::CreatePointDirect(builder, id + 1, "neighbour");
  const std::vector<flatbuffers::Offset<demo::Point>> neighbours{neighbour};
  builder.Finish(demo::CreatePointDirect(builder, id, "a point", &position, &neighbours, &blob));
  return Point(std::move(builder));
}

void expect_point(const Point& point, std::uint64_t id) {
  ASSERT_TRUE(point);
  EXPECT_EQ(point->id(), id);
  EXPECT_EQ(point->name()->string_view(), "a point");
  EXPECT_EQ(point->position()->y(), -2);
  EXPECT_EQ((*point).neighbours()->Get(0)->id(), id + 1);
}

class FlatbuffersCodec : public testing::TestWithParam<std::unique_ptr<Codec> (*)()> {
 protected:
  std::unique_ptr<Codec> codec_ = GetParam()();
};

INSTANTIATE_TEST_SUITE_P(flatbuffers, FlatbuffersCodec, testing::Values(&make_flatbuffers_codec));
INSTANTIATE_TEST_SUITE_P(flex, FlatbuffersCodec, testing::Values(&make_flex_codec));

TEST_P(FlatbuffersCodec, TablesAreArgumentsAndResults) {
  Point result;
  ASSERT_TRUE(round_trip(*codec_, make_point(5), result).ok());
  expect_point(result, 5);
  std::tuple<Point> arguments;
  ASSERT_TRUE(round_trip(*codec_, std::tuple(make_point(6)), arguments).ok());
  expect_point(std::get<0>(arguments), 6);
  std::tuple<> none;
  EXPECT_TRUE(round_trip(*codec_, none, none).ok());
}

TEST_P(FlatbuffersCodec, ATableMayBeMissing) {
  std::optional<Point> result = make_point(1);
  ASSERT_TRUE(round_trip(*codec_, std::optional<Point>(), result).ok());
  EXPECT_FALSE(result.has_value());
  ASSERT_TRUE(round_trip(*codec_, std::optional<Point>(make_point(2)), result).ok());
  ASSERT_TRUE(result.has_value());
  expect_point(*result, 2);
  Point point;
  EXPECT_EQ(round_trip(*codec_, std::monostate(), point).code(), StatusCode::kInvalidArgument);
}

TEST_P(FlatbuffersCodec, LargeTablesTravelWithoutACopy) {
  const Point large = make_point(1, 100'000);
  Payload payload;
  ASSERT_TRUE(encode(*codec_, large, payload).ok());
  ASSERT_EQ(payload.segments.size(), 1U);
  EXPECT_EQ(payload.segments.front().data(), large.buffer().data());
  InboundMessage message{
      .header = {}, .body = payload.body.bytes(), .storage = &payload.body, .segments = payload.segments};
  Point back;
  ASSERT_TRUE(decode(*codec_, message, back).ok());
  expect_point(back, 1);
  EXPECT_EQ(back.buffer().data(), large.buffer().data());
}

TEST_P(FlatbuffersCodec, AnyAddressWillDo) {
  Payload payload;
  ASSERT_TRUE(encode(*codec_, make_point(1), payload).ok());
  for (std::size_t offset = 0; offset < 16; ++offset) {
    Delivery delivery(payload.body.bytes(), {}, offset);
    Point back;
    ASSERT_TRUE(decode(*codec_, delivery.message(), back).ok());
    expect_point(back, 1);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(back.buffer().data()) % kTableAlignment, 0U);
  }
}

TEST_P(FlatbuffersCodec, AnEmptyTableIsRefused) {
  Payload payload;
  EXPECT_EQ(encode(*codec_, Point(), payload).code(), StatusCode::kInvalidArgument);
}

TEST_P(FlatbuffersCodec, MutatedTablesAreRefusedOrSafeToRead) {
  Payload payload;
  ASSERT_TRUE(encode(*codec_, make_point(1, 40), payload).ok());
  std::size_t accepted = 0;
  for (std::uint64_t n = 0; n < 20'000; ++n) {
    Random random(n);
    std::vector<std::byte> body(payload.body.bytes().begin(), payload.body.bytes().end());
    for (std::size_t flips = 1 + random.below(3); flips > 0; --flips) {
      body[random.below(body.size())] = static_cast<std::byte>(random.next());
    }
    if (random.one_in(10)) body.resize(random.below(body.size()));
    Delivery delivery(body, {}, 8);
    Point point;
    const Status status = decode(*codec_, delivery.message(), point);
    ASSERT_TRUE(status.ok() || status.code() == StatusCode::kInvalidArgument) << n;
    if (!status.ok()) continue;
    ++accepted;
    volatile std::size_t sum = point->id() + (point->name() != nullptr ? point->name()->str().size() : 0);
    for (const demo::Point* neighbour : point->neighbours() != nullptr
                                            ? std::vector(point->neighbours()->begin(), point->neighbours()->end())
                                            : std::vector<const demo::Point*>()) {
      sum = sum + neighbour->id() + (neighbour->name() != nullptr ? neighbour->name()->str().size() : 0);
    }
    if (point->blob() != nullptr)
      sum = sum + std::vector<std::uint8_t>(point->blob()->begin(), point->blob()->end()).size();
  }
  EXPECT_GT(accepted, 1000U);
}

TEST(FlatTable, HasTheTablesName) {
  EXPECT_EQ(type_name<Point>(), "table demo.Point");
  EXPECT_EQ(type_name<std::vector<Line>>(), "list<table demo.Line>");
}

TEST(FlatTable, VerifiesItsType) {
  EXPECT_TRUE(Point::from(make_point(1).buffer()).has_value());
  const auto wrong = Line::from(make_point(1).buffer());
  ASSERT_FALSE(wrong.has_value());
  EXPECT_EQ(wrong.error().code(), StatusCode::kInvalidArgument);
  EXPECT_NE(wrong.error().message().find("demo.Line"), std::string::npos);
  EXPECT_FALSE(Point::from(Buffer()).has_value());
}

TEST(FlatTable, SharesAlignedMemory) {
  const Point point = make_point(1);
  const Buffer aligned = Buffer::copy_of(point.buffer().bytes());
  EXPECT_EQ(Point::from(aligned)->buffer().data(), aligned.data());
}

TEST(FlatTable, BoundsDepthAndRepetition) {
  const auto nested = [](std::size_t depth, std::size_t times) {
    flatbuffers::FlatBufferBuilder builder;
    auto point = demo::CreatePoint(builder);
    for (std::size_t i = 1; i < depth; ++i) {
      const auto neighbours = builder.CreateVector(std::vector(times, point));
      demo::PointBuilder outer(builder);
      outer.add_neighbours(neighbours);
      point = outer.Finish();
    }
    builder.Finish(point);
    return Point(std::move(builder)).buffer();
  };
  EXPECT_TRUE(Point::from(nested(kMaxTableDepth - 1, 1)).has_value());
  EXPECT_FALSE(Point::from(nested(kMaxTableDepth + 2, 1)).has_value());
  EXPECT_FALSE(Point::from(nested(20, 10)).has_value()) << "ten to the power of twenty visits";
  EXPECT_FALSE(Point::from(nested(5, 10)).has_value()) << "eleven thousand visits to six tables";
  EXPECT_TRUE(Point::from(nested(2, 10)).has_value()) << "some sharing is fine";
}

TEST(FlatTable, FlexChecksTheName) {
  const auto codec = make_flex_codec();
  Line line;
  const Status status = round_trip(*codec, make_point(1), line);
  EXPECT_EQ(status.message(), "expected a table demo.Line, found a table demo.Point");
}

}  // namespace
}  // namespace onward::test
