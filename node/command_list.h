// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "command_line/command.h"
#include "onward/program.h"

namespace onward {

// The commands of every program, in the order of help. Made by Meson from its list: for NAME there is the file
// NAME_command.cpp with a function `Command NAME_command(const ProgramOptions&)`. `certs` is there if the program has
// CertificateTools.
[[nodiscard]] std::vector<Command> standard_commands(const ProgramOptions& program);

// The program itself, with these commands, and all that help, manual pages and completion need.
[[nodiscard]] Command program_command(const ProgramOptions& program);

}  // namespace onward
