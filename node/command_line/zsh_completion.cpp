// SPDX-License-Identifier: Apache-2.0
#include <string>
#include <string_view>
#include <vector>

#include "command_line/completion.h"

namespace onward {
namespace {

// Of what is between brackets in _arguments, or before a colon.
std::string escaped(const std::string& text) {
  constexpr std::string_view kSpecial = "[]:\\";
  std::string out;
  for (const char c : text) {
    if (kSpecial.find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

// The ACTION of _arguments.
std::string action_for(const Command& program, const Command& command, const CommandOption& option,
                       const std::string& identifier) {
  if (!option.choices.empty()) {
    std::string text;
    for (const std::string& word : option.choices) text += (text.empty() ? "" : " ") + word;
    return "(" + text + ")";
  }
  const std::size_t place = url_place(command);
  switch (option.completion) {
    case Completion::kFile:
      return option.file_pattern.empty() ? "_files" : "_files -g \"" + option.file_pattern + "\"";
    case Completion::kFolder:
      return "_files -/";
    case Completion::kPeerUrl:
      return identifier + "_urls";
    case Completion::kFunction:
      if (place == 0 || list_names_command(program).empty()) break;
      return identifier + "_functions " + std::to_string(place);
    default:
      break;
  }
  return " " + identifier + "_text " + (option.is_argument() ? option.name : option.value_name);
}

class Writer {
 public:
  explicit Writer(const Command& program) : program_(program), identifier_("_" + shell_identifier(program.name)) {}

  std::string write() {
    text_ = "#compdef " + program_.name + "\n# zsh completion for " + program_.name + ". Made by `" + program_.name +
            " completion zsh`.\n\n";
    write_values();
    write(program_, identifier_);
    // Autoloaded, this file is the body of the function: the first call defines it, and goes on with it.
    text_ += "if [ \"${funcstack[1]}\" = " + identifier_ + " ]; then\n  " + identifier_ + " \"$@\"\nelse\n  compdef " +
             identifier_ + " " + program_.name + "\nfi\n";
    return std::move(text_);
  }

 private:
  // Functions for what _arguments cannot do, which calls them with options for compadd.
  void write_values() {
    // zsh would not insert a word beside a message, and options may stand where arguments do.
    text_ += identifier_ + "_text() {\n  [[ $PREFIX != -* ]] && _message -e value $1\n}\n\n";
    text_ += identifier_ + "_urls() {\n  compadd \"$@\" -S '' - tcp:// tls:// unix:// shm://\n}\n\n";
    const std::string list = list_names_command(program_);
    if (list.empty()) return;
    // The calling _arguments has its arguments in $line, as they were typed.
    text_ += identifier_ + "_functions() { # … and the place of the URL\n  local -a names\n" +
             "  names=(${(f)\"$(${~program} " + list + " ${(Q)line[$argv[-1]]} 2>/dev/null </dev/null)\"})\n" +
             "  compadd \"${(@)argv[1,-2]}\" -a names\n}\n\n";
  }

  void write(const Command& command, const std::string& function) {
    for (const Command& sub : command.commands) write(sub, function + "_" + shell_identifier(sub.name));
    text_ += function + "() {\n";
    if (&command == &program_) text_ += "  local program=$words[1]\n";
    if (command.is_group()) {
      text_ += "  local curcontext=$curcontext state state_descr line\n  typeset -A opt_args\n";
    }
    text_ += command.is_group() ? "  _arguments -C -A '-*' :" : "  _arguments -S";
    if (!command.is_group()) text_ += command.arguments_end_options ? " -A '-*' :" : " :";
    for (const CommandOption& option : command.options) write_option(command, option);
    write_arguments(command);
    if (command.is_group()) write_dispatch(command, function);
    text_ += "}\n\n";
  }

  void write_spec(const std::string& spec) { text_ += " \\\n    " + shell_quoted(spec); }

  void write_option(const Command& command, const CommandOption& option) {
    const std::string explained = "[" + escaped(option.explanation()) + "]";
    std::string before;  // what it excludes, itself included
    for (const std::string& other : option.excluded) before += other + " ";
    const std::string letter = option.letter == 0 ? "" : std::string("-") + option.letter;
    if (!letter.empty()) before += letter + " ";
    before = before.empty() ? "" : "(" + before + option.name + ")";
    if (option.repeats()) before += "*";
    const std::string value = option.is_flag() ? "" : "=";
    std::string after = explained;
    if (!option.is_flag()) {
      after += ":" + escaped(option.value_name) + ":" + action_for(program_, command, option, identifier_);
    }
    if (!letter.empty()) write_spec(before + letter + (option.is_flag() ? "" : "+") + after);
    write_spec(before + option.name + value + after);
  }

  void write_arguments(const Command& command) {
    if (command.is_group()) {
      write_spec("1:command:->command");
      write_spec("*:: :->arguments");
      text_ += " && return\n";
      return;
    }
    std::size_t place = 0;
    for (const CommandOption& argument : command.arguments) {
      ++place;
      std::string spec = argument.repeats() ? "*" : std::to_string(place);
      spec += argument.repeats() || argument.is_required ? ":" : "::";
      write_spec(spec + escaped(argument.name) + ":" + action_for(program_, command, argument, identifier_));
    }
    text_ += "\n";
  }

  void write_dispatch(const Command& command, const std::string& function) {
    text_ += "  case $state in\n    command)\n      local -a commands=(\n";
    for (const Command& sub : command.commands) {
      text_ += "        " + shell_quoted(sub.name + ":" + sub.summary) + "\n";
    }
    text_ += "      )\n      _describe -t commands command commands\n      ;;\n    arguments)\n";
    text_ += "      curcontext=\"${curcontext%:*}-$line[1]:\"\n      case $line[1] in\n";
    for (const Command& sub : command.commands) {
      text_ += "        " + sub.name + ") " + function + "_" + shell_identifier(sub.name) + " ;;\n";
    }
    text_ += "      esac\n      ;;\n  esac\n";
  }

  const Command& program_;
  std::string identifier_;
  std::string text_;
};

}  // namespace

std::string zsh_completion(const Command& program) { return Writer(program).write(); }

}  // namespace onward
