// SPDX-License-Identifier: Apache-2.0
#include "signature_type.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "onward/value.h"
#include "onward/value_dynamic.h"

namespace onward {
namespace {

using Kind = SignatureType::Kind;
using testing::ElementsAre;
using testing::IsEmpty;

SignatureType only(const std::string& text) {
  const auto signature = parse_signature("(" + text + ") -> void");
  EXPECT_TRUE(signature) << text;
  if (!signature || signature->parameters.size() != 1) return {};
  EXPECT_EQ(signature->parameters[0].text, text);
  return signature->parameters[0];
}

TEST(SignatureType, WordsAreTypes) {
  EXPECT_EQ(only("string").kind, Kind::kString);
  EXPECT_EQ(only("bytes").kind, Kind::kBytes);
  EXPECT_EQ(only("duration").kind, Kind::kDuration);
  EXPECT_EQ(only("null").kind, Kind::kNull);
  EXPECT_EQ(only("tensor").kind, Kind::kTensor);
  EXPECT_EQ(only("any").kind, Kind::kAny);
  for (std::uint8_t i = 0; i < kNumberTypes; ++i) {
    const SignatureType number = only(std::string(to_string(static_cast<NumberType>(i))));
    EXPECT_EQ(number.kind, Kind::kNumber);
    EXPECT_EQ(number.number, static_cast<NumberType>(i));
  }
}

TEST(SignatureType, ContainersHaveParts) {
  const SignatureType list = only("list<list<float64>>");
  EXPECT_EQ(list.kind, Kind::kList);
  ASSERT_EQ(list.parts.size(), 1U);
  EXPECT_EQ(list.parts[0].text, "list<float64>");
  EXPECT_EQ(list.parts[0].parts.at(0).number, NumberType::kFloat64);
  EXPECT_EQ(only("set<string>").kind, Kind::kSet);
  EXPECT_EQ(only("optional<bool>").kind, Kind::kOptional);
  const SignatureType map = only("map<string, optional<(int8, tensor)>>");
  EXPECT_EQ(map.kind, Kind::kMap);
  ASSERT_EQ(map.parts.size(), 2U);
  EXPECT_EQ(map.parts[0].kind, Kind::kString);
  EXPECT_EQ(map.parts[1].parts.at(0).kind, Kind::kTuple);
  EXPECT_EQ(map.parts[1].parts.at(0).parts.size(), 2U);
  EXPECT_THAT(only("()").parts, IsEmpty());
  EXPECT_EQ(only("()").kind, Kind::kTuple);
  const SignatureType array = only("array<(int32, bool), 12>");
  EXPECT_EQ(array.kind, Kind::kArray);
  EXPECT_EQ(array.count, 12U);
  EXPECT_EQ(array.parts.at(0).kind, Kind::kTuple);
  EXPECT_EQ(only("array<byte, 4>").kind, Kind::kByteArray);
  EXPECT_EQ(only("array<byte, 4>").count, 4U);
}

TEST(SignatureType, OtherWordsAreNames) {
  EXPECT_EQ(only("table").kind, Kind::kTable);
  EXPECT_EQ(only("table").name, "");
  EXPECT_EQ(only("table demo.Point").kind, Kind::kTable);
  EXPECT_EQ(only("table demo.Point").name, "demo.Point");
  for (const char* name : {"Hit", "ns::Hit", "tables", "Pair<int, std::vector<X>>", "f(int)::Hit", "int"}) {
    EXPECT_EQ(only(name).kind, Kind::kNamed) << name;
    EXPECT_EQ(only(name).name, name);
  }
}

TEST(SignatureType, ParametersAreTakenApart) {
  EXPECT_THAT(parse_signature("() -> void")->parameters, IsEmpty());
  EXPECT_THAT(parse_signature("() -> list<int32>")->parameters, IsEmpty());
  const auto two = parse_signature("(string, map<string, int32>) -> Hit");
  ASSERT_TRUE(two);
  ASSERT_EQ(two->parameters.size(), 2U);
  EXPECT_EQ(two->parameters[1].text, "map<string, int32>");
}

TEST(SignatureType, WhatIsNoSignatureIsRefused) {
  for (const char* text :
       {"", "(", "()", "int32", "(int32", "(int32,string) -> void", "(int32, ) -> void", "(list<int32) -> void",
        "(list<>) -> void", "(map<string>) -> void", "(set<int32, int32>) -> void", "(array<int32>) -> void",
        "(array<int32, x>) -> void", "(array<int32, -1>) -> void", "(array<int32, 99999999999999999999>) -> void",
        "(int32)) -> void", "((anonymous namespace)::Hit) -> void"}) {
    EXPECT_FALSE(parse_signature(text)) << text;
  }
}

// A peer's text must not be able to exhaust the stack.
TEST(SignatureType, DeepNestingIsRefused) {
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += "list<";
  EXPECT_FALSE(parse_signature("(" + deep + ") -> void"));
  EXPECT_FALSE(parse_signature("(" + std::string(100'000, '(') + ") -> void"));
  std::string fine = "int32";
  for (std::size_t i = 1; i < kMaxValueDepth; ++i) fine.insert(0, "list<").append(">");
  EXPECT_TRUE(parse_signature("(" + fine + ") -> void"));
  EXPECT_FALSE(parse_signature("(list<" + fine + ">) -> void"));
}

TEST(SignatureType, StructsHaveMembers) {
  const std::vector<std::string> structs = {"Hit{file: string, lines: list<int32>}", "Empty{}",
                                            "Tree{children: list<Tree>}"};
  const auto signature = parse_signature("(Hit) -> void", structs);
  ASSERT_TRUE(signature);
  ASSERT_EQ(signature->structs.size(), 3U);
  const auto& hit = signature->structs.at("Hit");
  ASSERT_EQ(hit.size(), 2U);
  EXPECT_EQ(hit[0].first, "file");
  EXPECT_EQ(hit[0].second.kind, Kind::kString);
  EXPECT_EQ(hit[1].second.text, "list<int32>");
  EXPECT_THAT(signature->structs.at("Empty"), IsEmpty());
  EXPECT_EQ(signature->structs.at("Tree").at(0).second.parts.at(0).name, "Tree");
}

TEST(SignatureType, StructsOfTheParametersAreFoundThroughEachOther) {
  const std::vector<std::string> structs = {"Tree{leaf: optional<Leaf>, children: list<Tree>}", "Leaf{}", "Hit{}"};
  EXPECT_THAT(parse_signature("(int32, (bool, map<string, Tree>)) -> Hit", structs)->parameter_structs(),
              ElementsAre("Leaf", "Tree"));
}

TEST(SignatureType, StructsThatCannotBeReadAreLeftOut) {
  const std::vector<std::string> structs = {"Hit{file: string}", "Hit{line: int32}",  "",
                                            "Odd{a b}",          "Open{file: string", "Rest{file: string} more"};
  const auto signature = parse_signature("(Hit) -> void", structs);
  ASSERT_TRUE(signature);
  EXPECT_THAT(signature->structs, IsEmpty());
}

struct Leaf {
  std::map<std::int16_t, std::array<bool, 2>> flags;
};
ONWARD_MEMBERS(Leaf, flags)

// What describe() writes is what the parser reads.
template <class T>
void expect_read_back() {
  const std::string name = type_name<T>();
  EXPECT_EQ(only(name).text, name);
}
TEST(SignatureType, ReadsWhatTypesCallThemselves) {
  expect_read_back<std::tuple<std::vector<std::set<Leaf>>, std::pair<bool, std::optional<DynamicValue>>>>();
  expect_read_back<std::array<std::array<std::byte, 3>, 2>>();
  expect_read_back<std::unordered_map<std::string, std::chrono::seconds>>();
  std::vector<std::string> structs;
  list_structs<Leaf>(structs);
  EXPECT_EQ(parse_signature("() -> void", structs)->structs.at("Leaf").at(0).second.text, "map<int16, array<bool, 2>>");
}

}  // namespace
}  // namespace onward
