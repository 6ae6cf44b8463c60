// SPDX-License-Identifier: Apache-2.0
#include "onward/arguments.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

namespace onward {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr Parameter kParameters[] = {
    required_parameter<std::string>("folder", "what is searched"),
    parameter("limit", 20, "at most so many").range(1, 100),
    parameter("wait", 500, "how long").unit("ms").range(1, 1000).or_word("none"),
    parameter("ratio", 0.5, "a share"),
    parameter("deep", false, "folders within folders too"),
    parameter("mode", "fast", "how").one_of("fast", "exact"),
    optional_parameter<std::vector<std::string>>("shards", "whom to ask"),
    optional_parameter<std::vector<std::int64_t>>("ports", "where").range(1, 65535),
    optional_parameter<std::string>("list", "a file").file(),
};

std::string file_in_temporary_folder() {
  const std::string path = testing::TempDir() + "arguments_test.txt";
  std::ofstream(path) << "text";
  return path;
}

Arguments check(Settings settings, std::vector<std::string>& errors) {
  std::vector<SettingError> found;
  Arguments arguments = Arguments::check("module \"search\":", kParameters, std::move(settings), found);
  for (const SettingError& error : found) errors.push_back(error.text());
  return arguments;
}

std::vector<std::string> errors_of(Settings settings) {
  std::vector<std::string> errors;
  static_cast<void>(check(std::move(settings), errors));
  return errors;
}

Settings with_folder(const std::string& key, Setting::Scalar value, bool from_text = false) {
  Settings settings{{"folder", {std::string("/srv"), "node.toml:3"}}};
  settings[key] = {.value = std::move(value), .origin = "node.toml:4", .from_text = from_text};
  return settings;
}

TEST(ArgumentsTest, HaveEveryType) {
  std::vector<std::string> errors;
  const std::string path = file_in_temporary_folder();
  const Arguments arguments = check({{"folder", {std::string("/srv"), "node.toml:3"}},
                                     {"limit", {std::int64_t{7}, "node.toml:4"}},
                                     {"ratio", {std::int64_t{1}, "node.toml:5"}},  // a whole number is a number
                                     {"deep", {true, "node.toml:6"}},
                                     {"mode", {std::string("exact"), "node.toml:7"}},
                                     {"shards", {std::vector<std::string>{"a", "b"}, "node.toml:8"}},
                                     {"ports", {std::vector<std::int64_t>{1, 2}, "node.toml:9"}},
                                     {"list", {std::string("arguments_test.txt"), "node.toml:10", testing::TempDir()}}},
                                    errors);
  EXPECT_THAT(errors, IsEmpty());
  EXPECT_EQ(arguments.get<std::string>("folder"), "/srv");
  EXPECT_EQ(arguments.get<std::int64_t>("limit"), 7);
  EXPECT_EQ(arguments.get<std::size_t>("limit"), 7U);
  EXPECT_EQ(arguments.get<double>("ratio"), 1.0);
  EXPECT_TRUE(arguments.get<bool>("deep"));
  EXPECT_EQ(arguments.get<std::string>("mode"), "exact");
  EXPECT_THAT(arguments.get<std::vector<std::string>>("shards"), ElementsAre("a", "b"));
  EXPECT_THAT(arguments.get<std::vector<std::int64_t>>("ports"), ElementsAre(1, 2));
  EXPECT_EQ(arguments.get<std::string>("list"), path);
  EXPECT_EQ(arguments.origin("limit"), "node.toml:4");
  std::remove(path.c_str());
}

TEST(ArgumentsTest, FallBackToTheDefault) {
  std::vector<std::string> errors;
  const Arguments arguments = check({{"folder", {std::string("/srv"), "node.toml:3"}}}, errors);
  EXPECT_EQ(arguments.get<int>("limit"), 20);
  EXPECT_EQ(arguments.get<double>("ratio"), 0.5);
  EXPECT_FALSE(arguments.get<bool>("deep"));
  EXPECT_EQ(arguments.get<std::string>("mode"), "fast");
  EXPECT_EQ(arguments.find<std::vector<std::string>>("shards"), std::nullopt);
  EXPECT_FALSE(arguments.contains("limit"));
  EXPECT_TRUE(arguments.contains("folder"));
  EXPECT_EQ(arguments.origin("limit"), "");
}

TEST(ArgumentsTest, AWordMayStandForANumber) {
  std::vector<std::string> errors;
  EXPECT_EQ(check(with_folder("wait", std::string("none")), errors).find<int>("wait"), std::nullopt);
  EXPECT_EQ(check(with_folder("wait", std::int64_t{3}), errors).find<int>("wait"), 3);
  EXPECT_THAT(errors, IsEmpty());
  EXPECT_THAT(errors_of(with_folder("wait", std::string("never"))),
              ElementsAre("node.toml:4: module \"search\": wait must be an integer from 1 to 1000, or \"none\", not "
                          "\"never\""));
}

TEST(ArgumentsTest, WhatIsWrongIsSaidOfAll) {
  EXPECT_THAT(
      errors_of({{"foldr", {std::string("/srv"), "node.toml:3"}}, {"limit", {std::int64_t{101}, "node.toml:4"}}}),
      ElementsAre("node.toml:3: module \"search\": the key \"foldr\" is not known; did you mean \"folder\"?",
                  "node.toml:4: module \"search\": limit must be an integer from 1 to 100, not 101",
                  "module \"search\": the key \"folder\" is missing"));
}

TEST(ArgumentsTest, AWrongTypeIsNamedWithItsLine) {
  EXPECT_THAT(errors_of(with_folder("deep", std::string("yes"))),
              ElementsAre("node.toml:4: module \"search\": deep must be true or false, not \"yes\""));
  EXPECT_THAT(errors_of(with_folder("mode", std::string("slow"))),
              ElementsAre("node.toml:4: module \"search\": mode must be \"fast\" or \"exact\", not \"slow\""));
  EXPECT_THAT(errors_of(with_folder("mode", std::string())), testing::SizeIs(1));
  EXPECT_THAT(errors_of(with_folder("limit", 2.5)), ElementsAre(HasSubstr("an integer from 1 to 100, not 2.5")));
  EXPECT_THAT(errors_of(with_folder("ports", std::vector<std::int64_t>{1, 0})),
              ElementsAre(HasSubstr("ports must be an array of integers from 1 to 65535, not an array")));
  EXPECT_THAT(errors_of(with_folder("ports", std::vector<std::string>{})), IsEmpty());
  EXPECT_THAT(errors_of(with_folder("shards", std::string("a"))),
              ElementsAre(HasSubstr("must be an array of strings")));
}

TEST(ArgumentsTest, AFileMustBeReadable) {
  EXPECT_THAT(
      errors_of(with_folder("list", std::string("/nowhere/list"))),
      ElementsAre("node.toml:4: module \"search\": list: the file /nowhere/list cannot be read: No such file or "
                  "directory"));
  EXPECT_THAT(errors_of(with_folder("list", std::string("/"))), ElementsAre(HasSubstr("Is a directory")));
}

TEST(ArgumentsTest, TextFromTheEnvironmentBecomesWhatIsExpected) {
  std::vector<std::string> errors;
  EXPECT_EQ(check(with_folder("limit", std::string("33"), true), errors).get<int>("limit"), 33);
  EXPECT_EQ(check(with_folder("ratio", std::string("0.25"), true), errors).get<double>("ratio"), 0.25);
  EXPECT_TRUE(check(with_folder("deep", std::string("true"), true), errors).get<bool>("deep"));
  EXPECT_EQ(check(with_folder("folder", std::string("12"), true), errors).get<std::string>("folder"), "12");
  EXPECT_THAT(errors, IsEmpty());
  EXPECT_THAT(errors_of(with_folder("limit", std::string("33"))), testing::SizeIs(1));
  EXPECT_THAT(errors_of(with_folder("limit", std::string("33x"), true)), ElementsAre(HasSubstr("not \"33x\"")));
}

TEST(ArgumentsTest, ReadingWhatIsNotDeclaredIsABug) {
  std::vector<std::string> errors;
  const Arguments arguments = check({{"folder", {std::string("/srv"), "node.toml:3"}}}, errors);
  EXPECT_THROW(static_cast<void>(arguments.get<std::string>("foldr")), RpcError);
  EXPECT_THROW(static_cast<void>(arguments.get<bool>("limit")), RpcError);
  EXPECT_THROW(static_cast<void>(arguments.get<std::vector<std::string>>("shards")), RpcError);
}

TEST(ArgumentsTest, ADefaultIsShownAsItWouldBeWritten) {
  EXPECT_EQ(kParameters[0].default_text(), "");
  EXPECT_EQ(kParameters[1].default_text(), "20");
  EXPECT_EQ(kParameters[3].default_text(), "0.5");
  EXPECT_EQ(kParameters[4].default_text(), "false");
  EXPECT_EQ(kParameters[5].default_text(), "\"fast\"");
}

}  // namespace
}  // namespace onward
