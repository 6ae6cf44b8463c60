// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace onward {

struct CertsCommand {
  enum class Verb : std::uint8_t { kInit, kIssue, kRevoke };
  Verb verb = Verb::kInit;
  std::string folder;
  std::vector<std::string> nodes = {};  // to issue for, to revoke
  std::vector<std::string> hosts = {};  // that certificates are for, besides this one
  int days = 0;                         // that they hold; 0: the usual time
  bool renew = false;                   // replace what is there
};

// `onward certs`: a CA for development, its certificates, and the list of those revoked. Says on standard output what
// it has made. Returns the exit code: 0, or 1 with the reason on standard error.
int run_certs(const CertsCommand& command);

}  // namespace onward
