// SPDX-License-Identifier: Apache-2.0
//
// The configuration of `onward node`, a TOML file; docs/CONFIGURATION.md has every key.
//
//   name = "front"                              # required
//   listen = ["tcp://127.0.0.1:7000"]           # URLs; port 0: any free one
//   module_path = ["modules"]                   # folders of modules that are not linked in
//
//   [peers]                                     # whom this node calls: one URL, or several, best first
//   worker-1 = "tcp://127.0.0.1:7001"
//
//   [[modules]]                                 # any number
//   name = "rfc"
//   optional = false                            # true: the node does without, if it cannot be loaded or does not start
//   dst = "worker-1"                            # every other key is an argument of the module
//
//   [tls]  [shm]  [tcp]                         # arguments of the built-in transports
//   [calls]  [pool]  [limits]  [loop]  [connect]  [access]  [reflection]  [log]  [shutdown]
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "onward/log.h"
#include "onward/node.h"

namespace onward {

struct NodeConfig {
  NodeOptions options;  // transports and codecs come from its modules
  LogLevel log_level = LogLevel::kInfo;
  Duration drain = std::chrono::seconds(5);

  // One value, for the comparison of two configurations.
  struct Entry {
    std::string text;
    bool reloads;  // a running node takes a new one
  };
  std::map<std::string, Entry> entries = {};  // by "[pool] threads"
  std::vector<std::string> tls_files = {};    // that are read again on SIGHUP
};

// INVALID_ARGUMENT lists all that is wrong, one line each, "node.toml:12: …", by file and line: what is not TOML,
// unknown keys, with the nearest that is known, wrong types and ranges, missing keys, arguments that modules do not
// take, files that cannot be used. NOT_FOUND, or another code, if the file cannot be read. `linked` are the modules of
// this program; others are loaded, which runs what is in their files.
[[nodiscard]] Result<NodeConfig> load_node_config(const std::string& path,
                                                  std::span<const ModuleDescriptor* const> linked);
// The same of a text; `file` is its name in messages.
[[nodiscard]] Result<NodeConfig> parse_node_config(std::string_view text, const std::string& file,
                                                   std::span<const ModuleDescriptor* const> linked);

}  // namespace onward
