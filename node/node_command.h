// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace onward {

// `onward node`: runs the node that the file describes until SIGTERM or SIGINT, then drains it; a second signal ends
// the process at once. SIGHUP has it read its certificates again. When the node answers, one line goes to standard
// output: "ready NAME URL…". Returns the exit code: 0 after a drain, 1 if the node cannot start, 2 if the configuration
// is wrong.
int run_node(const std::string& config_path);

// `onward node --check`: does all of that but listen, and says whether it worked. The same exit codes.
int check_node(const std::string& config_path);

}  // namespace onward
