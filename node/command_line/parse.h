// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <vector>

#include "command_line/command.h"

namespace onward {

struct ParsedLine {
  enum class Wanted : std::uint8_t { kRun, kHelp, kVersion };
  Wanted wanted = Wanted::kRun;
  const Command* command = nullptr;  // of the declarations; for kRun, its targets are set
  std::string called_as;             // "onward certs issue"
};

struct UsageError {
  std::string called_as;  // as far as commands were understood
  std::string message;    // what is wrong, and what may have been meant
};

// Takes the words behind the program's name apart. `program` has its complete_declarations(). Reads the environment.
[[nodiscard]] std::expected<ParsedLine, UsageError> parse_command_line(const Command& program,
                                                                       const std::vector<std::string>& words);

}  // namespace onward
