// SPDX-License-Identifier: Apache-2.0
//
// Tags in codec flex: every reader sees through them.
#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "flex_tags_fixture.h"
#include "onward/error_detail.h"

namespace onward::test {
namespace {

TEST_F(FlexTags, EveryReaderSeesThroughThem) {
  expect_seen_through(true);
  expect_seen_through(std::int32_t{-7});
  expect_seen_through(std::uint64_t{70'000});
  expect_seen_through(0.1);
  expect_seen_through(std::string("text"));
  expect_seen_through(std::chrono::milliseconds(5));
  expect_seen_through(std::vector<std::byte>(10));
  expect_seen_through(std::vector<std::string>{"a", "b"});
  expect_seen_through(std::vector<Match>{{"a.txt", 1}, {"b.txt", 2}});
  expect_seen_through(std::map<std::string, std::int32_t>{{"a", 1}, {"b", 2}});
  expect_seen_through(std::map<std::int32_t, std::string>{{1, "one"}, {2, "two"}});
  expect_seen_through(std::vector<float>{1, 2, 3});
  expect_seen_through(std::vector<bool>{true, false});
  expect_seen_through(std::vector<std::int8_t>(300, -1));  // more than a length of one byte can count
  expect_seen_through(std::tuple(1, std::string("x")));
  expect_seen_through(std::tuple<>());
  expect_seen_through(Match{"a.txt", 7});
}

TEST_F(FlexTags, NumbersAreConvertedBehindThem) {
  expect_reads_as(Tagged<std::int32_t>{7}, std::uint64_t{7});
  expect_reads_as(Tagged<std::uint32_t>{7}, std::int64_t{7});
  expect_reads_as(Tagged<std::int32_t>{7}, 7.0);
  expect_reads_as(std::tuple(Tagged<std::int32_t>{1}, 2, Tagged<std::int32_t, 2>{3}), std::vector<double>{1, 2, 3});
  expect_reads_as(std::tuple(Tagged<std::int32_t>{1}, 2), std::vector<std::uint8_t>{1, 2});
  expect_reads_as(std::tuple(Tagged<bool>{true}, false), std::vector<bool>{true, false});
  expect_reads_as(Tagged<std::tuple<std::int32_t, std::int32_t>>{{1, 2}}, std::vector<std::int64_t>{1, 2});
  flexbuffers::Builder builder;
  builder.Vector([&] {
    builder.Key("tagged");
    builder.String("x");
    builder.IndirectInt(-1234);
  });
  builder.Finish();
  std::int32_t number = 0;
  EXPECT_TRUE(read(std::as_bytes(std::span(builder.GetBuffer())), {}, number).ok());
  EXPECT_EQ(number, -1234);
}

TEST_F(FlexTags, NullBytesTensorsAndTablesAreBehindThem) {
  expect_reads_as(Tagged<std::monostate>{}, std::optional<std::int32_t>());
  EXPECT_TRUE(read_with(written(Tagged<std::monostate, 2>{}), [](Decoder& decoder) { decoder.null(); }).ok());
  for (const std::size_t bytes : {std::size_t{8}, kSegmentThresholdBytes}) {
    Random random(bytes);
    const Buffer content = random.bytes(bytes);
    const Payload payload = written(Tagged<Buffer, 2>{content});
    EXPECT_EQ(payload.segments.size(), bytes < kSegmentThresholdBytes ? 0U : 1U);
    const auto reads = [&](FunctionRef<void(Decoder&)> reader) { EXPECT_TRUE(read_with(payload, reader).ok()); };
    reads([&](Decoder& decoder) { EXPECT_EQ(decoder.bytes().text(), content.text()); });
    reads([&](Decoder& decoder) { EXPECT_EQ(decoder.bytes_view().size(), bytes); });
    reads([&](Decoder& decoder) { decoder.skip(); });
    const TensorValue tensor{.type = NumberType::kUint8, .shape = {bytes}, .data = content};
    const auto read_tensor = [&](Decoder& decoder) {
      EXPECT_EQ(decoder.peek(), ValueKind::kTensor);
      EXPECT_EQ(decoder.tensor().data.text(), content.text());
    };
    EXPECT_TRUE(read_with(written(Tagged<DynamicValue>{{tensor}}), read_tensor).ok());
    const auto read_table = [&](Decoder& decoder) {
      EXPECT_EQ(decoder.table_name(), "demo.Point");
      EXPECT_EQ(decoder.table("demo.Point").text(), content.text());
    };
    EXPECT_TRUE(
        read_with(written(Tagged<DynamicValue>{{DynamicValue::Table{"demo.Point", content}}}), read_table).ok());
  }
}

TEST_F(FlexTags, PackedNumbersKeepTheirTypeBehindThem) {
  for (const NumberType type : {NumberType::kInt16, NumberType::kFloat16}) {
    const DynamicValue::Numbers numbers{type, Buffer::copy_of(std::string_view("12345678"))};
    const auto reader = [&](Decoder& decoder) {
      EXPECT_EQ(decoder.peek(), ValueKind::kNumbers);
      EXPECT_EQ(decoder.number_type(), type);
      std::uint64_t out = 0;
      EXPECT_EQ(decoder.begin_numbers(), 4U);
      decoder.numbers(type, &out, 4);
      EXPECT_EQ(out, 0x3837'3635'3433'3231U);
    };
    EXPECT_TRUE(read_with(written(Tagged<DynamicValue, 2>{{numbers}}), reader).ok());
  }
}

TEST_F(FlexTags, AreToldToThoseWhoAsk) {
  const auto value = std::tuple(Tagged<std::int32_t, 2>{1}, "plain", Tagged<std::tuple<Tagged<bool>>>{{{true}}},
                                std::map<std::string, Tagged<Match>>{{"k", {{"a.txt", 7}}}});
  const Status status = read_with(written(value), [](Decoder& decoder) {
    EXPECT_EQ(decoder.tag(), "");
    EXPECT_EQ(decoder.begin_sequence(), 4U);
    EXPECT_EQ(decoder.tag(), "tag0") << "the outermost";
    EXPECT_EQ(decoder.tag(), "tag0") << "nothing is consumed";
    EXPECT_EQ(decoder.peek(), ValueKind::kInteger);
    EXPECT_EQ(decoder.integer(), 1);
    EXPECT_EQ(decoder.tag(), "");
    EXPECT_EQ(decoder.string(), "plain");
    EXPECT_EQ(decoder.tag(), "tag0");
    EXPECT_EQ(decoder.begin_sequence(), 1U);
    EXPECT_EQ(decoder.tag(), "tag0");
    EXPECT_TRUE(decoder.boolean());
    decoder.end_sequence();
    EXPECT_EQ(decoder.tag(), "");
    EXPECT_EQ(decoder.begin_map(), 1U);
    EXPECT_EQ(decoder.key(), "k");
    EXPECT_EQ(decoder.tag(), "tag0");
    EXPECT_EQ(decode_value<Match>(decoder), (Match{"a.txt", 7}));
    decoder.end_map();
    decoder.end_sequence();
  });
  EXPECT_TRUE(status.ok()) << status.to_string();
}

TEST_F(FlexTags, DoNotCountInPositions) {
  const auto message_of = [&](const Payload& payload, auto like) {
    return read(payload.body.bytes(), payload.segments, like).message();
  };
  using Plain = std::map<std::string, std::int32_t>;
  const Plain fits{{"line", 7}};
  const Plain wide{{"line", 300}};
  const std::vector<Match> matches;
  const std::string wanted = "at [1].line: 300 does not fit uint8";
  EXPECT_EQ(message_of(written(std::vector{fits, wide}), matches), wanted);
  EXPECT_EQ(message_of(written(Tagged<std::vector<Tagged<Plain, 2>>>{{{fits}, {wide}}}), matches), wanted);
  EXPECT_EQ(message_of(written(std::tuple(Tagged<Plain>{fits}, wide)), matches), wanted);
  using Pair = std::tuple<std::tuple<std::int32_t>, std::string>;
  EXPECT_EQ(message_of(written(std::tuple(Tagged<std::tuple<std::int32_t>>{{1}}, 2)), Pair()),
            "at [1]: expected a string, found an integer");
  EXPECT_EQ(message_of(written(std::tuple(1, Tagged<bool>{true})), std::tuple<int, std::string>()),
            "at [1]: expected a string, found a boolean");
}

TEST_F(FlexTags, SegmentsInWhatIsPassedOverAreAccountedFor) {
  const Buffer large = Buffer::allocate(kSegmentThresholdBytes);
  const Payload payload = written(std::map<std::string, Tagged<std::tuple<Tagged<Buffer, 2>>>>{{"newer", {{{large}}}}});
  ASSERT_EQ(payload.segments.size(), 1U);
  Match knows_nothing_of_it;
  EXPECT_TRUE(read(payload.body.bytes(), payload.segments, knows_nothing_of_it).ok());
  EXPECT_NE(refusal(payload.body.bytes(), {large, large}).find("nothing refers to segment 1"), std::string::npos);
}

TEST_F(FlexTags, DetailsOfErrorsArePrintedWithoutThem) {
  const auto printed = [](const auto& detail) {
    return Status(StatusCode::kUnknown, "x").with_detail(detail).to_string();
  };
  EXPECT_EQ(printed(Tagged<std::tuple<Tagged<std::int32_t>, std::string>>{{{7}, "text"}}),
            printed(std::tuple<std::int32_t, std::string>(7, "text")));
}

}  // namespace
}  // namespace onward::test
