// SPDX-License-Identifier: Apache-2.0
#include "command_line/completion.h"

#include <algorithm>
#include <cctype>

namespace onward {

std::string shell_identifier(const std::string& program) {
  std::string text = program;
  std::ranges::replace_if(text, [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
  return text;
}

std::string shell_quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

std::string list_names_command(const Command& program) {
  const Command* list = program.find("list");
  if (list == nullptr) return {};
  const auto has = [&](const char* name) {
    return std::ranges::find(list->options, name, &CommandOption::name) != list->options.end();
  };
  if (!has("--names")) return {};
  // Nobody waits for a completion as long as for a call.
  return has("--timeout") ? "list --names --timeout 2" : "list --names";
}

std::size_t url_place(const Command& command) {
  const auto found = std::ranges::find(command.arguments, Completion::kPeerUrl, &CommandOption::completion);
  return found == command.arguments.end() ? 0 : static_cast<std::size_t>(found - command.arguments.begin()) + 1;
}

}  // namespace onward
