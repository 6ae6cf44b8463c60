// SPDX-License-Identifier: Apache-2.0
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <memory>
#include <string>

#include "command_line/manual.h"
#include "command_list.h"
#include "print_output.h"

namespace onward {
namespace {

// The program's page leads to all the others, and they lead back.
Document page_of(const Invocation& called, const std::string& name) {
  const Command& program = called.program;
  if (name.empty()) {
    Document document = document_of(program, program.name, DocumentStyle::kManual);
    for (const Command& command : program.commands) document.see_also.push_back(program.name + " " + command.name);
    return document;
  }
  Document document = document_of(*program.find(name), program.name + " " + name, DocumentStyle::kManual);
  document.see_also.insert(document.see_also.begin(), program.name);
  return document;
}

// Pages that are made twice are the same: one has the date that whoever builds a distribution gives, or none.
std::string date_of_build() {
  const char* text = std::getenv("SOURCE_DATE_EPOCH");
  std::int64_t seconds = 0;
  if (text == nullptr) return {};
  const char* end = text + std::strlen(text);
  if (std::from_chars(text, end, seconds).ptr != end || text == end) return {};
  const auto time = static_cast<std::time_t>(seconds);
  std::tm day{};
  constexpr std::size_t kLongest = 32;
  char date[kLongest];
  if (::gmtime_r(&time, &day) == nullptr) return {};
  return {date, std::strftime(date, sizeof date, "%Y-%m-%d", &day)};
}

}  // namespace

// `onward man`: prints a manual page.
Command man_command(const ProgramOptions& program) {
  const auto name = std::make_shared<std::string>();
  Command command{.name = "man", .summary = "print a manual page"};
  command.prose.description =
      "Prints the manual page of {program}, or of one of its commands, for `man` to show. It says what `--help` says.";
  command.prose.environment = {
      {"SOURCE_DATE_EPOCH", "the page's date, in seconds since 1970; where it is not set, the page has none"}};
  command.prose.exit_status = {{"0", "printed"}, {"1", "it could not be printed"}, {"2", "wrong usage"}};
  command.prose.examples = "  {program} man call | man -l -";
  command.argument("COMMAND", *name, "whose page it is; none: the program's own").optional().command();
  command.run = [name, release = program.name + " " + program.version](const Invocation& called) {
    return print_output(manual_page(page_of(called, *name), release, date_of_build()), called.called_as);
  };
  return command;
}

}  // namespace onward
