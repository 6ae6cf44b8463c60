// SPDX-License-Identifier: Apache-2.0
//
// What is said about arguments that a function does not take. That this is what a node would say, too:
// argument_agreement_test.cpp.
#include "argument_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "json_value.h"

namespace onward {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

const std::vector<std::string> kStructs = {"Query{text: string, limits: list<int16>, deep: optional<Query>}"};

// "ARGUMENT PATH: EXPECTED, not FOUND" of JSON arguments; empty if they would be taken.
std::string check(const std::string& parameters, const std::vector<std::string>& arguments,
                  ArgumentNotes* notes = nullptr) {
  DynamicValue::Sequence values;
  for (const std::string& argument : arguments) values.push_back(parse_json(argument).value());
  ArgumentNotes ignored;
  const auto signature = parse_signature("(" + parameters + ") -> void", kStructs);
  const auto mismatch = check_arguments(signature.value(), values, notes == nullptr ? ignored : *notes);
  if (!mismatch) return {};
  return std::to_string(mismatch->index) + " " + mismatch->path + ": " + mismatch->expected + ", not " +
         mismatch->found;
}

TEST(ArgumentCheck, TakesWhatFits) {
  EXPECT_EQ(check("", {}), "");
  EXPECT_EQ(check("string, int64, bool, float32, null, any", {R"("x")", "-7", "true", "3", "null", "[1, {}]"}), "");
  EXPECT_EQ(check("Query", {R"({"text": "x", "limits": [1, 2], "deep": {"text": "y", "deep": null}})"}), "");
  EXPECT_EQ(check("Query", {"{}"}), "");
  EXPECT_EQ(check("Unknown", {"[1]"}), "");
  EXPECT_EQ(check("map<int8, string>, map<int8, string>", {R"({"-128": "x"})", R"([[127, "x"]])"}), "");
}

TEST(ArgumentCheck, SaysWhatWasExpectedAndWhatWasGiven) {
  EXPECT_EQ(check("string, int64", {R"("x")", R"("ten")"}), R"(1 : an int64, not the string "ten")");
  EXPECT_EQ(check("string", {"7"}), "0 : a string, not the integer 7");
  EXPECT_EQ(check("string", {"true"}), "0 : a string, not true");
  EXPECT_EQ(check("uint8", {"1.5"}), "0 : a uint8, not the real 1.5");
  EXPECT_EQ(check("bool", {"null"}), "0 : a bool, not null");
  EXPECT_EQ(check("list<int32>", {R"({"a": 1})"}), R"(0 : a list<int32>, not the object {"a":1})");
  EXPECT_EQ(check("optional<int32>", {"[1]"}), "0 : an int32, not the array [1]");
  EXPECT_EQ(check("null", {"1"}), "0 : null, not the integer 1");
  EXPECT_EQ(check("duration", {R"("1s")"}), R"(0 : a duration, an integer number of nanoseconds, not the string "1s")");
  EXPECT_THAT(check("tensor", {"1"}), StartsWith(R"(0 : a tensor, {"dtype": …)"));
  EXPECT_THAT(check("table demo.Point", {"{}"}), StartsWith(R"(0 : a table demo.Point, {"table": NAME, )"));
  EXPECT_THAT(check("table demo.Point", {R"({"table": "demo.Line", "bytes": ""})"}), HasSubstr("demo.Line"));
  EXPECT_THAT(check("Query", {R"("x")"}), R"(0 : a Query, an object, not the string "x")");
}

TEST(ArgumentCheck, SaysWhichIntegersThereAre) {
  EXPECT_EQ(check("int8", {"300"}), "0 : an int8 (-128 to 127), not 300");
  EXPECT_EQ(check("uint16", {"-1"}), "0 : a uint16 (0 to 65535), not -1");
  EXPECT_EQ(check("int64", {"18446744073709551615"}),
            "0 : an int64 (-9223372036854775808 to 9223372036854775807), not 18446744073709551615");
  EXPECT_EQ(check("uint64", {"18446744073709551615"}), "");
  EXPECT_EQ(check("uint64", {"-1"}), "0 : a uint64 (0 to 18446744073709551615), not -1");
  EXPECT_EQ(check("float32", {"1e39"}), "0 : a float32, not the real 1e+39");
}

TEST(ArgumentCheck, SaysWhere) {
  EXPECT_EQ(check("list<list<int8>>", {"[[1], [2, 300]]"}), "0 [1][1]: an int8 (-128 to 127), not 300");
  EXPECT_EQ(check("Query", {R"({"deep": {"limits": [1, "x"]}})"}), R"(0 deep.limits[1]: an int16, not the string "x")");
  EXPECT_EQ(check("map<string, bool>", {R"({"on": 1})"}), "0 on: a bool, not the integer 1");
  EXPECT_EQ(check("map<int8, bool>", {R"({"x": true})"}),
            R"(0 x: an int8, in decimal, as keys of a map<int8, bool> are, not "x")");
  EXPECT_EQ(check("map<bool, bool>", {"{}"}), "0 : a map<bool, bool>, an array of [key, value], not the object {}");
  EXPECT_EQ(check("map<bool, bool>", {"[[true, 1]]"}), "0 [0][1]: a bool, not the integer 1");
  EXPECT_EQ(check("(int32, string)", {"[1, 2]"}), "0 [1]: a string, not the integer 2");
}

TEST(ArgumentCheck, CountsElements) {
  EXPECT_EQ(check("array<int32, 3>", {"[1]"}), "0 : an array<int32, 3>, not one of 1");
  EXPECT_EQ(check("(int32, string)", {"[1]"}), "0 : an array of (int32, string), not one of 1");
  EXPECT_EQ(check("array<byte, 4>", {R"("abc")"}), R"(0 : 4 bytes, {"bytes": BASE64} or a string, not 3 bytes)");
}

TEST(ArgumentCheck, LongValuesAreCut) {
  const std::string text = check("int32", {"\"" + std::string(59, 'x') + "ééé\""});
  EXPECT_THAT(text, testing::EndsWith("x…"));
  EXPECT_LT(text.size(), 110U);
}

TEST(ArgumentCheck, KnowsWhereAStringWasWanted) {
  const auto wanted = [](const std::string& parameters, const std::string& argument) {
    ArgumentNotes notes;
    const auto mismatch =
        check_arguments(parse_signature("(" + parameters + ") -> void").value(), {parse_json(argument).value()}, notes);
    return mismatch && mismatch->string_wanted;
  };
  EXPECT_TRUE(wanted("string", "7"));
  EXPECT_TRUE(wanted("optional<string>", "true"));
  EXPECT_FALSE(wanted("list<string>", "[7]"));
  EXPECT_FALSE(wanted("int32", R"("7")"));
}

TEST(ArgumentCheck, MembersThatArePassedOverAreNoted) {
  ArgumentNotes notes;
  EXPECT_EQ(check("int32, Query", {"1", R"({"txt": 1, "deep": {"anything": null}})"}, &notes), "");
  EXPECT_THAT(notes, ElementsAre(R"(argument 2, at deep, has a member "anything", which Query has not, and which is )"
                                 "passed over",
                                 R"(argument 2 has a member "txt", which Query has not, and which is passed over; )"
                                 R"(did you mean "text"?)"));
  notes.clear();
  EXPECT_EQ(check("Query", {R"({"text": "x"})"}, &notes), "");
  EXPECT_THAT(notes, IsEmpty());
}

// A struct may have the name of another type.
TEST(ArgumentCheck, NamesThatMeanTwoThingsAreNotChecked) {
  ArgumentNotes notes;
  const std::vector<std::string> structs = {"bytes{count: int32}"};
  const auto signature = parse_signature("(bytes) -> void", structs).value();
  EXPECT_FALSE(check_arguments(signature, {parse_json(R"({"count": 1})").value()}, notes));
}

}  // namespace
}  // namespace onward
