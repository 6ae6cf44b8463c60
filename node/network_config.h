// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "config_reader.h"
#include "onward/node.h"

namespace onward {

// Reads listen, [peers] and [access]; URLs are checked by the transports of `options.modules`.
void read_network(ConfigReader& file, NodeOptions& options);

}  // namespace onward
