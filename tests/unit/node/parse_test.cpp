// SPDX-License-Identifier: Apache-2.0
#include "command_line/parse.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "command_fixture.h"
#include "onward/call.h"

namespace onward {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Wanted = ParsedLine::Wanted;

class Parse : public testing::Test {
 protected:
  // Runs it. The command's name, or "" if the line is wrong.
  std::string run(const std::vector<std::string>& words) {
    const auto line = parse_command_line(program_, words);
    if (!line) {
      ADD_FAILURE() << line.error().message;
      return {};
    }
    EXPECT_EQ(line->wanted, Wanted::kRun);
    line->command->run({.program = program_, .called_as = line->called_as});
    return told.called_as;
  }
  Wanted wanted(const std::vector<std::string>& words) {
    const auto line = parse_command_line(program_, words);
    EXPECT_TRUE(line) << line.error().message;
    return line ? line->wanted : Wanted::kRun;
  }
  // "tool work: what is wrong"
  std::string refused(const std::vector<std::string>& words) {
    const auto line = parse_command_line(program_, words);
    EXPECT_FALSE(line) << testing::PrintToString(words);
    return line ? "" : line.error().called_as + ": " + line.error().message;
  }

  Told told;

 private:
  Command program_ = test_program(told);
};

TEST_F(Parse, EveryKindOfValue) {
  EXPECT_EQ(run({"work", "--file", "f.toml", "--quick", "--times=9", "--patience", "1.5", "--color", "green", "--tag",
                 "a", "--tag=b", "here"}),
            "tool work");
  EXPECT_EQ(told.file, "f.toml");
  EXPECT_TRUE(told.quick);
  EXPECT_FALSE(told.quiet);
  EXPECT_EQ(told.times, 9);
  EXPECT_EQ(told.patience, std::chrono::milliseconds(1500));
  EXPECT_EQ(told.color, "green");
  EXPECT_THAT(told.tags, ElementsAre("a", "b"));
  EXPECT_EQ(told.url, "here");
}

TEST_F(Parse, DefaultsStayWhereNothingIsSaid) {
  run({"work", "--file", "f"});
  EXPECT_EQ(told.times, 3);
  EXPECT_EQ(told.patience, std::chrono::seconds(30));
  EXPECT_EQ(told.color, "red");
  EXPECT_THAT(told.tags, IsEmpty());
}

TEST_F(Parse, NoneIsForEver) {
  run({"work", "--file", "f", "--patience", "none"});
  EXPECT_EQ(told.patience, kNoTimeout);
}

TEST_F(Parse, WhatStandsInTheEnvironmentIsTakenByTheCommandThatWantsIt) {
  ::setenv("ONWARD_TEST_TIMES", "7", 1);
  run({"work", "--file", "f"});
  EXPECT_EQ(told.times, 7);
  run({"work", "--file", "f", "--times", "2"});
  EXPECT_EQ(told.times, 2);
  ::setenv("ONWARD_TEST_TIMES", "many", 1);
  EXPECT_THAT(refused({"work", "--file", "f"}), HasSubstr("--times must be an integer from 1 to 9, not \"many\""));
  run({"group", "one", "a"});
  ::unsetenv("ONWARD_TEST_TIMES");
}

TEST_F(Parse, NothingIsAnOptionBehindTheFirstArgumentOfACall) {
  run({"call", "--quiet", "--times", "2", "u", "f", "-1", "--quiet", "--", "[1,2]", "--times"});
  EXPECT_TRUE(told.quiet);
  EXPECT_EQ(told.times, 2);
  EXPECT_EQ(told.url, "u");
  EXPECT_EQ(told.function, "f");
  EXPECT_THAT(told.rest, ElementsAre("-1", "--quiet", "--", "[1,2]", "--times"));
  run({"call", "--", "--u", "call"});
  EXPECT_EQ(told.url, "--u");
  EXPECT_EQ(told.function, "call");
}

TEST_F(Parse, NothingIsAnOptionBehindTwoDashes) {
  run({"group", "one", "--times", "2", "--", "--times", "-x"});
  EXPECT_EQ(told.times, 2);
  EXPECT_THAT(told.rest, ElementsAre("--times", "-x"));
  EXPECT_EQ(refused({"about", "--", "call", "list"}), "tool about: the argument \"list\" is one too many");
  EXPECT_EQ(refused({"--", "work"}), "tool: it needs a command: work, call, list, group or about");
}

TEST_F(Parse, NamesOfCommandsMayBeArguments) {
  run({"group", "one", "group", "two", "call"});
  EXPECT_THAT(told.rest, ElementsAre("group", "two", "call"));
  run({"about", "call"});
  EXPECT_EQ(told.topic, "call");
}

TEST_F(Parse, HelpAndVersion) {
  EXPECT_EQ(wanted({"--help"}), Wanted::kHelp);
  EXPECT_EQ(wanted({"--version"}), Wanted::kVersion);
  EXPECT_EQ(wanted({"work", "-h"}), Wanted::kHelp);
  EXPECT_EQ(wanted({"work", "--times", "none", "--help"}), Wanted::kHelp);
  EXPECT_EQ(wanted({"group", "--help"}), Wanted::kHelp);
  EXPECT_EQ(wanted({"call", "--help"}), Wanted::kHelp);
}

TEST_F(Parse, UnknownCommands) {
  EXPECT_EQ(refused({}), "tool: it needs a command: work, call, list, group or about");
  EXPECT_EQ(refused({"wrok"}), "tool: there is no command \"wrok\"; did you mean \"work\"?");
  EXPECT_EQ(refused({"wrok", "--help"}), "tool: there is no command \"wrok\"; did you mean \"work\"?");
  EXPECT_EQ(refused({"group"}), "tool group: it needs a command: one or two");
  EXPECT_EQ(refused({"group", "three-hundred"}),
            "tool group: there is no command \"three-hundred\"; there are one, two");
}

TEST_F(Parse, UnknownOptions) {
  EXPECT_EQ(refused({"--verison"}), "tool: there is no option \"--verison\"; did you mean \"--version\"?");
  EXPECT_EQ(refused({"work", "--fiel", "x"}), "tool work: there is no option \"--fiel\"; did you mean \"--file\"?");
  EXPECT_EQ(refused({"work", "--fiel=x"}), "tool work: there is no option \"--fiel\"; did you mean \"--file\"?");
  EXPECT_EQ(refused({"call", "--quite", "u", "f"}),
            "tool call: there is no option \"--quite\"; did you mean \"--quiet\"?");
  EXPECT_THAT(refused({"group", "two", "-x"}), HasSubstr("tool group two: there is no option \"-x\""));
}

TEST_F(Parse, WhatIsMissing) {
  EXPECT_EQ(refused({"work"}), "tool work: it needs --file FILE");
  EXPECT_EQ(refused({"call"}), "tool call: it needs URL and FUNCTION");
  EXPECT_EQ(refused({"call", "--quiet", "u"}), "tool call: it needs FUNCTION");
  EXPECT_EQ(refused({"group", "one"}), "tool group one: it needs NAME…");
  EXPECT_EQ(refused({"work", "--file"}), "tool work: --file takes one value, FILE");
  EXPECT_EQ(run({"work", "--reference"}), "tool work");
}

TEST_F(Parse, WhatIsTooMuch) {
  EXPECT_EQ(refused({"work", "--file", "f", "a", "b"}), "tool work: the argument \"b\" is one too many");
  EXPECT_EQ(refused({"group", "two", "a"}), "tool group two: the argument \"a\" is one too many");
  EXPECT_EQ(refused({"work", "--file", "a", "--file", "b"}), "tool work: --file takes one value, FILE");
  EXPECT_EQ(refused({"work", "--file", "f", "--quick=yes"}), "tool work: --quick takes no value");
  EXPECT_EQ(refused({"work", "--file", "f", "--quiet", "--quick"}), "tool work: --quick cannot be given with --quiet");
}

TEST_F(Parse, ValuesThatAreWrong) {
  const auto message = [&](const std::string& option, const std::string& value) {
    return refused({"work", "--file", "f", option, value});
  };
  for (const char* times : {"0", "10", "x", "1x", "", "99999999999"}) {
    EXPECT_THAT(message("--times", times), HasSubstr("--times must be an integer from 1 to 9, not \"")) << times;
  }
  for (const char* patience : {"-1", "x", "nan", "inf", "1e10"}) {
    EXPECT_THAT(message("--patience=" + std::string(patience), "here"),
                HasSubstr("--patience must be a number of seconds, or \"none\", not \""))
        << patience;
  }
  EXPECT_EQ(message("--color", "blue"), "tool work: --color must be red or green, not \"blue\"");
  EXPECT_EQ(refused({"about", "tool"}), "tool about: COMMAND must be work, call, list, group or about, not \"tool\"");
  EXPECT_EQ(refused({"group", "one", "--times", "x", "a"}), "tool group one: --times must be an integer, not \"x\"");
}

}  // namespace
}  // namespace onward
