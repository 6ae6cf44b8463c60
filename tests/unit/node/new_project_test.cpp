// SPDX-License-Identifier: Apache-2.0
//
// What `onward new` writes, and when it writes nothing. That it builds and runs is seen in suite package.
#include "new_project.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <fstream>
#include <iterator>

namespace onward {
namespace {

namespace fs = std::filesystem;

class NewProjectTest : public testing::Test {
 protected:
  NewProjectTest() { fs::create_directory(parent); }
  ~NewProjectTest() override { fs::remove_all(parent); }

  // Of all that is in `parent`, sorted.
  [[nodiscard]] std::string entries() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(parent)) names.push_back(entry.path().filename());
    std::ranges::sort(names);
    std::string all;
    for (const std::string& name : names) all += name + " ";
    return all;
  }
  [[nodiscard]] std::string content(const std::string& file) const {
    std::ifstream stream(parent / file);
    return {std::istreambuf_iterator<char>(stream), {}};
  }

  fs::path parent = fs::path(testing::TempDir()) / ("new-project-" + std::to_string(::getpid()));
};

TEST_F(NewProjectTest, EveryFileHasTheName) {
  const auto files = create_project({.kind = ProjectKind::kNode, .name = "weather_report2"}, parent);
  ASSERT_TRUE(files) << files.error().to_string();
  EXPECT_EQ(*files, (std::vector<std::string>{".gitignore", "README.md", "main.cpp", "meson.build", "node.toml",
                                              "weather_report2_module.cpp", "weather_report2_test.cpp"}));
  EXPECT_EQ(entries(), "weather_report2 ");
  for (const std::string& file : *files) {
    const std::string text = content("weather_report2/" + file);
    EXPECT_EQ(text.find("{{name"), std::string::npos) << file;
    EXPECT_EQ(text.find("{{Name"), std::string::npos) << file;
    EXPECT_EQ(text.find("{{onward"), std::string::npos) << file;
    EXPECT_TRUE(text.ends_with('\n')) << file;
  }
  const std::string module = content("weather_report2/weather_report2_module.cpp");
  EXPECT_NE(module.find("ONWARD_MODULE(weather_report2,"), std::string::npos);
  EXPECT_NE(module.find("class WeatherReport2Module final"), std::string::npos);
  EXPECT_NE(content("weather_report2/meson.build").find("version: '>=0.1'"), std::string::npos);
}

TEST_F(NewProjectTest, AModuleHasNoProgram) {
  const auto files = create_project({.kind = ProjectKind::kModule, .name = "greeter"}, parent);
  ASSERT_TRUE(files) << files.error().to_string();
  EXPECT_EQ(*files, (std::vector<std::string>{".gitignore", "README.md", "greeter_module.cpp", "greeter_test.cpp",
                                              "meson.build", "node.toml"}));
  EXPECT_NE(content("greeter/meson.build").find("shared_module("), std::string::npos);
}

TEST_F(NewProjectTest, BadNamesAreRefused) {
  for (const char* name : {"", "Greeter", "2nd", "_x", "a-b", "a b", "a/b", "..", ".a", "a.so", "gr\xC3\xBC\xC3\x9F"}) {
    const auto refused = create_project({.kind = ProjectKind::kNode, .name = name}, parent);
    ASSERT_FALSE(refused) << name;
    EXPECT_EQ(refused.error().code(), StatusCode::kInvalidArgument);
    EXPECT_EQ(refused.error().message(),
              "\"" + std::string(name) +
                  "\" is no good name: it must begin with a small letter, and have small letters, "
                  "digits and underscores only");
  }
  const NewProject tls{.kind = ProjectKind::kModule, .name = "tls", .taken = {"tcp", "tls"}};
  EXPECT_EQ(check_project_name(tls).message(),
            "\"tls\" is no good name: nodes have a module of that name already; choose another");
  EXPECT_FALSE(check_project_name({.kind = ProjectKind::kNode, .name = "test"}).ok()) << "a target of Meson";
  EXPECT_FALSE(check_project_name({.kind = ProjectKind::kNode, .name = std::string(65, 'a')}).ok());
  EXPECT_TRUE(check_project_name({.kind = ProjectKind::kNode, .name = std::string(64, 'a')}).ok());
  EXPECT_EQ(entries(), "");
}

TEST_F(NewProjectTest, WhatIsThereIsLeftAlone) {
  fs::create_directory(parent / "folder");
  std::ofstream(parent / "file") << "mine";
  fs::create_symlink("/nowhere", parent / "link");
  for (const char* name : {"folder", "file", "link"}) {
    const auto refused = create_project({.kind = ProjectKind::kNode, .name = name}, parent);
    ASSERT_FALSE(refused) << name;
    EXPECT_EQ(refused.error().code(), StatusCode::kAlreadyExists);
    EXPECT_NE(refused.error().message().find(name + std::string(" is there already")), std::string::npos);
  }
  EXPECT_EQ(entries(), "file folder link ");
  EXPECT_TRUE(fs::is_empty(parent / "folder"));
  EXPECT_EQ(content("file"), "mine");
}

TEST_F(NewProjectTest, AFolderThatCannotBeMadeIsNamed) {
  const auto failed = create_project({.kind = ProjectKind::kNode, .name = "greeter"}, parent / "nowhere");
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code(), StatusCode::kUnavailable);
  EXPECT_EQ(failed.error().message(),
            "cannot make a folder in " + (parent / "nowhere").string() + ": No such file or directory");
}

// Files may not be longer than some bytes: some can be written, and then one cannot.
TEST_F(NewProjectTest, NothingIsLeftOfWhatCannotBeFinished) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit few{.rlim_cur = 100, .rlim_max = before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &few), 0);
  const auto failed = create_project({.kind = ProjectKind::kNode, .name = "greeter"}, parent);
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  ASSERT_FALSE(failed);
  EXPECT_NE(failed.error().message().find("_module.cpp: File too large"), std::string::npos)
      << failed.error().message();
  EXPECT_EQ(entries(), "");
}

}  // namespace
}  // namespace onward
