// SPDX-License-Identifier: Apache-2.0
//
// That everything the program's commands declare is said wherever the program tells about itself.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <functional>
#include <sstream>

#include "../transports/tls_fixture.h"
#include "command_fixture.h"
#include "command_line/completion.h"
#include "command_line/help.h"
#include "command_line/manual.h"
#include "command_line/text.h"
#include "command_list.h"
#include "module_list.h"
#include "onward/module_library.h"

namespace onward {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr std::size_t kWidth = 100;

Command onward_named(const std::string& name) {
  return program_command({.name = name,
                          .version = "1.2.3",
                          .summary = "for tests",
                          .modules = with_builtin_modules(standard_modules()),
                          .certificates = &kCertificateTools});
}

// Calls `visit` for the program and each command in it.
void walk(const Command& command, const std::string& called_as,
          const std::function<void(const Command&, const std::string&)>& visit) {
  visit(command, called_as);
  for (const Command& sub : command.commands) walk(sub, called_as + " " + sub.name, visit);
}

std::vector<CommandOption> all_of(const Command& command) {
  std::vector<CommandOption> all = command.options;
  all.insert(all.end(), command.arguments.begin(), command.arguments.end());
  return all;
}

std::string help_of(const Command& command, const std::string& called_as) {
  return help_text(document_of(command, called_as, DocumentStyle::kHelp));
}

// All words with single spaces, so that it does not matter where lines break.
std::string joined(const std::string& text) {
  std::istringstream in(text);
  std::string out;
  for (std::string word; in >> word;) out += word + " ";
  return out;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

// What is between `begin` and the next `end`; empty if that is not there.
std::string part(const std::string& text, const std::string& begin, const std::string& end) {
  const std::size_t from = text.find(begin);
  if (from == std::string::npos) return {};
  return text.substr(from, text.find(end, from) - from);
}

std::string content(const std::string& file) {
  std::ostringstream text;
  text << std::ifstream(file).rdbuf();
  return text.str();
}

// What groff makes of a page, on a terminal without fonts; its complaints go to `complaints`.
std::string rendered(const std::string& page, std::string& complaints) {
  const TemporaryFolder folder;
  const std::string path = folder.path() / "page";
  std::ofstream(path) << page;
  EXPECT_EQ(std::system(("groff -man -Tutf8 -ww -P-cbou " + path + " >" + path + ".txt 2>" + path + ".err").c_str()),
            0);
  complaints = content(path + ".err");
  return content(path + ".txt");
}

bool has_program(const std::string& name) { return std::system(("command -v " + name + " >/dev/null").c_str()) == 0; }

TEST(Documentation, HelpHasEveryOption) {
  const Command program = onward_named("onward");
  walk(program, "onward", [](const Command& command, const std::string& called_as) {
    const std::string help = joined(help_of(command, called_as));
    for (const CommandOption& option : all_of(command)) {
      EXPECT_THAT(help, HasSubstr(" " + option.term() + " " + joined(option.explanation()))) << called_as;
    }
    for (const Command& sub : command.commands) {
      EXPECT_THAT(help, HasSubstr(" " + sub.name + " ")) << called_as;
      EXPECT_THAT(help, HasSubstr(joined(sub.summary))) << called_as;
    }
  });
}

TEST(Documentation, HelpSaysWhatEachModuleIs) {
  const Command program = onward_named("onward");
  const std::string help = joined(help_of(*program.find("node"), "onward node"));
  EXPECT_FALSE(standard_modules().empty());
  for (const ModuleDescriptor* module : standard_modules()) {
    EXPECT_THAT(help, HasSubstr(" " + std::string(module->name()) + " " + module->summary));
  }
}

TEST(Documentation, AProgramWithoutCertificatesDoesNotSpeakOfThem) {
  const Command program =
      program_command({.name = "small", .version = "1", .summary = "for tests", .modules = standard_modules()});
  EXPECT_EQ(program.find("certs"), nullptr);
  walk(program, "small", [](const Command& command, const std::string& called_as) {
    for (const std::string& page : command.prose.see_also) EXPECT_THAT(page, Not(HasSubstr("certs"))) << called_as;
    for (const CommandOption& option : command.options) EXPECT_THAT(option.name, Not(HasSubstr("tls"))) << called_as;
  });
}

TEST(Documentation, HelpFitsTheTerminalAndNamesTheProgram) {
  const Command program = onward_named("my-node");
  walk(program, "my-node", [](const Command& command, const std::string& called_as) {
    const std::string help = help_of(command, called_as);
    for (const std::string& line : lines_of(help)) EXPECT_LE(columns(line), kWidth) << line;
    EXPECT_THAT(help, testing::StartsWith("Usage: my-node"));
    EXPECT_THAT(help, Not(HasSubstr("{program}")));
    EXPECT_THAT(help, Not(testing::ContainsRegex("(^|[ `(])onward ")));
  });
}

TEST(Documentation, UsageHasWhatMustBeGiven) {
  Told told;
  const Command program = test_program(told);
  EXPECT_THAT(usage_of(*program.find("work"), "tool work", DocumentStyle::kHelp),
              testing::ElementsAre("tool work [OPTIONS] --file FILE [FOLDER]", "tool work --reference"));
  EXPECT_THAT(usage_of(*program.find("work"), "tool work", DocumentStyle::kManual).front(),
              HasSubstr("tool work --file FILE [--quick] [--quiet] [--times N] "));
  EXPECT_THAT(usage_of(*program.find("group"), "tool group", DocumentStyle::kHelp),
              testing::ElementsAre("tool group one [--times N] NAME…", "tool group two"));
}

TEST(Documentation, NotesSayWhatAnOptionMayBe) {
  Told told;
  const Command program = test_program(told);
  const std::string help = joined(help_of(*program.find("work"), "tool work"));
  EXPECT_THAT(help, HasSubstr("so often (1 to 9; default: 3; or the variable ONWARD_TEST_TIMES) "));
  EXPECT_THAT(help, HasSubstr("how long (default: 30) "));
  EXPECT_THAT(help, HasSubstr("of what is shown (red or green; default: red) "));
  EXPECT_THAT(help, HasSubstr("what to call it (may be repeated) "));
  EXPECT_THAT(help, HasSubstr("less thorough (not with --quiet) "));
  EXPECT_THAT(help, HasSubstr("Environment: ONWARD_TEST_TIMES stands for `--times`"));
  EXPECT_THAT(help, HasSubstr("`tool work` is how."));
}

TEST(Documentation, BashCompletesEveryOption) {
  const Command program = onward_named("onward");
  const std::string script = bash_completion(program);
  walk(program, "", [&](const Command& command, const std::string& path) {
    const std::string entry = part(script, "    '" + path + "')", ";;");
    ASSERT_THAT(entry, Not(IsEmpty())) << path;
    for (const CommandOption& option : command.options) {
      EXPECT_THAT(entry, testing::ContainsRegex("[ ']" + option.name + "[ ']")) << path;
    }
    for (const Command& sub : command.commands) {
      EXPECT_THAT(entry, testing::ContainsRegex("[ ']" + sub.name + "[ ']")) << path;
    }
  });
}

TEST(Documentation, ZshCompletesEveryOption) {
  const Command program = onward_named("onward");
  const std::string script = zsh_completion(program);
  walk(program, "_onward", [&](const Command& command, const std::string& path) {
    std::string function = path;
    std::ranges::replace(function, ' ', '_');
    const std::string body = part(script, "\n" + function + "() {", "\n}");
    ASSERT_THAT(body, Not(IsEmpty())) << function;
    for (const CommandOption& option : command.options) {
      EXPECT_THAT(body, HasSubstr(option.name + (option.is_flag() ? "[" : "=["))) << function;
    }
    for (const CommandOption& argument : command.arguments) EXPECT_THAT(body, HasSubstr(":" + argument.name + ":"));
    for (const Command& sub : command.commands) EXPECT_THAT(body, HasSubstr("'" + sub.name + ":" + sub.summary + "'"));
  });
}

TEST(Documentation, ScriptsNameTheProgram) {
  const Command program = onward_named("my-node");
  for (const std::string& script : {bash_completion(program), zsh_completion(program)}) {
    EXPECT_THAT(script, Not(HasSubstr("onward ")));
    EXPECT_THAT(script, HasSubstr("\n_my_node() {"));
    EXPECT_THAT(script, Not(HasSubstr("IDENTIFIER")));
  }
  EXPECT_THAT(bash_completion(program), HasSubstr("complete -F _my_node my-node\n"));
  EXPECT_THAT(zsh_completion(program), testing::StartsWith("#compdef my-node\n"));
}

// Roff that groff does not complain of, and that says on a terminal what was declared.
TEST(Documentation, ManualPages) {
  if (!has_program("groff")) GTEST_SKIP() << "there is no groff";
  const Command program = onward_named("onward");
  walk(program, "onward", [](const Command& command, const std::string& called_as) {
    std::string complaints;
    const std::string page = manual_page(document_of(command, called_as, DocumentStyle::kManual), "onward 1.2.3", "");
    const std::string shown = joined(rendered(page, complaints));
    EXPECT_THAT(complaints, IsEmpty()) << called_as;
    EXPECT_THAT(shown, HasSubstr("NAME "));
    EXPECT_THAT(shown, HasSubstr(" - " + joined(command.summary)));
    for (const CommandOption& option : all_of(command)) {
      std::string expected = joined(option.term() + " " + option.explanation());
      std::erase(expected, '`');
      EXPECT_THAT(shown, HasSubstr(expected)) << called_as;
    }
  });
}

TEST(Documentation, ManualPagesForMandoc) {
  if (!has_program("mandoc")) GTEST_SKIP() << "there is no mandoc";
  const Command program = onward_named("onward");
  walk(program, "onward", [](const Command& command, const std::string& called_as) {
    const TemporaryFolder folder;
    const std::string path = folder.path() / "page";
    std::ofstream(path) << manual_page(document_of(command, called_as, DocumentStyle::kManual), "onward 1.2.3",
                                       "2025-12-31");
    EXPECT_EQ(std::system(("mandoc -T lint -W warning " + path + " >" + path + ".lint").c_str()), 0);
    EXPECT_THAT(content(path + ".lint"), IsEmpty()) << called_as;
  });
}

// Characters that mean something in roff arrive as they are.
TEST(Documentation, ManualPagesKeepEveryCharacter) {
  if (!has_program("groff")) GTEST_SKIP() << "there is no groff";
  const std::string line = R"(  .x 'a' "b" `c` ^d ~e \f(g -h --i …)";
  const Document document{
      .name = "tool", .summary = "for tests", .description = "'first\n\n" + line + "\n\n.last \\fB"};
  std::string complaints;
  const std::string shown = rendered(manual_page(document, "tool 1", ""), complaints);
  EXPECT_THAT(complaints, IsEmpty());
  EXPECT_THAT(shown, HasSubstr(line));
  EXPECT_THAT(shown, HasSubstr(" 'first\n"));
  EXPECT_THAT(shown, HasSubstr(" .last \\fB\n"));
}

TEST(Documentation, OnlyTheManualHasEveryKeyOfAConfiguration) {
  const Command program = onward_named("onward");
  const Command& node = *program.find("node");
  const auto title = testing::Field(&Section::title, "Configuration keys");
  EXPECT_THAT(document_of(node, "onward node", DocumentStyle::kManual).sections, testing::Contains(title));
  EXPECT_THAT(document_of(node, "onward node", DocumentStyle::kHelp).sections, Not(testing::Contains(title)));
}

TEST(Text, ParagraphsAndLines) {
  const std::vector<Paragraph> paragraphs = paragraphs_of("one\ntwo\n\nthree\n  a  b\n\n  c\nfour");
  ASSERT_EQ(paragraphs.size(), 5U);
  EXPECT_THAT(paragraphs[0].lines, testing::ElementsAre("one", "two"));
  EXPECT_FALSE(paragraphs[0].verbatim);
  EXPECT_THAT(paragraphs[2].lines, testing::ElementsAre("  a  b"));
  EXPECT_TRUE(paragraphs[2].verbatim);
  EXPECT_TRUE(paragraphs[3].verbatim);
  EXPECT_FALSE(paragraphs[4].verbatim);
  EXPECT_EQ(columns("a…µ"), 3U);
  EXPECT_THAT(wrap("a bc  def\nghijklm n", 6), testing::ElementsAre("a bc", "def", "ghijklm", "n"));
}

}  // namespace
}  // namespace onward
