// SPDX-License-Identifier: Apache-2.0
//
// Configurations that cannot work: the program says why, with file and line, and ends with a code that is
// not 0 before it has listened anywhere.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>
#include <string>

#include "cluster.h"

namespace onward::testing_support {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

class Config : public TcpClusterTest {
 protected:
  CommandResult run_node(const std::string& text) {
    file = cluster.write("node.toml", text);
    return cluster.run({"node", "--config", file.string()});
  }
  // `text` ends the program with `code` and the message "FILE:LINE: …`message`".
  void expect_error(const std::string& text, int line, const std::string& message, int code = kWrongUsage) {
    SCOPED_TRACE(text);
    const CommandResult result = run_node(text);
    EXPECT_EQ(result.ending.code, code) << result.ending.to_string();
    EXPECT_THAT(result.output, IsEmpty());
    EXPECT_THAT(result.error, HasSubstr(file.string() + ":" + std::to_string(line) + ": "));
    EXPECT_THAT(result.error, HasSubstr(message));
  }

  std::filesystem::path file;
};

TEST_F(Config, UnknownKey) {
  expect_error("name = \"a\"\nlisten = []\n\n[pool]\nthread = 4\n", 5,
               "[pool]: the key \"thread\" is not known; did you mean \"threads\"?");
  expect_error("name = \"a\"\nlisen = []\n", 2, "the key \"lisen\" is not known; did you mean \"listen\"?");
}

TEST_F(Config, WrongType) {
  expect_error("name = \"a\"\n[pool]\nthreads = \"four\"\n", 3,
               "[pool] threads must be an integer from 1 to 1024, not \"four\"");
  expect_error("name = 7\n", 1, "name must be a string");
}

TEST_F(Config, NotToml) { expect_error("name = \"a\"\nlisten = = 3\n", 2, "this is not TOML"); }

TEST_F(Config, BadUrl) {
  expect_error("name = \"a\"\nlisten = [\"127.0.0.1:7000\"]\n", 2, "127.0.0.1:7000");
  expect_error("name = \"a\"\nlisten = [\"carrier-pigeon://loft\"]\n", 2, "\"carrier-pigeon\", which is not known");
  expect_error("name = \"a\"\n[peers]\nb = \"tpc://127.0.0.1:1\"\n", 3, "did you mean \"tcp\"?");
}

TEST_F(Config, UnknownModule) {
  expect_error("name = \"a\"\n[[modules]]\nname = \"serch\"\n", 3,
               "the module \"serch\" is not known; did you mean \"search\"?");
}

TEST_F(Config, ModuleArguments) {
  expect_error("name = \"a\"\n[[modules]]\nname = \"rfc\"\nbatch_sice = 3\n", 4,
               "module \"rfc\": the key \"batch_sice\" is not known; did you mean \"batch_size\"?");
  expect_error("name = \"a\"\n[[modules]]\nname = \"rfc\"\nbatch_size = \"ten\"\n", 4, "must be an integer");
}

TEST_F(Config, ModuleThatCannotStart) {
  const CommandResult result = run_node("name = \"a\"\n[[modules]]\nname = \"search\"\nfolder = \"/nowhere/at/all\"\n");
  EXPECT_EQ(result.ending.code, kFailed);
  EXPECT_THAT(result.error, HasSubstr("module \"search\" did not start: "));
  EXPECT_THAT(result.error, HasSubstr("/nowhere/at/all"));
}

TEST_F(Config, MissingFile) {
  const CommandResult result = cluster.run({"node", "--config", "/nowhere/node.toml"});
  EXPECT_EQ(result.ending.code, kWrongUsage);
  EXPECT_THAT(result.error, HasSubstr("cannot read the configuration /nowhere/node.toml: No such file or directory"));
}

TEST_F(Config, FolderInPlaceOfAFile) {
  const CommandResult result = cluster.run({"node", "--config", cluster.folder().string()});
  EXPECT_EQ(result.ending.code, kWrongUsage);
  EXPECT_THAT(result.error, HasSubstr("cannot read the configuration " + cluster.folder().string()));
}

TEST_F(Config, PortThatIsTaken) {
  cluster.start_plain("first", {});
  const CommandResult result = run_node("name = \"second\"\nlisten = [\"" + cluster.url("first") + "\"]\n");
  EXPECT_EQ(result.ending.code, kFailed);
  EXPECT_THAT(result.output, IsEmpty());
  EXPECT_THAT(result.error, HasSubstr("node second cannot start: ALREADY_EXISTS: "));
  EXPECT_THAT(result.error, HasSubstr(cluster.url("first")));
}

TEST_F(Config, UnixSocketThatIsTaken) {
  const std::string url = "unix://" + (cluster.folder() / "taken.sock").string();
  const auto first_file = cluster.write("first.toml", "name = \"first\"\nlisten = [\"" + url + "\"]\n");
  Process first({onward_program(), "node", "--config", first_file.string()});
  ASSERT_TRUE(first.wait_for_line(Process::Stream::kOutput, "ready first " + url));
  const CommandResult result = run_node("name = \"second\"\nlisten = [\"" + url + "\"]\n");
  EXPECT_EQ(result.ending.code, kFailed);
  EXPECT_THAT(result.error, HasSubstr("ALREADY_EXISTS"));
  EXPECT_THAT(result.error, HasSubstr(url));
}

TEST_F(Config, AddressThatIsNotThisMachines) {
  const CommandResult result =
      run_node("name = \"a\"\nlisten = [{ url = \"tcp://192.0.2.1:7000\", insecure = true }]\n");
  EXPECT_EQ(result.ending.code, kFailed);
  EXPECT_THAT(result.error, HasSubstr("tcp://192.0.2.1:7000"));
}

// Of several addresses, one that cannot be had stops the node: half a node is worse than none.
TEST_F(Config, OneBadAddressAmongGoodOnes) {
  const std::string good = "unix://" + (cluster.folder() / "good.sock").string();
  const CommandResult result = run_node("name = \"a\"\nlisten = [\"" + good + "\", \"unix:///nowhere/at/all.sock\"]\n");
  EXPECT_EQ(result.ending.code, kFailed);
  EXPECT_THAT(result.output, IsEmpty());
  EXPECT_FALSE(std::filesystem::exists(cluster.folder() / "good.sock")) << "the socket was left behind";
}

TEST_F(Config, AllErrorsAreToldAtOnce) {
  const CommandResult result = run_node("lisen = []\n[pool]\nthreads = 0\n[calls]\ntimeout_ms = \"soon\"\n");
  EXPECT_EQ(result.ending.code, kWrongUsage);
  for (const char* text :
       {"the key \"name\" is missing", ":1: the key \"lisen\"", ":3: [pool] threads", ":5: [calls] timeout_ms"}) {
    EXPECT_THAT(result.error, HasSubstr(text));
  }
}

TEST_F(Config, CheckSaysWhetherItWouldStart) {
  const auto good =
      cluster.write("good.toml", "name = \"a\"\nlisten = [\"tcp://127.0.0.1:0\"]\n[[modules]]\nname = \"rfc\"\n");
  const CommandResult result = cluster.run({"node", "--config", good.string(), "--check"});
  EXPECT_EQ(result.ending.code, 0);
  EXPECT_THAT(result.output, HasSubstr("node a would start"));
  const auto bad = cluster.write("bad.toml", "name = \"a\"\nnmae = \"b\"\n");
  EXPECT_EQ(cluster.run({"node", "--config", bad.string(), "--check"}).ending.code, kWrongUsage);
}

TEST_F(Config, WrongCommandLines) {
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{"serve"},
                                             {"node"},
                                             {"node", "--config"},
                                             {"node", "--confg", "x"},
                                             {"--help-me"},
                                             {"nod", "--help"},
                                             {"completion", "fish"},
                                             {"man", "calls"},
                                             {"call"},
                                             {"certs"},
                                             {"certs", "init"},
                                             {"certs", "issue", "folder"},
                                             {"certs", "issue", "folder", "a", "--days", "none"},
                                             {"call", "tcp://127.0.0.1:1"}}) {
    const CommandResult result = cluster.run(arguments);
    EXPECT_EQ(result.ending.code, kWrongUsage) << testing::PrintToString(arguments);
    EXPECT_THAT(result.error, HasSubstr("--help")) << testing::PrintToString(arguments);
    EXPECT_THAT(result.output, testing::IsEmpty());
  }
  EXPECT_EQ(cluster.run({"node", "--confg", "x"}).error,
            "onward node: there is no option \"--confg\"; did you mean \"--config\"?\nSee `onward node --help`.\n");
  EXPECT_THAT(cluster.run({"--version"}).output, testing::StartsWith("onward "));
}

TEST_F(Config, TellsAboutItself) {
  const auto printed = [&](const std::vector<std::string>& arguments) {
    const CommandResult result = cluster.run(arguments);
    EXPECT_EQ(result.ending.code, 0) << result.ending.to_string();
    EXPECT_THAT(result.error, testing::IsEmpty());
    return result.output;
  };
  EXPECT_THAT(printed({"--help"}), testing::StartsWith("Usage: onward COMMAND …\n"));
  EXPECT_THAT(printed({"call", "--help"}), testing::StartsWith("Usage: onward call "));
  EXPECT_THAT(printed({"certs", "issue", "--help"}), testing::StartsWith("Usage: onward certs issue "));
  EXPECT_THAT(printed({"man"}), HasSubstr("\n.TH \"ONWARD\" 1 "));
  EXPECT_THAT(printed({"man", "call"}), HasSubstr("\n.TH \"ONWARD\\-CALL\" 1 "));
  ::setenv("SOURCE_DATE_EPOCH", "1767182400", 1);
  EXPECT_THAT(printed({"man", "node"}), HasSubstr("\n.TH \"ONWARD\\-NODE\" 1 \"2025-12-31\" \"onward "));
  ::unsetenv("SOURCE_DATE_EPOCH");
  EXPECT_THAT(printed({"completion", "bash"}), HasSubstr("\ncomplete -F _onward onward\n"));
  EXPECT_THAT(printed({"completion", "zsh"}), testing::StartsWith("#compdef onward\n"));
}

// Port 0 is any free one, and the `ready` line has the real one; all addresses of a node lead to it.
TEST_F(Config, PortZeroAndSeveralAddresses) {
  const std::string socket = "unix://" + (cluster.folder() / "a.sock").string();
  const auto path = cluster.write("a.toml", "name = \"a\"\nlisten = [\"tcp://127.0.0.1:0\", \"tcp://[::1]:0\", \"" +
                                                socket + "\"]\n[[modules]]\nname = \"rfc\"\n");
  Process process({onward_program(), "node", "--config", path.string()});
  const auto ready = process.wait_for_line(Process::Stream::kOutput, "ready a ");
  ASSERT_TRUE(ready) << process.text(Process::Stream::kError);
  std::istringstream words(ready->substr(std::string_view("ready a ").size()));
  const auto client = cluster.client();
  int urls = 0;
  for (std::string url; words >> url; ++urls) {
    EXPECT_EQ(url.find(":0\n"), std::string::npos);
    EXPECT_EQ(rpc_sync(*client, url, remote<int(int, int)>("rfc.my_add_2"), 1, urls), 1 + urls) << url;
  }
  EXPECT_EQ(urls, 3) << *ready;
}

}  // namespace
}  // namespace onward::testing_support
