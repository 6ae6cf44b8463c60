// SPDX-License-Identifier: Apache-2.0
#include "command_line/command.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <utility>

#include "command_line/text.h"
#include "onward/call.h"

namespace onward {
namespace {

// The whole of `text` as a T.
template <class T>
bool parse_number(const std::string& text, T& out) {
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, out);
  return parsed.ec == std::errc() && parsed.ptr == end;
}

std::string range_of(const CommandOption& option) {
  const CommandOption unlimited;
  if (option.lowest == unlimited.lowest && option.highest == unlimited.highest) return {};
  return std::to_string(option.lowest) + " to " + std::to_string(option.highest);
}

std::string set_integer(const CommandOption& option, int& target, const std::string& text) {
  int value = 0;
  if (parse_number(text, value) && value >= option.lowest && value <= option.highest) {
    target = value;
    return {};
  }
  const std::string range = range_of(option);
  return option.name + " must be an integer" + (range.empty() ? "" : " from " + range) + ", not " + quoted(text);
}

std::string set_duration(const CommandOption& option, Duration& target, const std::string& text) {
  constexpr double kLongest = 1e9;
  double seconds = 0;
  if (text == "none") {
    target = kNoTimeout;
  } else if (parse_number(text, seconds) && std::isfinite(seconds) && seconds >= 0 && seconds <= kLongest) {
    target = std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
  } else {
    return option.name + " must be a number of seconds, or \"none\", not " + quoted(text);
  }
  return {};
}

std::string refuse_choice(const CommandOption& option, const std::string& text) {
  if (option.choices.empty() || std::ranges::find(option.choices, text) != option.choices.end()) return {};
  return option.name + " must be " + enumerate(option.choices, "or") + ", not " + quoted(text);
}

std::string default_of(const CommandOption::Target& target) {
  if (const auto* const* number = std::get_if<int*>(&target)) return std::to_string(**number);
  if (const auto* const* text = std::get_if<std::string*>(&target)) return **text;
  const auto* const* duration = std::get_if<Duration*>(&target);
  if (duration == nullptr) return {};
  if (**duration == kNoTimeout) return "none";
  constexpr int kDigits = 32;
  char digits[kDigits];
  const auto end = std::to_chars(digits, digits + kDigits, std::chrono::duration<double>(**duration).count());
  return {digits, end.ptr};
}

void name_program(Command& command, const std::string& program) {
  const auto name_in = [&](std::string& text) { replace_all(text, "{program}", program); };
  const auto name_in_list = [&](std::vector<Definition>& list) {
    for (Definition& definition : list) {
      name_in(definition.term);
      name_in(definition.text);
    }
  };
  name_in(command.summary);
  name_in(command.prose.description);
  for (std::vector<Section>* sections : {&command.prose.sections, &command.prose.manual_sections}) {
    for (Section& section : *sections) {
      name_in(section.title);
      name_in(section.text);
      name_in_list(section.list);
    }
  }
  name_in_list(command.prose.environment);
  name_in_list(command.prose.exit_status);
  name_in(command.prose.examples);
  for (std::string& other : command.prose.see_also) name_in(other);
  for (CommandOption& option : command.options) name_in(option.description);
  for (CommandOption& argument : command.arguments) name_in(argument.description);
  for (Command& sub : command.commands) name_program(sub, program);
}

// A program may lack some commands.
void keep_references_to(Command& command, const std::vector<std::string>& names) {
  std::erase_if(command.prose.see_also, [&](const std::string& other) {
    const std::size_t space = other.find(' ');
    const std::string name = other.substr(space + 1, other.find(' ', space + 1) - space - 1);
    return space != other.npos && std::ranges::find(names, name) == names.end();
  });
  for (Command& sub : command.commands) keep_references_to(sub, names);
}

void add_help(Command& command, const std::string& called_as) {
  std::string description = "print this";
  if (command.is_group()) description += "; `" + called_as + " COMMAND --help` says more";
  command.options.push_back(
      {.name = "--help", .description = std::move(description), .target = std::monostate(), .letter = 'h'});
  for (Command& sub : command.commands) add_help(sub, called_as + " " + sub.name);
}

void add_command_names(Command& command, const std::vector<std::string>& names) {
  for (std::vector<CommandOption>* list : {&command.options, &command.arguments}) {
    for (CommandOption& option : *list) {
      if (option.completion == Completion::kCommand) option.choices = names;
    }
  }
  for (Command& sub : command.commands) add_command_names(sub, names);
}

}  // namespace

CommandOption& CommandOption::file(std::string pattern) {
  completion = Completion::kFile;
  file_pattern = std::move(pattern);
  return *this;
}

std::string CommandOption::term() const {
  std::string text = letter == 0 ? "" : std::string("-") + letter + ", ";
  text += name;
  if (!value_name.empty()) text += " " + value_name;
  if (is_argument() && repeats()) text += "…";
  return text;
}

std::string CommandOption::explanation() const {
  std::vector<std::string> notes;
  if (!choices.empty()) notes.push_back(enumerate(choices, "or"));
  if (const std::string range = range_of(*this); !range.empty()) notes.push_back(range);
  if (!default_text.empty()) notes.push_back("default: " + default_text);
  if (!variable.empty()) notes.push_back("or the variable " + variable);
  if (!excluded.empty()) notes.push_back("not with " + enumerate(excluded, "or"));
  if (repeats() && !is_argument()) notes.emplace_back("may be repeated");
  std::string text;
  for (const std::string& note : notes) text += (text.empty() ? "" : "; ") + note;
  return text.empty() ? description : description + " (" + text + ")";
}

std::string CommandOption::set(const std::vector<std::string>& texts) const {
  if (auto* const* flag = std::get_if<bool*>(&target)) **flag = true;
  if (texts.empty()) return {};
  for (const std::string& text : texts) {
    if (std::string wrong = refuse_choice(*this, text); !wrong.empty()) return wrong;
  }
  if (auto* const* number = std::get_if<int*>(&target)) return set_integer(*this, **number, texts.back());
  if (auto* const* duration = std::get_if<Duration*>(&target)) return set_duration(*this, **duration, texts.back());
  if (auto* const* text = std::get_if<std::string*>(&target)) **text = texts.back();
  if (auto* const* all = std::get_if<std::vector<std::string>*>(&target)) **all = texts;
  return {};
}

CommandOption& Command::flag(const std::string& option, bool& target, const std::string& description) {
  return add(options, {.name = option, .description = description, .target = &target});
}

CommandOption& Command::add(std::vector<CommandOption>& to, CommandOption option) {
  if (!option.is_argument()) option.default_text = default_of(option.target);
  return to.emplace_back(std::move(option));
}

const Command* Command::find(std::string_view command) const {
  const auto found = std::ranges::find(commands, command, &Command::name);
  return found == commands.end() ? nullptr : &*found;
}

std::vector<std::string> Command::command_names() const {
  std::vector<std::string> names;
  names.reserve(commands.size());
  for (const Command& command : commands) names.push_back(command.name);
  return names;
}

void complete_declarations(Command& program) {
  program.options.push_back({.name = "--version", .description = "print the version", .target = std::monostate()});
  add_help(program, program.name);
  add_command_names(program, program.command_names());
  keep_references_to(program, program.command_names());
  name_program(program, program.name);
}

std::string enumerate(const std::vector<std::string>& words, std::string_view last) {
  std::string text;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) text += i + 1 < words.size() ? ", " : " " + std::string(last) + " ";
    text += words[i];
  }
  return text;
}

}  // namespace onward
