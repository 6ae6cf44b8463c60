// SPDX-License-Identifier: Apache-2.0
#include "command_line/document.h"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace onward {
namespace {

// Those that usage does not name anyway.
bool is_usual(const CommandOption& option) { return std::holds_alternative<std::monostate>(option.target); }

std::string usage_of_option(const CommandOption& option) {
  std::string text = option.name;
  if (!option.value_name.empty()) text += " " + option.value_name;
  if (!option.is_required) text = "[" + text + "]";
  return option.repeats() ? text + "…" : text;
}

std::string usage_of_argument(const CommandOption& argument) {
  std::string text = argument.name;
  if (!argument.choices.empty() && argument.completion != Completion::kCommand) {
    text.clear();
    for (const std::string& choice : argument.choices) text += (text.empty() ? "" : "|") + choice;
  }
  if (argument.repeats()) text += "…";
  return argument.is_required ? text : "[" + text + "]";
}

std::string usage_of_one(const Command& command, const std::string& name, DocumentStyle style) {
  constexpr std::ptrdiff_t kFew = 3;
  const bool all =
      style == DocumentStyle::kManual || std::ranges::count_if(command.options, [](const CommandOption& option) {
                                           return !is_usual(option) && !option.is_required;
                                         }) <= kFew;
  std::string text = name;
  // What stands instead of others has a line of its own.
  const auto is_instead = [&](const CommandOption& option) {
    return std::ranges::find(command.options, option.name, &CommandOption::unless) != command.options.end();
  };
  if (!all) text += " [OPTIONS]";
  for (const CommandOption& option : command.options) {
    if (is_usual(option) || is_instead(option)) continue;
    if (all || option.is_required) text += " " + usage_of_option(option);
  }
  for (const CommandOption& argument : command.arguments) text += " " + usage_of_argument(argument);
  return text;
}

// "certs init|issue|revoke …" for a group.
std::string brief_usage(const Command& command) {
  if (!command.is_group()) return usage_of_one(command, command.name, DocumentStyle::kHelp);
  std::string text;
  for (const Command& sub : command.commands) text += (text.empty() ? "" : "|") + sub.name;
  return command.name + " " + text + " …";
}

std::vector<Definition> list_of(const std::vector<CommandOption>& options) {
  std::vector<Definition> list;
  list.reserve(options.size());
  for (const CommandOption& option : options) list.push_back({.term = option.term(), .text = option.explanation()});
  return list;
}

void add(std::vector<Section>& sections, std::string title, std::vector<Definition> list) {
  if (!list.empty()) sections.push_back({.title = std::move(title), .text = {}, .list = std::move(list)});
}

// The root's commands have pages of their own, so what they take is shown in brief.
void add_commands(const Command& group, bool is_root, std::vector<Section>& sections) {
  Section commands{.title = "Commands"};
  for (const Command& sub : group.commands) {
    commands.list.push_back({.term = is_root ? brief_usage(sub) : sub.name, .text = sub.summary});
  }
  sections.push_back(std::move(commands));
}

// What the commands of a group take, so that the group's page says all.
void add_details(const Command& group, const std::string& name, std::vector<Section>& sections) {
  for (const Command& sub : group.commands) {
    Section section{.title = name + " " + sub.name, .text = sub.prose.description};
    section.list = list_of(sub.arguments);
    for (const CommandOption& option : sub.options) {
      if (!is_usual(option)) section.list.push_back({.term = option.term(), .text = option.explanation()});
    }
    sections.push_back(std::move(section));
  }
}

void add_variables(const std::vector<CommandOption>& options, std::vector<Definition>& list) {
  for (const CommandOption& option : options) {
    const bool is_known = std::ranges::find(list, option.variable, &Definition::term) != list.end();
    if (option.variable.empty() || is_known) continue;
    list.push_back({.term = option.variable, .text = "stands for `" + option.name + "` where that is not given"});
  }
}

void add_variables(const Command& command, std::vector<Definition>& list) {
  add_variables(command.options, list);
  for (const Command& sub : command.commands) add_variables(sub, list);
  list.insert(list.end(), command.prose.environment.begin(), command.prose.environment.end());
}

}  // namespace

std::vector<std::string> usage_of(const Command& command, const std::string& name, DocumentStyle style) {
  std::vector<std::string> usage;
  if (!command.is_group()) usage.push_back(usage_of_one(command, name, style));
  for (const CommandOption& option : command.options) {
    if (!option.unless.empty()) usage.push_back(name + " " + option.unless);
  }
  for (const Command& sub : command.commands) {
    for (std::string& line : usage_of(sub, name + " " + sub.name, style)) usage.push_back(std::move(line));
  }
  return usage;
}

Document document_of(const Command& command, const std::string& name, DocumentStyle style) {
  const bool is_root = command.is_group() && name == command.name;
  const Prose& prose = command.prose;
  Document document{.name = name, .summary = command.summary, .description = prose.description};
  document.usage = is_root ? std::vector{name + " COMMAND …"} : usage_of(command, name, style);
  document.see_also = prose.see_also;
  std::vector<Section>& sections = document.sections;
  if (command.is_group()) add_commands(command, is_root, sections);
  add(sections, "Arguments", list_of(command.arguments));
  if (command.is_group() && !is_root) add_details(command, name, sections);
  add(sections, "Options", list_of(command.options));
  sections.insert(sections.end(), prose.sections.begin(), prose.sections.end());
  if (style == DocumentStyle::kManual) {
    sections.insert(sections.end(), prose.manual_sections.begin(), prose.manual_sections.end());
  }
  std::vector<Definition> variables;
  if (!is_root) add_variables(command, variables);
  add(sections, "Environment", std::move(variables));
  add(sections, "Exit status", prose.exit_status);
  if (!prose.examples.empty()) sections.push_back({.title = "Examples", .text = prose.examples});
  return document;
}

}  // namespace onward
