// SPDX-License-Identifier: Apache-2.0
#include <memory>

#include "command_line/completion.h"
#include "command_list.h"
#include "print_output.h"

namespace onward {

// `onward completion`: prints a script.
Command completion_command(const ProgramOptions& /*program*/) {
  const auto shell = std::make_shared<std::string>();
  Command command{.name = "completion", .summary = "print a completion script for a shell"};
  command.prose.description =
      "Prints a script for the shell: with it, the TAB key completes commands, options, their values, and names of "
      "files. An installation has it where shells look for it.";
  command.prose.exit_status = {{"0", "printed"}, {"1", "it could not be printed"}, {"2", "wrong usage"}};
  command.prose.examples = R"(For a shell that runs, or in its start-up file, behind `compinit` where that is zsh:

  source <({program} completion bash)
  source <({program} completion zsh)

For all shells of a user:

  {program} completion bash > ~/.local/share/bash-completion/completions/{program}
  {program} completion zsh > ~/.zfunc/_{program}     # a folder of $fpath)";
  command.argument("SHELL", *shell, "whose script it is").one_of({"bash", "zsh"});
  command.run = [shell](const Invocation& called) {
    return print_output(*shell == "bash" ? bash_completion(called.program) : zsh_completion(called.program),
                        called.called_as);
  };
  return command;
}

}  // namespace onward
