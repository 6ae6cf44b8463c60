// SPDX-License-Identifier: Apache-2.0
//
// Onward with everything that is built in, for programs that are not node binaries:
//
//   init_rpc({.name = "client", .peers = {{"b", {"tcp://127.0.0.1:7000"}}}},
//            [](FunctionTable& functions) { functions.add("my_add_2", my_add_2).throw_if_error(); });
//   int five = rpc_sync("b", my_add_2, 2, 3);
//   shutdown();
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "onward/combinators.h"  // IWYU pragma: export
#include "onward/export.h"
#include "onward/rpc.h"  // IWYU pragma: export
#include "onward/shm/shm_transport.h"
#include "onward/stream/tcp_options.h"
#include "onward/tls/tls_options.h"

namespace onward {

// What the standard transports are made with.
struct TransportOptions {
  TcpOptions tcp = {};
  TlsOptions tls = {};
  ShmOptions shm = {};
};

// The transports tcp, tls, unix, shm and inproc; the codecs flex, flatbuffers and raw.
[[nodiscard]] ONWARD_API std::vector<TransportFactory> standard_transports(const TransportOptions& options = {});
[[nodiscard]] ONWARD_API std::vector<std::shared_ptr<const Codec>> standard_codecs();

// Starts the process's node, which rpc_sync() and rpc_async() use on threads that belong to no other.
// `register_functions` is called before it starts, with the functions that it serves; one that is called by itself
// rather than by a Remote is registered here too, as its name comes from there.
// Where `options` names no transports or codecs, the standard ones are taken. Throws RpcError: with what
// failed, or FAILED_PRECONDITION if the process has a node already. Threads: not while shutdown() runs.
ONWARD_API Node& init_rpc(NodeOptions options, const std::function<void(FunctionTable&)>& register_functions = {});

// Stops the process's node as Node::stop() does: calls in flight finish or fail at `drain`. Calls made
// afterwards fail at once. Without a node, or a second time, it does nothing.
ONWARD_API void shutdown(Duration drain = std::chrono::seconds(5));

}  // namespace onward
