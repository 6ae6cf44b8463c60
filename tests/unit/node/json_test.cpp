// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>

#include "json_value.h"
#include "onward/value.h"

namespace onward {
namespace {

using testing::HasSubstr;

DynamicValue parsed(std::string_view text) {
  Result<DynamicValue> value = parse_json(text);
  if (value) return *std::move(value);
  ADD_FAILURE() << text << ": " << value.error().to_string();
  return {};
}

std::string refusal(std::string_view text) {
  const Result<DynamicValue> value = parse_json(text);
  if (!value) {
    EXPECT_EQ(value.error().code(), StatusCode::kInvalidArgument);
    return value.error().message();
  }
  return "(accepted)";
}

TEST(Json, Scalars) {
  EXPECT_EQ(parsed("null"), DynamicValue());
  EXPECT_EQ(parsed("true"), DynamicValue{true});
  EXPECT_EQ(parsed("-3"), DynamicValue{std::int64_t{-3}});
  EXPECT_EQ(parsed("9223372036854775807"), DynamicValue{std::int64_t{INT64_MAX}});
  EXPECT_EQ(parsed("18446744073709551615"), DynamicValue{std::uint64_t{UINT64_MAX}});
  EXPECT_EQ(parsed("2.5"), DynamicValue{2.5});
  EXPECT_EQ(parsed("1.0"), DynamicValue{1.0});
  EXPECT_EQ(parsed("\"x\""), DynamicValue{std::string("x")});
}

TEST(Json, ComesBackAsItWas) {
  for (const char* text : {"null",
                           "false",
                           "-3",
                           "18446744073709551615",
                           "2.5",
                           "1.0",
                           "\"x\\ny\"",
                           "[]",
                           "{}",
                           R"([1,"a",[2.5,null]])",
                           R"({"a":1,"b":{"c":[true]}})",
                           R"({"float":"NaN"})",
                           R"({"float":"-Infinity"})",
                           R"({"bytes":"aGVsbG8="})",
                           R"({"data":[1,2,3,4],"dtype":"uint8","shape":[2,2]})",
                           R"({"data":[],"dtype":"int64","shape":[0,7]})",
                           R"({"data":[true,false],"dtype":"bool","shape":[2]})",
                           R"({"data":[{"float":"Infinity"},-0.5],"dtype":"float64","shape":[2]})",
                           R"({"data":{"bytes":"ADw="},"dtype":"float16","shape":[]})",
                           R"({"bytes":"AAAA","table":"demo.Point"})"}) {
    EXPECT_EQ(to_json(parsed(text)), text);
  }
}

TEST(Json, TensorDataMayBeBytes) {
  EXPECT_EQ(parsed(R"({"dtype": "int16", "shape": [2], "data": {"bytes": "AQACAA=="}})"),
            parsed(R"({"dtype": "int16", "shape": [2], "data": [1, 2]})"));
}

TEST(Json, PackedNumbersAreAnArray) {
  const std::array<float, 2> values = {1.5F, -INFINITY};
  const DynamicValue numbers{
      DynamicValue::Numbers{NumberType::kFloat32, Buffer::copy_of(std::as_bytes(std::span(values)))}};
  EXPECT_EQ(to_json(numbers), R"([1.5,{"float":"-Infinity"}])");
  const DynamicValue halves{DynamicValue::Numbers{NumberType::kFloat16, Buffer::copy_of(std::string_view("\0<", 2))}};
  EXPECT_EQ(to_json(halves), R"({"data":{"bytes":"ADw="},"dtype":"float16","shape":[1]})");
}

TEST(Json, SaysWhatIsWrong) {
  EXPECT_THAT(refusal("{\"a\": }"), HasSubstr("column 7"));
  EXPECT_THAT(refusal(R"({"bytes": "!"})"), HasSubstr("base64"));
  EXPECT_THAT(refusal(R"({"bytes": 1})"), HasSubstr("base64"));
  EXPECT_THAT(refusal(R"({"float": "1"})"), HasSubstr("NaN"));
  EXPECT_THAT(refusal(R"({"dtype": "int", "shape": [1], "data": [1]})"), HasSubstr("none of bool, int8"));
  EXPECT_THAT(refusal(R"({"dtype": "int8", "shape": [1], "data": [300]})"), HasSubstr("300 is no int8"));
  EXPECT_THAT(refusal(R"({"dtype": "uint8", "shape": [1], "data": [-1]})"), HasSubstr("-1 is no uint8"));
  EXPECT_THAT(refusal(R"({"dtype": "int8", "shape": [1], "data": [1.5]})"), HasSubstr("1.5 is no int8"));
  EXPECT_THAT(refusal(R"({"dtype": "bool", "shape": [1], "data": [1]})"), HasSubstr("1 is no bool"));
  EXPECT_THAT(refusal(R"({"dtype": "float32", "shape": [1], "data": [1e300]})"), HasSubstr("is no float32"));
  EXPECT_THAT(refusal(R"({"dtype": "float16", "shape": [1], "data": [1]})"), HasSubstr("BASE64"));
  EXPECT_THAT(refusal(R"({"dtype": "int8", "shape": -1, "data": [1]})"), HasSubstr("shape"));
  EXPECT_NE(refusal(R"({"dtype": "int8", "shape": [2], "data": [1]})"), "(accepted)");
  EXPECT_NE(refusal(R"({"dtype": "int8", "shape": [18446744073709551615, 2], "data": []})"), "(accepted)");
}

TEST(Json, DepthIsBounded) {
  const auto nested = [](std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_NE(refusal(nested(10'000)), "(accepted)");
  EXPECT_EQ(refusal(nested(kMaxValueDepth - 2)), "(accepted)");
}

TEST(Json, ArgumentsThatAreNotJsonAreStrings) {
  EXPECT_EQ(*parse_argument("search"), DynamicValue{std::string("search")});
  EXPECT_EQ(*parse_argument(""), DynamicValue{std::string()});
  EXPECT_EQ(*parse_argument("two words"), DynamicValue{std::string("two words")});
  EXPECT_EQ(*parse_argument("\"1\""), DynamicValue{std::string("1")});
  EXPECT_EQ(*parse_argument("1"), DynamicValue{std::int64_t{1}});
  EXPECT_EQ(*parse_argument("-1.5"), DynamicValue{-1.5});
  EXPECT_EQ(*parse_argument("nulll"), DynamicValue{std::string("nulll")});
}

TEST(Json, ArgumentsThatLookLikeJsonMustBeJson) {
  for (const char* text : {"{a", "[1,", "\"open", "--json", "-x", R"({"float": "x"})"})
    EXPECT_FALSE(parse_argument(text)) << text;
}

TEST(JsonText, StringIsBareAndHarmless) {
  EXPECT_EQ(to_text(DynamicValue{std::string("a\tb\nc")}, 80), "a\tb\nc");
  EXPECT_EQ(to_text(DynamicValue{std::string("\x1B[31mred\x7F")}, 80), "?[31mred?");
  EXPECT_EQ(to_text(DynamicValue{std::string("\xFF")}, 80), "\xEF\xBF\xBD");
  EXPECT_EQ(to_json(DynamicValue{std::string("\xFF")}), "\"\xEF\xBF\xBD\"");
}

TEST(JsonText, WhatFitsStandsOnOneLine) {
  EXPECT_EQ(to_text(parsed("[3,7]"), 80), "[3, 7]");
  EXPECT_EQ(to_text(parsed(R"({"a":[1,{"b":2}]})"), 80), R"({"a": [1, {"b": 2}]})");
}

TEST(JsonText, RecordsAreLines) {
  EXPECT_EQ(to_text(parsed(R"({"hits":[{"file":"a","line":1},{"file":"b","line":2}],"more":[]})"), 20),
            "{\n"
            "  \"hits\": [\n"
            "    {\"file\": \"a\", \"line\": 1},\n"
            "    {\"file\": \"b\", \"line\": 2}\n"
            "  ],\n"
            "  \"more\": []\n"
            "}");
}

TEST(JsonText, LongListsAreFilled) {
  EXPECT_EQ(to_text(parsed("[1,22,333,4444,55555]"), 10), "[\n  1, 22,\n  333,\n  4444,\n  55555\n]");
}

}  // namespace
}  // namespace onward
