// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "command_line/completion.h"
#include "command_line/text.h"
#include "nearest.h"

namespace onward {
namespace {

// PROGRAM and IDENTIFIER are replaced. The tables, functions _IDENTIFIER_command and _IDENTIFIER_value, stand in
// front of it.
constexpr std::string_view kScript = R"bash(
# _IDENTIFIER_lines LINES: those that begin with $word. They may come from afar: none is expanded, and none is
# taken that a shell would expand.
_IDENTIFIER_lines() {
  local line
  while IFS= read -r line; do
    if [[ -n $line && $line == "$word"* && $line != *[!A-Za-z0-9_./:+-]* ]]; then COMPREPLY+=("$line"); fi
  done <<<"$1"
}

_IDENTIFIER_words() { _IDENTIFIER_lines "${1// /$'\n'}"; }

# _IDENTIFIER_files ACTION [OPTIONS OF compgen]
_IDENTIFIER_files() {
  local line typed=${word//\\/}
  compopt -o filenames 2>/dev/null
  while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen "$@" -- "${typed#[\"\']}")
}

_IDENTIFIER_complete() { # KIND [DETAIL]
  local program url
  case $1 in
    words) _IDENTIFIER_words "$2" ;;
    file)
      _IDENTIFIER_files -f -X "!$2"
      [ "$2" = '*' ] || _IDENTIFIER_files -d
      ;;
    folder) _IDENTIFIER_files -d ;;
    url)
      compopt -o nospace 2>/dev/null
      _IDENTIFIER_words 'tcp:// tls:// unix:// shm://'
      ;;
    functions) # the place of the URL, and the command that lists its functions
      program=${COMP_WORDS[0]/#\~\//$HOME/}
      url=${given[$2 - 1]//[\"\'\\]/}
      # shellcheck disable=SC2086
      _IDENTIFIER_lines "$("$program" $3 "$url" 2>/dev/null </dev/null)"
      ;;
  esac
}

_IDENTIFIER() {
  local command='' commands flags options ends_options
  local given=() words=() line word option='' i IFS=$' \t\n'
  # readline breaks words at : and =, which stand within ours.
  line=${COMP_LINE:0:COMP_POINT}
  line=${line#*"${COMP_WORDS[0]}"}
  for ((i = 1; i <= COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    [ "$i" -lt "$COMP_CWORD" ] || word=${line#"${line%%[![:space:]]*}"}
    if [[ ${#words[@]} -eq 0 || $line == [[:space:]]* ]]; then
      words+=("$word")
    else
      words[-1]+=$word
    fi
    line=${line#"${line%%[![:space:]]*}"}
    line=${line#"$word"}
  done
  word=${words[-1]}
  unset 'words[-1]'

  # Where it stands: behind which command, with which arguments, behind which option.
  COMPREPLY=()
  _IDENTIFIER_command ''
  for i in "${words[@]}"; do
    if [ -n "$option" ]; then
      option=''
    elif [[ $i == -* && (-z $ends_options || ${#given[@]} -eq 0) ]]; then
      [[ " $options " != *" $i "* ]] || option=$i
    elif [ -n "$commands" ]; then
      [[ " $commands " == *" $i "* ]] || return 0
      command+=" $i"
      _IDENTIFIER_command "$command"
    else
      given+=("$i")
    fi
  done

  if [ -z "$option" ] && [[ $word == --*=* ]]; then
    option=${word%%=*}
    word=${word#*=}
  fi
  if [ -n "$option" ]; then
    _IDENTIFIER_value "$command $option"
  elif [[ $word == -* ]]; then
    [[ -n $ends_options && ${#given[@]} -gt 0 ]] || _IDENTIFIER_words "$flags $options"
  elif [ -n "$commands" ]; then
    _IDENTIFIER_words "$commands"
  else
    _IDENTIFIER_value "$command $((${#given[@]} + 1))"
  fi

  # readline replaces only what is behind the last break.
  if [[ $word == *:* && $COMP_WORDBREAKS == *:* ]]; then COMPREPLY=("${COMPREPLY[@]#"${word%:*}:"}"); fi
}

complete -F _IDENTIFIER PROGRAM
)bash";

// The arguments of _IDENTIFIER_complete; empty for what cannot be completed.
std::string action_for(const Command& program, const Command& command, const CommandOption& option) {
  if (!option.choices.empty()) return "words " + shell_quoted(join(option.choices, " "));
  switch (option.completion) {
    case Completion::kFile:
      return "file " + shell_quoted(option.file_pattern.empty() ? "*" : option.file_pattern);
    case Completion::kFolder:
      return "folder";
    case Completion::kPeerUrl:
      return "url";
    case Completion::kFunction: {
      const std::string list = list_names_command(program);
      const std::size_t place = url_place(command);
      return list.empty() || place == 0 ? "" : "functions " + std::to_string(place) + " " + shell_quoted(list);
    }
    default:
      return {};
  }
}

struct Tables {
  std::string commands;  // cases of _IDENTIFIER_command
  std::string values;    // and of _IDENTIFIER_value
};

void add(const Command& program, const Command& command, const std::string& path, Tables& tables) {
  std::vector<std::string> flags;
  std::vector<std::string> options;
  const auto add_value = [&](const std::string& pattern, const CommandOption& option, const std::string& identifier) {
    const std::string action = action_for(program, command, option);
    if (!action.empty()) tables.values += "    " + pattern + ") " + identifier + "_complete " + action + " ;;\n";
  };
  const std::string identifier = "_" + shell_identifier(program.name);
  for (const CommandOption& option : command.options) {
    (option.is_flag() ? flags : options).push_back(option.name);
    if (option.letter != 0) flags.push_back(std::string("-") + option.letter);
    if (!option.is_flag()) add_value(shell_quoted(path + " " + option.name), option, identifier);
  }
  std::size_t place = 0;
  for (const CommandOption& argument : command.arguments) {
    ++place;
    const std::string pattern = shell_quoted(path + " " + (argument.repeats() ? "" : std::to_string(place)));
    add_value(argument.repeats() ? pattern + "*" : pattern, argument, identifier);
  }
  tables.commands +=
      "    " + shell_quoted(path) + ")\n      commands=" + shell_quoted(join(command.command_names(), " ")) +
      "\n      flags=" + shell_quoted(join(flags, " ")) + "\n      options=" + shell_quoted(join(options, " ")) +
      "\n      ends_options=" + (command.arguments_end_options ? "yes" : "''") + "\n      ;;\n";
  for (const Command& sub : command.commands) add(program, sub, path + " " + sub.name, tables);
}

}  // namespace

std::string bash_completion(const Command& program) {
  Tables tables;
  add(program, program, "", tables);
  std::string text =
      "# bash completion for PROGRAM. Made by `PROGRAM completion bash`.\n\n"
      "# _IDENTIFIER_command PATH: what the command takes.\n"
      "_IDENTIFIER_command() {\n  case $1 in\n" +
      tables.commands +
      "  esac\n}\n\n"
      "# _IDENTIFIER_value PATH OPTION, or PATH PLACE: completes a value.\n"
      "_IDENTIFIER_value() {\n  case $1 in\n" +
      tables.values + "  esac\n}\n" + std::string(kScript);
  replace_all(text, "IDENTIFIER", shell_identifier(program.name));
  replace_all(text, "PROGRAM", program.name);
  return text;
}

}  // namespace onward
