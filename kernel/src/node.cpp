// SPDX-License-Identifier: Apache-2.0
#include "onward/node.h"

#include <string>

#include "node_core.h"

namespace onward {
namespace {

// A call on its way from another thread to the loop.
class StartTask final : public LoopTask {
 public:
  StartTask(NodeCore& core, OutgoingCall& call, const Destination& destination, Message message)
      : core_(core),
        call_(call),
        name_(destination.name()),
        peer_(destination.peer()),
        options_(destination.options()),
        message_(std::move(message)) {}

  void run() noexcept override {
    core_.node.start_call(
        call_, name_.empty() ? Destination(Destination(peer_), options_) : Destination(Destination(name_), options_),
        std::move(message_));
    pool_delete(this);
  }
  void drop() noexcept override {
    const Status reason = core_.has_shut_down();
    call_.on_failure(reason.with_message("call of " + call_.name().name + ": " + reason.message()));
    call_.destroy();
    pool_delete(this);
  }

 private:
  NodeCore& core_;
  OutgoingCall& call_;
  std::string name_;
  PeerHandle peer_;
  CallOptions options_;
  Message message_;
};

}  // namespace

Node::Node(NodeOptions options)
    : core_(std::make_unique<NodeCore>(*this, std::move(options))), handle_(&core_->loop->handle()) {
  LoopHandle::retain(handle_);
}

Node::~Node() {
  core_->stop(Duration::zero());
  core_.reset();
  LoopHandle::release(handle_);
}

FunctionTable& Node::functions() noexcept { return core_->functions; }
const FunctionTable& Node::functions() const noexcept { return core_->functions; }
const std::string& Node::name() const noexcept { return core_->options.name; }
std::vector<Url> Node::listening() const { return core_->listening; }
Pool& Node::pool() noexcept { return *core_->pool; }
Node::Statistics Node::statistics() const { return core_->statistics(); }
std::vector<Node::PeerState> Node::peers() const { return core_->peer_states(); }
std::vector<Node::ModuleState> Node::modules() const { return core_->modules().states(); }
const NodeOptions& Node::options() const noexcept { return core_->options; }

Future<void> Node::add_function(std::unique_ptr<Function> function) {
  Future<void> added(handle_);
  core_->add_function(std::move(function), added);
  return added;
}

Status Node::start() {
  EventLoop::check_may_block("Node::start()");
  if (!core_->begin_start()) {
    return {StatusCode::kFailedPrecondition,
            "node " + name() + " was started before: a Node starts once, make another"};
  }
  Status started = core_->start();
  if (!started.ok()) core_->stop(Duration::zero());
  return started;
}

void Node::stop(Duration drain) {
  EventLoop::check_may_block("Node::stop()");
  core_->stop(drain);
}

Status Node::reload() {
  EventLoop::check_may_block("Node::reload()");
  return core_->reload();
}

Status Node::reload(const NodeOptions& changed) {
  EventLoop::check_may_block("Node::reload()");
  return core_->reload(changed);
}

PeerHandle Node::peer(std::string_view name) { return PeerHandle(core_->peers->find(name)); }

void Node::set_default_timeout(Duration timeout) noexcept { core_->timeout = timeout.count(); }

Result<const Codec*> Node::codec(std::string_view name) const {
  if (name.empty() && core_->default_codec != nullptr) return core_->default_codec;
  const std::string_view wanted = name.empty() ? std::string_view(core_->options.codec) : name;
  std::string known;
  for (const auto& codec : core_->options.codecs) {
    if (codec->name() == wanted) return codec.get();
    known += (known.empty() ? "" : ", ") + std::string(codec->name());
  }
  return fail(StatusCode::kFailedPrecondition, "node " + core_->options.name + " has no codec \"" +
                                                   std::string(wanted) + "\", only " +
                                                   (known.empty() ? "none" : known));
}

void Node::start_call(OutgoingCall& call, const Destination& destination, Message&& message) noexcept {
  if (!handle_->in_loop_thread()) {
    handle_->schedule(*pool_new<StartTask>(*core_, call, destination, std::move(message)));
    return;
  }
  Peer* peer = destination.peer().peer_;
  if (peer == nullptr) peer = core_->peers->find(destination.name());
  core_->caller.start(call, *peer, destination.options(), std::move(message));
}

Node* Node::current() noexcept {
  LoopHandle* handle = LoopHandle::current();
  return handle == nullptr ? nullptr : handle->owner();
}

Pool& pool() {
  if (Node* node = Node::current(); node != nullptr) return node->pool();
  throw RpcError(StatusCode::kFailedPrecondition,
                 "pool() was called on a thread that belongs to no node: call it from a function of a node, or ask the "
                 "Node itself for its pool()");
}

Result<const FunctionName*> Node::name_of(const void* address) const {
  const Function* function = core_->functions.find_address(address);
  if (function != nullptr) return &function->name();
  return fail(StatusCode::kFailedPrecondition, "this function is not registered at node " + name() +
                                                   ", so its name is not known: register it (the module that has it), "
                                                   "or call it by remote<R(Args...)>(\"name\")");
}

}  // namespace onward
