// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace onward {

// Writes `text` to standard output, all of it. Returns the exit code: 0, or 1 with the reason on standard error, behind
// `called_as`.
int print_output(const std::string& text, const std::string& called_as);

}  // namespace onward
