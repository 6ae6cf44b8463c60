// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "onward/call.h"
#include "onward/tls/tls_options.h"

namespace onward {

struct CallCommand {
  std::string url;
  std::string function;
  std::vector<std::string> arguments;  // each as json_value.h's parse_argument() takes it
  Duration timeout = std::chrono::seconds(30);
  TlsOptions tls = {};     // with a certificate, the call comes from the node that this is for
  bool json = false;       // print the result on one line of strict JSON
  bool show_time = false;  // say on standard error how long it took
  int repeat = 1;          // so many calls, one after the other; the time is then their median
  bool verbose = false;    // log what happens on the connection
  bool unchecked = false;  // do not ask the node first what the function takes
};

// `onward call`: asks the node what the function takes, checks the arguments, calls from a node of its own, prints the
// (last) result on standard output, or the error, with every node that it passed, on standard error. Returns the exit
// code: 0, 1 if the call failed, 2 for arguments that cannot be sent.
int run_call(const CallCommand& command);

}  // namespace onward
