// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "onward/module.h"

namespace onward {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

ModuleArguments sample() {
  return {"search",
          {{"folder", {std::string("/srv"), "node.toml:3"}},
           {"limit", {std::int64_t{20}, "node.toml:4"}},
           {"ratio", {0.5, "node.toml:5"}},
           {"deep", {true, "node.toml:6"}},
           {"shards", {std::vector<std::string>{"a", "b"}, "node.toml:7"}},
           {"ports", {std::vector<std::int64_t>{1, 2}, "node.toml:8"}}}};
}

template <class F>
std::string refusal(F function) {
  try {
    static_cast<void>(function());
  } catch (const RpcError& error) {
    EXPECT_EQ(error.code(), StatusCode::kInvalidArgument);
    return error.status().message();
  }
  return "";
}

TEST(ModuleArgumentsTest, ReadsEveryType) {
  const ModuleArguments arguments = sample();
  EXPECT_EQ(arguments.get<std::string>("folder"), "/srv");
  EXPECT_EQ(arguments.get<std::int64_t>("limit"), 20);
  EXPECT_EQ(arguments.get<double>("ratio"), 0.5);
  EXPECT_EQ(arguments.get<double>("limit"), 20.0);  // a whole number is a number
  EXPECT_TRUE(arguments.get<bool>("deep"));
  EXPECT_THAT(arguments.get<std::vector<std::string>>("shards"), ElementsAre("a", "b"));
  EXPECT_THAT(arguments.get<std::vector<std::int64_t>>("ports"), ElementsAre(1, 2));
  EXPECT_EQ(arguments.unread(), "");
}

TEST(ModuleArgumentsTest, FallsBackToTheDefault) {
  const ModuleArguments arguments = sample();
  EXPECT_EQ(arguments.get<std::int64_t>("depth", 3), 3);
  EXPECT_EQ(arguments.get<std::int64_t>("limit", 3), 20);
  EXPECT_FALSE(arguments.contains("depth"));
  EXPECT_TRUE(arguments.contains("limit"));
}

TEST(ModuleArgumentsTest, AMissingOneIsNamed) {
  const ModuleArguments arguments = sample();
  EXPECT_EQ(refusal([&] { return arguments.get<std::string>("path"); }),
            "module \"search\" needs the argument \"path\"");
}

TEST(ModuleArgumentsTest, AWrongTypeIsNamedWithItsLine) {
  const ModuleArguments arguments = sample();
  EXPECT_EQ(refusal([&] { return arguments.get<std::int64_t>("folder"); }),
            "node.toml:3: argument \"folder\" of module \"search\" must be an integer");
  EXPECT_THAT(refusal([&] { return arguments.get<std::string>("limit"); }), HasSubstr("must be a string"));
  EXPECT_THAT(refusal([&] { return arguments.get<std::int64_t>("ratio"); }), HasSubstr("must be an integer"));
  EXPECT_THAT(refusal([&] { return arguments.get<bool>("limit"); }), HasSubstr("must be true or false"));
  EXPECT_THAT(refusal([&] { return arguments.get<double>("deep"); }), HasSubstr("must be a number"));
  EXPECT_THAT(refusal([&] { return arguments.get<std::vector<std::string>>("folder"); }),
              HasSubstr("must be an array"));
  // With a default too: what is there must be right.
  EXPECT_THAT(refusal([&] { return arguments.get<bool>("limit", true); }), HasSubstr("node.toml:4"));
}

TEST(ModuleArgumentsTest, WhatWasNeverReadIsListed) {
  const ModuleArguments arguments = sample();
  static_cast<void>(arguments.get<std::string>("folder"));
  static_cast<void>(arguments.get<std::int64_t>("depth", 1));
  const std::string unread = arguments.unread();
  EXPECT_THAT(unread, HasSubstr("node.toml:4: module \"search\" has no argument \"limit\"; it has depth, folder\n"));
  EXPECT_THAT(unread, HasSubstr("\"ports\""));
  EXPECT_THAT(unread, ::testing::Not(HasSubstr("no argument \"folder\"")));
}

TEST(ModuleArgumentsTest, AskingWhetherItIsThereIsNotReading) {
  const ModuleArguments arguments("m", {{"x", {true, "f:1"}}});
  EXPECT_TRUE(arguments.contains("x"));
  EXPECT_EQ(arguments.unread(), "f:1: module \"m\" has no argument \"x\"; it has none");
}

}  // namespace
}  // namespace onward
