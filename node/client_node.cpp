// SPDX-License-Identifier: Apache-2.0
#include "client_node.h"

#include <unistd.h>

#include "onward/init_rpc.h"
#include "onward/tls/tls_transport.h"

namespace onward {

NodeOptions client_node_options(const std::string& command, const TlsOptions& tls) {
  NodeOptions options;
  // Where the certificate cannot be used, connecting says why.
  options.name = tls.certificate.empty() ? command + "-" + std::to_string(::getpid())
                                         : first_node_name(tls.certificate).value_or(command);
  options.transports = standard_transports({.tls = tls});
  options.codecs = standard_codecs();
  return options;
}

}  // namespace onward
