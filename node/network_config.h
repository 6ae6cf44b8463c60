// SPDX-License-Identifier: Apache-2.0
//
// The part of a node's configuration that says whom it talks with: where it listens, whom it calls, who may call
// what, and the transports' own tables.
#pragma once

#include "config_reader.h"
#include "onward/init_rpc.h"
#include "onward/node.h"

namespace onward {

//   [shm]  ring_bytes = 262144  payload_bytes = 268435456  users = []
void read_transports(ConfigReader& file, TransportOptions& transports);

//   listen = ["tcp://127.0.0.1:7000", { url = "tls://*:7001", allow = ["front"], insecure = false }]
//   [peers]   worker = "tcp://127.0.0.1:7001"  or  [URL, …]
//   [access]  "rfc.*" = ["front", "ops-*"]
// Into `options`, whose transports say what is wrong with a URL.
void read_network(ConfigReader& file, NodeOptions& options);

}  // namespace onward
