// SPDX-License-Identifier: Apache-2.0
//
// A command of the program, declared once: what reads its command line (parse.h), its help (help.h), its manual page
// (manual.h) and its completion (completion.h) know it from the declaration alone.
//
//   Command greet_command(const ProgramOptions&) {
//     struct Given {
//       std::string name;
//       int times = 1;
//     };
//     const auto given = std::make_shared<Given>();
//     Command command{.name = "greet", .summary = "say hello"};
//     command.prose.description = "Says hello to NAME, on standard output.";
//     command.option("--times", "N", given->times, "say it so often").range(1, 10);
//     command.argument("NAME", given->name, "to whom");
//     command.run = [given](const Invocation&) { return greet(given->name, given->times); };
//     return command;
//   }
//
// Texts are paragraphs with blank lines between them, and are wrapped where they are shown; a line that begins with a
// space is kept as it is. `{program}` in them stands for the program's name. Descriptions and summaries are half a
// sentence, without a full stop. What is in `backticks` is to be typed.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "onward/clock.h"

namespace onward {

struct Command;
struct Invocation;

// How the values of an option are completed in a shell.
enum class Completion : std::uint8_t { kNone, kFile, kFolder, kPeerUrl, kFunction, kCommand };

// An option, `--timeout SECONDS`; a flag, `--json`; or an argument, `PEER_URL`.
struct CommandOption {
  // Where the value goes, which must live as long as the command: a bool is a flag's; a Duration takes seconds, or
  // "none" for kNoTimeout; a vector any number of values. None: --help and --version.
  using Target = std::variant<std::monostate, bool*, int*, Duration*, std::string*, std::vector<std::string>*>;

  std::string name;             // with its dashes; of an argument, in capitals
  std::string value_name = {};  // "SECONDS"; empty for flags and arguments
  std::string description = {};
  Target target = {};
  char letter = 0;  // `-h`
  bool is_required = false;
  std::string unless = {};                       // a flag with which it is not required after all
  std::vector<std::string> excluded = {};        // options that cannot be given beside it
  std::string variable = {};                     // of the environment, which stands for the option where it is not said
  std::string default_text = {};                 // what holds otherwise, for documentation; empty: nothing to say
  int lowest = std::numeric_limits<int>::min();  // of an int, both included
  int highest = std::numeric_limits<int>::max();
  std::vector<std::string> choices = {};  // all that it may be, if there are any
  Completion completion = Completion::kNone;
  std::string file_pattern = {};  // of files that are completed, "*.toml"; empty: all

  CommandOption& required() { return is_required = true, *this; }
  CommandOption& required_unless(std::string flag) { return unless = std::move(flag), required(); }
  CommandOption& excludes(std::vector<std::string> others) { return excluded = std::move(others), *this; }
  CommandOption& optional() { return is_required = false, *this; }
  CommandOption& range(int from, int to) { return lowest = from, highest = to, *this; }
  CommandOption& one_of(std::vector<std::string> words) { return choices = std::move(words), *this; }
  CommandOption& from_variable(std::string name_of_it) { return variable = std::move(name_of_it), *this; }
  CommandOption& otherwise(std::string text) { return default_text = std::move(text), *this; }
  CommandOption& file(std::string pattern = "");
  CommandOption& folder() { return completion = Completion::kFolder, *this; }
  CommandOption& peer_url() { return completion = Completion::kPeerUrl, *this; }
  // A function of the node whose URL is another argument.
  CommandOption& function() { return completion = Completion::kFunction, *this; }
  // A command of this program.
  CommandOption& command() { return completion = Completion::kCommand, *this; }

  [[nodiscard]] bool is_argument() const noexcept { return !name.starts_with('-'); }
  [[nodiscard]] bool is_flag() const noexcept { return !is_argument() && value_name.empty(); }
  [[nodiscard]] bool repeats() const noexcept { return std::holds_alternative<std::vector<std::string>*>(target); }

  // "--timeout SECONDS", "-h, --help", "NAME…": how documentation calls it.
  [[nodiscard]] std::string term() const;
  // The description, with range, default and variable.
  [[nodiscard]] std::string explanation() const;
  // Takes the values from the command line to the target. Returns what is wrong with them, `--days must be an integer
  // from 1 to 10, not "none"`, or nothing.
  [[nodiscard]] std::string set(const std::vector<std::string>& texts) const;
};

struct Definition {
  std::string term;
  std::string text;
};

// A part of the documentation with a title; the text comes before the list.
struct Section {
  std::string title;
  std::string text = {};
  std::vector<Definition> list = {};
};

// What there is to say beyond the options.
struct Prose {
  std::string description = {};
  std::vector<Section> sections = {};
  std::vector<Section> manual_sections = {};  // too long for help
  std::vector<Definition> environment = {};   // variables besides those of options
  std::vector<Definition> exit_status = {};
  std::string examples = {};
  std::vector<std::string> see_also = {};  // "{program} call", or another manual page, "systemd(1)"
};

struct Command {
  std::string name;
  std::string summary;
  Prose prose = {};
  std::vector<CommandOption> options = {};
  std::vector<CommandOption> arguments = {};
  bool arguments_end_options = false;  // what comes behind the first argument is never an option, as "-1"
  std::vector<Command> commands = {};  // a group has these instead of arguments and `run`
  // What it does, once its targets are set. Returns the exit code. May throw, which ends the program with the message.
  std::function<int(const Invocation&)> run = {};

  // What they return is valid until the next is added.
  CommandOption& flag(const std::string& option, bool& target, const std::string& description);
  template <class T>
  CommandOption& option(const std::string& option, const std::string& value_name, T& target,
                        const std::string& description) {
    return add(options, {.name = option, .value_name = value_name, .description = description, .target = &target});
  }
  // Required, until optional() is said.
  template <class T>
  CommandOption& argument(const std::string& argument, T& target, const std::string& description) {
    return add(arguments, {.name = argument, .description = description, .target = &target}).required();
  }

  [[nodiscard]] bool is_group() const noexcept { return !commands.empty(); }
  // Null if there is none of that name.
  [[nodiscard]] const Command* find(std::string_view command) const;
  [[nodiscard]] std::vector<std::string> command_names() const;

 private:
  static CommandOption& add(std::vector<CommandOption>& to, CommandOption option);
};

// Exit codes of commands, besides 0.
inline constexpr int kFailed = 1;
inline constexpr int kWrongUsage = 2;

// How a command was called.
struct Invocation {
  const Command& program;  // the root of all commands
  std::string called_as;   // "onward certs issue"
};

// Gives every command its --help, and `program`, the root, --version too; says which commands there are to options that
// take one; and puts `program`'s name in the place of each `{program}`. Once, when all commands are there.
void complete_declarations(Command& program);

// "a, b or c"; "a and b" with "and".
[[nodiscard]] std::string enumerate(const std::vector<std::string>& words, std::string_view last);

}  // namespace onward
