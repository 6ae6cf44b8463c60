// SPDX-License-Identifier: Apache-2.0
//
// The command line of a node binary: `onward` itself, or one of your own, which then has the same commands, help,
// manual pages and completion under its own name.
//
//   ONWARD_LINKED_MODULE(greeter);
//   int main(int argc, char** argv) {
//     static constexpr std::array kModules{&onward_module_greeter};
//     return onward::run_program(
//         argc, argv, {.name = "greeter", .version = "1.0", .summary = "a node that greets", .modules = kModules});
//   }
#pragma once

#include <span>
#include <string>

namespace onward {

struct ModuleDescriptor;

struct ProgramOptions {
  std::string name = "onward";  // as it is called, and as its manual page is
  std::string version = {};
  std::string summary = {};  // half a line: what it is
  // That configurations may name. What the span refers to must stay.
  std::span<const ModuleDescriptor* const> modules = {};
};

// Does what the command line says, to its end, and returns the exit code: 2 for a command line that is wrong, with the
// reason on standard error. Once, from main(), before the program has threads. Standard streams that are closed are
// opened to /dev/null. Never throws.
int run_program(int argc, char** argv, const ProgramOptions& options);

}  // namespace onward
