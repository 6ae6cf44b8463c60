// SPDX-License-Identifier: Apache-2.0
#include "onward/program.h"

#include <fcntl.h>
#include <unistd.h>

#include <cctype>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "command_line/command.h"
#include "command_line/help.h"
#include "command_line/parse.h"
#include "command_list.h"
#include "print_output.h"

namespace onward {
namespace {

// A connection must not get the number of a standard stream that the process began without.
void open_standard_streams() {
  int descriptor = STDIN_FILENO;
  while (descriptor >= 0 && descriptor <= STDERR_FILENO) descriptor = ::open("/dev/null", O_RDWR);
  if (descriptor > STDERR_FILENO) ::close(descriptor);
}

// "a node that greets" as "A node that greets."
std::string sentence(std::string text) {
  text.front() = static_cast<char>(std::toupper(static_cast<unsigned char>(text.front())));
  return text + ".";
}

int run(const Command& program, const ProgramOptions& options, const std::vector<std::string>& words) {
  const auto line = parse_command_line(program, words);
  if (!line) {
    std::fprintf(stderr, "%s: %s\nSee `%s --help`.\n", line.error().called_as.c_str(), line.error().message.c_str(),
                 line.error().called_as.c_str());
    return kWrongUsage;
  }
  using Wanted = ParsedLine::Wanted;
  if (line->wanted == Wanted::kRun) return line->command->run({.program = program, .called_as = line->called_as});
  std::string text = program.name + " " + options.version + "\n";
  if (line->wanted == Wanted::kHelp) {
    text = help_text(document_of(*line->command, line->called_as, DocumentStyle::kHelp));
  }
  return print_output(text, line->called_as);
}

}  // namespace

Command program_command(const ProgramOptions& program) {
  Command root{.name = program.name, .summary = program.summary};
  if (!program.summary.empty()) root.prose.description = sentence(program.summary);
  root.commands = standard_commands(program);
  complete_declarations(root);
  return root;
}

int run_minimal_program(int argc, char** argv, const ProgramOptions& options) {
  open_standard_streams();
  try {
    return run(program_command(options), options, {argv + (argc > 0 ? 1 : 0), argv + argc});
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: %s\n", options.name.c_str(), error.what());
  } catch (...) {
    std::fprintf(stderr, "%s: something failed and did not say what\n", options.name.c_str());
  }
  return kFailed;
}

}  // namespace onward
