// SPDX-License-Identifier: Apache-2.0
//
// Scripts that complete a program's command lines. Each holds all declarations, so that nothing runs while somebody
// types; only for names of functions does it ask the node that is meant, through the program's command
// `list --names PEER_URL`, where it has one, and stays silent if that fails.
#pragma once

#include <string>
#include <vector>

#include "command_line/command.h"

namespace onward {

// To be sourced by bash, 4.4 or later; needs nothing else, though it fits the package bash-completion.
[[nodiscard]] std::string bash_completion(const Command& program);

// To be sourced by zsh behind compinit, or put as _PROGRAM into a folder of $fpath.
[[nodiscard]] std::string zsh_completion(const Command& program);

// For both of them. "onward" for "onward", "my_node" for "my-node".
[[nodiscard]] std::string shell_identifier(const std::string& program);
// 'it'\''s'
[[nodiscard]] std::string shell_quoted(const std::string& text);
// "list --names --timeout 2", or empty where the program cannot say which functions a node has.
[[nodiscard]] std::string list_names_command(const Command& program);
// The place, from 1 on, of the argument that is a URL, whose functions another may be; 0 if there is none.
[[nodiscard]] std::size_t url_place(const Command& command);

}  // namespace onward
