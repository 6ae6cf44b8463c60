// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string_view>

namespace onward {

// A file of node/templates/, as it was when the program was built.
struct ProjectTemplate {
  std::string_view kind;  // "module", "node", or "both"
  std::string_view file;  // "NAME_module.cpp": NAME stands for the project's
  std::string_view text;  // with {{name}}, {{Name}} and {{onward}}
};

[[nodiscard]] std::span<const ProjectTemplate> project_templates() noexcept;

}  // namespace onward
