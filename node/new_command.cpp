// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <memory>
#include <string>

#include "command_list.h"
#include "nearest.h"
#include "new_project.h"
#include "onward/module.h"
#include "onward/module_library.h"
#include "print_output.h"

namespace onward {
namespace {

std::vector<Definition> new_exit_status() {
  return {{"0", "made"}, {"1", "it could not be made; the reason is on standard error"}, {"2", "wrong usage"}};
}

std::vector<std::string> modules_of(const ProgramOptions& program) {
  std::vector<std::string> names;
  names.reserve(program.modules.size());
  for (const ModuleDescriptor* module : program.modules) names.emplace_back(module->name());
  return names;
}

// What to type now.
std::string next_steps(const NewProject& project, const std::string& program) {
  const bool is_node = project.kind == ProjectKind::kNode;
  const std::string runs = is_node ? "build/" + project.name : program;
  return "Next:\n  cd " + project.name + "\n  meson setup build\n  meson compile -C build\n  meson test -C build\n  " +
         runs + " node --config node.toml &\n  " + runs + " call tcp://127.0.0.1:7000 " + project.name +
         ".greet '\"Ada\"'\n";
}

int create(const NewProject& project, const Invocation& called) {
  const auto files = create_project(project, ".");
  if (!files) {
    std::fprintf(stderr, "%s: %s\n", called.called_as.c_str(), files.error().message().c_str());
    return files.error().code() == StatusCode::kInvalidArgument ? kWrongUsage : kFailed;
  }
  return print_output(
      "made " + project.name + " with " + join(*files) + "\n" + next_steps(project, called.program.name),
      called.called_as);
}

Command kind_command(ProjectKind kind, const ProgramOptions& program) {
  const bool is_node = kind == ProjectKind::kNode;
  const auto project = std::make_shared<NewProject>(NewProject{.kind = kind, .name = {}, .taken = modules_of(program)});
  Command command{.name = is_node ? "node" : "module",
                  .summary = is_node ? "a node binary of your own, with a module" : "a module that nodes load"};
  command.prose.description =
      std::string("Makes the folder NAME, and in it ") +
      (is_node ? "a program that is a node and has a module, its test and a configuration"
               : "a module, its test and the configuration of a node that loads it") +
      ": a project for Meson that builds, passes its tests and runs as it is. Prints the commands for that. What is "
      "there already is left alone.";
  command.prose.exit_status = new_exit_status();
  command.prose.examples = std::string("  {program} new ") + (is_node ? "node" : "module") + " greeter";
  command.prose.see_also = {"{program} node", "{program} call"};
  command.argument("NAME", project->name, "small letters, digits and underscores");
  command.run = [project](const Invocation& called) { return create(*project, called); };
  return command;
}

}  // namespace

// `onward new`: what a project begins with.
Command new_command(const ProgramOptions& program) {
  Command command{.name = "new", .summary = "begin a project: a module, or a node of your own"};
  command.prose.description = "Writes a small project that builds, passes its tests and runs as it is.";
  command.prose.exit_status = new_exit_status();
  command.prose.examples = R"(  {program} new module greeter
  {program} new node greeter)";
  command.prose.see_also = {"{program} node"};
  command.commands = {kind_command(ProjectKind::kModule, program), kind_command(ProjectKind::kNode, program)};
  return command;
}

}  // namespace onward
