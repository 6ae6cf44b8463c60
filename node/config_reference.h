// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>

#include "onward/module.h"

namespace onward {

// Every key of a node's configuration that is declared, those of `modules` included, with type, default and what it is
// for: Markdown, as it stands in docs/CONFIGURATION.md.
[[nodiscard]] std::string config_reference(std::span<const ModuleDescriptor* const> modules);

}  // namespace onward
