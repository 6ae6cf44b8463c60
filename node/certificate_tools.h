// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "command_line/command.h"
#include "onward/program.h"
#include "onward/status.h"

namespace onward {

// Behind a pointer, so that a program without certificates is not linked with OpenSSL.
struct CertificateTools {
  Command (*command)(const ProgramOptions& program);                    // `certs`
  Result<std::string> (*first_node_name)(const std::string& pem_file);  // see onward/tls/tls_transport.h
};

}  // namespace onward
