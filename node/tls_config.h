// SPDX-License-Identifier: Apache-2.0
//
// The table [tls] of a node's configuration.
#pragma once

#include <string>

#include "config_reader.h"
#include "onward/tls/tls_options.h"

namespace onward {

// Paths are relative to the folder of `config_file`. Files that cannot be used are errors, too.
void read_tls(ConfigReader tls, const std::string& config_file, TlsOptions& options);

}  // namespace onward
