// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "onward/call.h"
#include "onward/tls/tls_options.h"

namespace onward {

struct ListCommand {
  std::string url;
  std::string function;  // empty: all
  Duration timeout = std::chrono::seconds(30);
  TlsOptions tls = {};  // with a certificate, the node that this is for asks
  bool json = false;    // print all that the node answered, on one line of strict JSON
  bool names = false;   // print the functions' names alone, one a line
};

// `onward list`: asks a node what it is and which functions the caller may call there, and prints that on standard
// output. Returns the exit code: 0, 1 if the node could not be asked or has no such function, 2 for a wrong URL.
int run_list(const ListCommand& command);

}  // namespace onward
