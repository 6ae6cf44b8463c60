// SPDX-License-Identifier: Apache-2.0
//
// The keys of a node's configuration, from their declarations, for the help and the manual page of `onward node`.
#pragma once

#include <span>
#include <vector>

#include "command_line/command.h"
#include "onward/module.h"

namespace onward {

// Each table with the names of its keys; of `modules`, those of transports and codecs.
[[nodiscard]] std::vector<Definition> config_tables_in_brief(std::span<const ModuleDescriptor* const> modules);

// Each key, with what it is for, what it may be and its default; those of `modules`, too.
[[nodiscard]] std::vector<Definition> config_keys(std::span<const ModuleDescriptor* const> modules);

}  // namespace onward
