// SPDX-License-Identifier: Apache-2.0
//
// The node that a command calls other nodes from.
#pragma once

#include <string>

#include "onward/node.h"
#include "onward/program.h"
#include "onward/tls/tls_options.h"

namespace onward {

// With the program's transports and codecs; a transport that it does not have is loaded from the module that is named
// like the scheme of `url`. With a certificate it is the node that this is for; else "COMMAND-PID". FAILED_PRECONDITION
// for such a module that cannot be used.
[[nodiscard]] Result<NodeOptions> client_node_options(const std::string& command, const ProgramOptions& program,
                                                      const Url& url, const TlsOptions& tls);

}  // namespace onward
