// SPDX-License-Identifier: Apache-2.0
//
// The script for bash, run by bash. tests/integration/completion_test.py has the TAB key as well, and zsh.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "../transports/tls_fixture.h"
#include "command_fixture.h"
#include "command_line/completion.h"

namespace onward {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

// Replies for the last word, as readline breaks the line into words.
constexpr const char* kHarness = R"bash(
cd "$(dirname "$0")"
source ./completion
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
COMP_LINE=$LINE_TYPED COMP_POINT=${#LINE_TYPED}
COMP_WORDBREAKS=$' \t\n"\'><=;|&(:'
_tool
printf '%s\n' "${COMPREPLY[@]}"
)bash";

class BashCompletion : public testing::Test {
 protected:
  void SetUp() override {
    Told told;
    std::ofstream(folder_.path() / "completion") << bash_completion(test_program(told));
    std::ofstream(folder_.path() / "harness") << kHarness;
    // Knows one node, whose names are not all harmless.
    std::ofstream(folder_.path() / "tool")
        << "#!/bin/sh\n[ \"$*\" = 'list --names --timeout 2 tcp://127.0.0.1:7000' ] || { echo broken >&2; echo no; "
           "exit 1; }\n"
           "printf '%s\\n' search rfc.add rfc.sub '$(touch pwned)' '`touch pwned`' 'two words'\n";
    std::filesystem::permissions(folder_.path() / "tool", std::filesystem::perms::owner_all);
  }

  // `words` are those of `line` as bash has them; the first is the program.
  std::vector<std::string> replies(const std::string& line, const std::vector<std::string>& words) {
    std::string command = "LINE_TYPED=" + shell_quoted(line) + " bash " + (folder_.path() / "harness").string();
    for (const std::string& word : words) command += " " + shell_quoted(word);
    const std::string output = folder_.path() / "output";
    EXPECT_EQ(std::system((command + " >" + output + " 2>" + output + ".err").c_str()), 0);
    EXPECT_EQ(std::filesystem::file_size(output + ".err"), 0U) << line;
    std::ifstream in(output);
    std::vector<std::string> lines;
    for (std::string reply; std::getline(in, reply);) {
      if (!reply.empty()) lines.push_back(reply);
    }
    return lines;
  }

  TemporaryFolder folder_;
};

TEST_F(BashCompletion, CommandsOptionsAndChoices) {
  EXPECT_THAT(replies("tool ", {"tool", ""}), UnorderedElementsAre("work", "call", "list", "group", "about"));
  EXPECT_THAT(replies("tool group t", {"tool", "group", "t"}), ElementsAre("two"));
  EXPECT_THAT(replies("tool work --t", {"tool", "work", "--t"}), UnorderedElementsAre("--times", "--tag"));
  EXPECT_THAT(replies("tool work --quick --tag x --f", {"tool", "work", "--quick", "--tag", "x", "--f"}),
              ElementsAre("--file"));
  EXPECT_THAT(replies("tool work --color ", {"tool", "work", "--color", ""}), UnorderedElementsAre("red", "green"));
  EXPECT_THAT(replies("tool work --color=g", {"tool", "work", "--color", "=", "g"}), ElementsAre("green"));
  EXPECT_THAT(replies("tool work --color=", {"tool", "work", "--color", "="}), UnorderedElementsAre("red", "green"));
  EXPECT_THAT(replies("tool about g", {"tool", "about", "g"}), ElementsAre("group"));
}

TEST_F(BashCompletion, NothingWhereNothingIsKnown) {
  EXPECT_THAT(replies("tool work --times ", {"tool", "work", "--times", ""}), IsEmpty());
  EXPECT_THAT(replies("tool serve ", {"tool", "serve", ""}), IsEmpty());
  EXPECT_THAT(replies("tool group two ", {"tool", "group", "two", ""}), IsEmpty());
}

TEST_F(BashCompletion, FilesAndFolders) {
  std::filesystem::create_directory(folder_.path() / "configs");
  std::ofstream(folder_.path() / "a.toml");
  std::ofstream(folder_.path() / "configs.txt");
  EXPECT_THAT(replies("tool work --file ", {"tool", "work", "--file", ""}), UnorderedElementsAre("a.toml", "configs"));
  EXPECT_THAT(replies("tool work c", {"tool", "work", "c"}), ElementsAre("configs"));
}

// readline replaces what is behind the last colon.
TEST_F(BashCompletion, Urls) {
  EXPECT_THAT(replies("tool call t", {"tool", "call", "t"}), UnorderedElementsAre("tcp://", "tls://"));
  EXPECT_THAT(replies("tool call tcp:", {"tool", "call", "tcp", ":"}), ElementsAre("//"));
}

TEST_F(BashCompletion, FunctionsAreAskedOfTheNode) {
  const std::string here = (folder_.path() / "tool").string();
  const std::vector<std::string> url = {here, "call", "tcp", ":", "//127.0.0.1", ":", "7000"};
  const auto with = [](std::vector<std::string> words, const std::string& last) {
    words.push_back(last);
    return words;
  };
  EXPECT_THAT(replies(here + " call tcp://127.0.0.1:7000 ", with(url, "")),
              UnorderedElementsAre("search", "rfc.add", "rfc.sub"));
  EXPECT_THAT(replies(here + " call tcp://127.0.0.1:7000 rfc.a", with(url, "rfc.a")), ElementsAre("rfc.add"));
  EXPECT_THAT(
      replies(here + " list tcp://127.0.0.1:7000 s", {here, "list", "tcp", ":", "//127.0.0.1", ":", "7000", "s"}),
      ElementsAre("search"));
  EXPECT_FALSE(std::filesystem::exists(folder_.path() / "pwned"));
}

TEST_F(BashCompletion, ANodeThatDoesNotAnswerIsNoTrouble) {
  const std::string here = (folder_.path() / "tool").string();
  EXPECT_THAT(replies(here + " call tcp://x:1 x", {here, "call", "tcp", ":", "//x", ":", "1", "x"}), IsEmpty());
  EXPECT_THAT(replies("nowhere call tcp://x:1 ", {"nowhere", "call", "tcp", ":", "//x", ":", "1", ""}), IsEmpty());
}

}  // namespace
}  // namespace onward
