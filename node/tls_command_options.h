// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "command_line/command.h"
#include "onward/program.h"
#include "onward/tls/tls_options.h"

namespace onward {

// --tls-ca, --tls-cert and --tls-key, of a command that connects to a node: who that must be, and who asks. `tls` must
// live as long as the command. None, if the program has no CertificateTools.
void add_tls_options(Command& command, const ProgramOptions& program, TlsOptions& tls);

}  // namespace onward
