// SPDX-License-Identifier: Apache-2.0
#include "onward/init_rpc.h"

#include <mutex>

#include "onward/flatbuffers/flatbuffers_codec.h"
#include "onward/flex/flex_codec.h"
#include "onward/inproc/inproc_transport.h"
#include "onward/raw/raw_codec.h"
#include "onward/tcp/tcp_transport.h"
#include "onward/tls/tls_transport.h"
#include "onward/unix/unix_transport.h"

namespace onward {
namespace {

// Nodes that have ended are kept: another thread may be about to call through one, and is then told so.
struct ProcessNode {
  std::mutex mutex;
  std::vector<std::unique_ptr<Node>> nodes;
  Node* running = nullptr;

  static ProcessNode& instance() {
    static auto* process = new ProcessNode;
    return *process;
  }
};

}  // namespace

std::vector<TransportFactory> standard_transports(const TransportOptions& options) {
  return {[tcp = options.tcp](EventLoop& loop, const MessageLimits& limits) {
            return make_tcp_transport(loop, limits, tcp);
          },
          [tcp = options.tcp, tls = options.tls](EventLoop& loop, const MessageLimits& limits) {
            return make_tls_transport(loop, limits, tls, tcp);
          },
          [](EventLoop& loop, const MessageLimits& limits) { return make_unix_transport(loop, limits); },
          [shm = options.shm](EventLoop& loop, const MessageLimits& limits) {
            return make_shm_transport(loop, limits, shm);
          },
          [](EventLoop& loop, const MessageLimits& limits) { return make_inproc_transport(loop, limits); }};
}

std::vector<std::shared_ptr<const Codec>> standard_codecs() {
  return {make_flex_codec(), make_flatbuffers_codec(), make_raw_codec()};
}

Node& init_rpc(NodeOptions options, const std::function<void(FunctionTable&)>& register_functions) {
  EventLoop::check_may_block("init_rpc()");
  ProcessNode& process = ProcessNode::instance();
  const std::lock_guard lock(process.mutex);
  if (process.running != nullptr) {
    throw RpcError(StatusCode::kFailedPrecondition, "init_rpc(): this process has node \"" + process.running->name() +
                                                        "\" already; call shutdown() first");
  }
  if (options.transports.empty()) options.transports = standard_transports();
  if (options.codecs.empty()) options.codecs = standard_codecs();
  auto node = std::make_unique<Node>(std::move(options));
  if (register_functions) register_functions(node->functions());
  node->start().throw_if_error();
  process.running = node.get();
  LoopHandle::set_process_default(&node->loop());
  process.nodes.push_back(std::move(node));
  return *process.running;
}

void shutdown(Duration drain) {
  ProcessNode& process = ProcessNode::instance();
  const std::lock_guard lock(process.mutex);
  if (process.running == nullptr) return;
  process.running->stop(drain);
  process.running = nullptr;
}

}  // namespace onward
