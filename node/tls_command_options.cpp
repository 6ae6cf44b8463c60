// SPDX-License-Identifier: Apache-2.0
#include "tls_command_options.h"

namespace onward {

void add_tls_options(Command& command, const ProgramOptions& program, TlsOptions& tls) {
  if (program.certificates == nullptr) return;
  command.option("--tls-ca", "FILE", tls.ca, "for tls:// URLs: the CA that the node's certificate is from")
      .file()
      .from_variable("ONWARD_TLS_CA");
  command.option("--tls-cert", "FILE", tls.certificate, "the certificate to show; the call comes from its node")
      .file()
      .from_variable("ONWARD_TLS_CERT");
  command.option("--tls-key", "FILE", tls.key, "the certificate's key").file().from_variable("ONWARD_TLS_KEY");
}

}  // namespace onward
