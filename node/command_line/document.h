// SPDX-License-Identifier: Apache-2.0
//
// What there is to say about a command, in order: help and manual page are two ways to show it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "command_line/command.h"

namespace onward {

struct Document {
  std::string name;  // "onward certs issue"
  std::string summary;
  std::vector<std::string> usage = {};  // a line for each way to call it
  std::string description = {};
  std::vector<Section> sections = {};
  std::vector<std::string> see_also = {};
};

// Help is short: of many options its usage has only those that are required.
enum class DocumentStyle : std::uint8_t { kHelp, kManual };

// Of the command, or of each command of the group, that is called as `name`.
[[nodiscard]] std::vector<std::string> usage_of(const Command& command, const std::string& name, DocumentStyle style);

[[nodiscard]] Document document_of(const Command& command, const std::string& name, DocumentStyle style);

}  // namespace onward
