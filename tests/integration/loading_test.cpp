// SPDX-License-Identifier: Apache-2.0
//
// Modules that the program loads: built from the same sources as those that are linked in.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>

#include "cluster.h"
#include "loaded/greeter.h"
#include "onward/module_library.h"

ONWARD_LINKED_MODULE(greeter);

namespace onward::testing_support {
namespace {

using testing::AllOf;
using testing::HasSubstr;

const char* const kFolder = ONWARD_LOADED_FOLDER;

class Loading : public TcpClusterTest {
 protected:
  std::string config(const std::string& modules, const std::string& path = kFolder) {
    return "name = \"n\"\nlisten = [\"" + cluster.url("n") + "\"]\n" +
           (path.empty() ? "" : "module_path = [\"" + path + "\"]\n") + modules;
  }
  CommandResult check(const std::string& text) {
    return cluster.run({"node", "--check", "--config", cluster.write("check.toml", text).string()});
  }
  std::string call(const std::vector<std::string>& words) {
    std::vector<std::string> command = {"call", cluster.url("n")};
    command.insert(command.end(), words.begin(), words.end());
    const CommandResult result = cluster.run(command);
    return result.output + result.error;
  }
};

TEST_F(Loading, OneSourceIsLinkedInOrLoaded) {
  const std::string modules = "[[modules]]\nname = \"crowd\"\n[[modules]]\nname = \"greeter\"\nword = \"Ahoy\"\n";
  const std::string file = cluster.write("n.toml", config(modules)).string();
  Process process(cluster.command({onward_program(), "node", "--config", file}, "n"));
  ASSERT_TRUE(process.wait_for_line(Process::Stream::kOutput, "ready n " + cluster.url("n")))
      << process.text(Process::Stream::kError);
  EXPECT_EQ(call({"greet", "you"}), "Ahoy, you\n");
  EXPECT_EQ(call({"greet_all", R"(["a", "b"])"}), "[\"Ahoy, a\", \"Ahoy, b\"]\n");
  // An exception crosses from the module's file into the program's.
  EXPECT_THAT(call({"greet", "\"\""}), HasSubstr("nobody to greet [std::invalid_argument]"));
  // One that both modules have registered comes out of either as itself.
  const auto client = cluster.client();
  EXPECT_THROW(rpc_sync(*client, "n", remote<std::string(std::string)>("greet"), "bear"), greeting::Asleep);
  using Names = std::vector<std::string>;
  EXPECT_THROW(rpc_sync(*client, "n", remote<Names(Names)>("greet_all"), Names{"bear"}), greeting::Asleep);
  EXPECT_THAT(call({"greet", "bear"}), HasSubstr("ABORTED: in winter [greeting::Asleep]"));
  process.send_signal(SIGTERM);
  EXPECT_EQ(process.wait_for_end().value_or(Ending()).code, 0);

  NodeOptions options = cluster.client_options("linked");
  options.listen = {cluster.url("linked")};
  options.modules = {{.descriptor = &onward_module_greeter}};
  init_rpc(std::move(options));
  EXPECT_EQ(rpc_sync("linked", remote<std::string(std::string)>("greet"), "you"), "Hello, you");
  shutdown();
}

TEST_F(Loading, TheEnvironmentNamesFolders) {
  const std::string text = config("[[modules]]\nname = \"greeter\"\n", "");
  EXPECT_THAT(check(text).error, HasSubstr("the module \"greeter\" is not known"));
  ::setenv("ONWARD_MODULE_PATH", (std::string("/nowhere::") + kFolder).c_str(), 1);
  EXPECT_EQ(check(text).ending.code, 0);
  ::unsetenv("ONWARD_MODULE_PATH");
}

TEST_F(Loading, OneOfAnotherOnwardIsRefusedWithBothSides) {
  const CommandResult result = check(config("[[modules]]\nname = \"stale\"\n"));
  EXPECT_EQ(result.ending.code, 2);
  EXPECT_THAT(result.error, AllOf(HasSubstr("check.toml:5: "), HasSubstr("stale.so: it was built against Onward 7.0.0"),
                                  HasSubstr("this program is Onward "), HasSubstr("build it against")));
}

TEST_F(Loading, AnOptionalOneMayBeMissingOrUnusable) {
  const CommandResult result =
      check(config("[[modules]]\nname = \"stale\"\noptional = true\n[[modules]]\nname = \"gone\"\noptional = true\n"));
  EXPECT_EQ(result.ending.code, 0) << result.error;
  EXPECT_THAT(result.error, AllOf(HasSubstr("module \"stale\" did not start: "), HasSubstr("module \"gone\" did not"),
                                  HasSubstr("goes on without")));
}

TEST_F(Loading, WhatIsNoModuleIsSaidToBeNone) {
  const std::filesystem::path folder = cluster.folder() / "modules";
  std::filesystem::create_directory(folder);
  cluster.write("modules/text.so", "no shared object");
  std::filesystem::copy_file(std::string(kFolder) + "/greeter.so", folder / "renamed.so");
  EXPECT_THAT(check(config("[[modules]]\nname = \"text\"\n", "modules")).error, HasSubstr("text.so: cannot be loaded"));
  EXPECT_THAT(check(config("[[modules]]\nname = \"renamed\"\n", "modules")).error,
              HasSubstr("renamed.so: is not the module renamed"));
  EXPECT_THAT(check(config("[[modules]]\nname = \"../x\"\n", "modules")).error, HasSubstr("is no module's name"));
}

TEST_F(Loading, ArgumentsAreCheckedBeforeItStarts) {
  const CommandResult result =
      check(config("[[modules]]\nname = \"greeter\"\nwrod = \"Hi\"\nword = 3\n[[modules]]\nname = \"greter\"\n"));
  EXPECT_EQ(result.ending.code, 2);
  EXPECT_THAT(result.error, AllOf(HasSubstr(":6: module \"greeter\": the key \"wrod\" is not known; did you mean "
                                            "\"word\"?"),
                                  HasSubstr(":7: module \"greeter\": word must be a string, not 3"),
                                  HasSubstr(":9: the module \"greter\" is not known; did you mean \"greeter\"?")));
}

TEST(ModuleLibrary, TheSameFileIsLoadedOnce) {
  const std::string path = std::string(kFolder) + "/crowd.so";
  const auto first = load_module(path);
  ASSERT_TRUE(first) << first.error().message();
  EXPECT_EQ(*first, load_module(path).value());
  EXPECT_EQ(load_module("/nowhere/x.so").error().code(), StatusCode::kNotFound);
}

}  // namespace
}  // namespace onward::testing_support
