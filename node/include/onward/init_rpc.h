// SPDX-License-Identifier: Apache-2.0
//
// Onward with everything that is built in, for programs that are not node binaries:
//
//   init_rpc({.name = "client", .peers = {{"b", {"tcp://127.0.0.1:7000"}}}});
//   int five = rpc_sync("b", my_add_2, 2, 3);
//   shutdown();
#pragma once

#include <memory>
#include <vector>

#include "onward/combinators.h"  // IWYU pragma: export
#include "onward/rpc.h"          // IWYU pragma: export

namespace onward {

// The transports tcp, unix and inproc; the codecs flex, flatbuffers and raw.
[[nodiscard]] std::vector<TransportFactory> standard_transports();
[[nodiscard]] std::vector<std::shared_ptr<const Codec>> standard_codecs();

// Starts the process's node, which rpc_sync() and rpc_async() use on threads that belong to no other.
// Where `options` names no transports or codecs, the standard ones are taken. Throws RpcError: with what
// failed, or FAILED_PRECONDITION if the process has a node already. Threads: not while shutdown() runs.
Node& init_rpc(NodeOptions options);

// Stops the process's node as Node::stop() does: calls in flight finish or fail at `drain`. Calls made
// afterwards fail at once. Without a node, or a second time, it does nothing.
void shutdown(Duration drain = std::chrono::seconds(5));

}  // namespace onward
