// SPDX-License-Identifier: Apache-2.0
//
// The node that a command calls other nodes from.
#pragma once

#include <string>

#include "onward/node.h"
#include "onward/tls/tls_options.h"

namespace onward {

// With the standard transports and codecs. With a certificate it is the node that this is for; else "COMMAND-PID".
[[nodiscard]] NodeOptions client_node_options(const std::string& command, const TlsOptions& tls);

}  // namespace onward
