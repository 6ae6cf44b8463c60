// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "command_line/document.h"

namespace onward {

// A page of section 1 in roff, for groff and mandoc. Its name is the document's with dashes: "onward-call". `release`,
// "onward 0.1.0", and `date`, "2025-12-31", stand below it; both may be empty.
[[nodiscard]] std::string manual_page(const Document& document, const std::string& release, const std::string& date);

}  // namespace onward
