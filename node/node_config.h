// SPDX-License-Identifier: Apache-2.0
//
// The configuration of `onward node`, a TOML file:
//
//   name = "front"                              # required
//   listen = ["tcp://127.0.0.1:7000"]           # URLs; port 0: any free one
//   codec = "flex"                              # of calls that name none
//
//   [peers]                                     # whom this node calls: one URL, or several, best first
//   worker-1 = "tcp://127.0.0.1:7001"
//
//   [[modules]]                                 # any number, started in this order
//   name = "rfc"
//   dst = "worker-1"                            # every other key is an argument of the module
//
//   [calls]      timeout_ms = 30000             # of calls that set none; "none": they wait for ever
//   [pool]       threads = 4  queue_limit = 4096
//   [limits]     max_body_bytes  max_message_bytes  output_high_bytes  output_low_bytes
//                max_in_flight  max_waiting_calls
//   [loop]       busy_poll_us = 0  slow_callback_ms = 100
//   [connect]    backoff_ms = 50  backoff_max_ms = 5000
//   [tls]        certificate  key  ca  crl  min_version = "1.3"  peer_certificates = "required"
//   [log]        level = "info"
//   [shutdown]   drain_ms = 5000                # how long calls in flight may take to finish
#pragma once

#include <string>
#include <string_view>

#include "onward/init_rpc.h"
#include "onward/log.h"

namespace onward {

struct NodeConfig {
  NodeOptions options;  // with the standard transports and codecs
  TransportOptions transports;
  LogLevel log_level = LogLevel::kInfo;
  Duration drain = std::chrono::seconds(5);
};

// INVALID_ARGUMENT lists all that is wrong, one line each, "node.toml:12: …", in the order of the file: what is not
// TOML, unknown keys, with the nearest that is known, wrong types and ranges, missing keys, unknown modules. The
// arguments of modules are checked by the modules when they start. NOT_FOUND, or another code, if the file cannot be
// read.
[[nodiscard]] Result<NodeConfig> load_node_config(const std::string& path);
// The same of a text; `file` is its name in messages.
[[nodiscard]] Result<NodeConfig> parse_node_config(std::string_view text, const std::string& file);

}  // namespace onward
