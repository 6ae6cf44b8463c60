// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

#include "config_reader.h"
#include "node_config.h"

namespace onward {

// Reads module_path, [[modules]], and the tables of transports and codecs that are `linked`, which every node has;
// checks what they say against what each module declares.
void read_modules(ConfigReader& file, std::span<const ModuleDescriptor* const> linked, NodeConfig& config);

}  // namespace onward
