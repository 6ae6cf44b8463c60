// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "command_line/document.h"

namespace onward {

// For a terminal, at most 100 columns wide, but for what is verbatim.
[[nodiscard]] std::string help_text(const Document& document);

}  // namespace onward
