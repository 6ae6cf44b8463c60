// SPDX-License-Identifier: Apache-2.0
#include "call.h"

#include <algorithm>
#include <utility>

#include "handler.h"
#include "node_state.h"
#include "onward/rpc.h"
#include "pickle_codec.h"

namespace onward::python {
namespace {

// Of the node that the call was made by; on any thread, with the GIL.
void cancel_call(FutureCore& core) {
  Node* node = NodeState::node();
  if (node == nullptr) return;
  node->loop().post([ref = CoreRef::share(core)] {
    const Status reason(StatusCode::kCancelled, "it was cancelled");
    if (ref->call != nullptr) {
      ref->call->cancel(reason);
    } else {
      ref->fail(reason);  // the peer is asked to look for the function
    }
  });
}

}  // namespace

std::atomic<std::size_t> PyCall::under_way_{0};

PyCall::PyCall(Node& node, const FunctionName& name, CoreRef core, CallRequest request)
    : OutgoingCall(name, any_signature()), node_(node), core_(std::move(core)), request_(std::move(request)) {
  core_->call = this;
  core_->set_cancel(&cancel_call);
  if (counts()) under_way_.fetch_add(1, std::memory_order_relaxed);
}

bool PyCall::counts() const noexcept {
  static const FunctionName& stay = FunctionName::intern(kStay);
  return &name() != &stay;
}

void PyCall::end() noexcept {
  core_->call = nullptr;
  if (counts()) under_way_.fetch_sub(1, std::memory_order_relaxed);
}

void PyCall::start(Destination::Origin origin) {
  Message message;
  message.payload = request_.payload;
  message.header.codec = request_.codec;
  message.header.function_id = name().id;
  node_.start_call(*this, to(Destination(request_.peer, origin), request_.options), std::move(message));
}

void PyCall::on_response(const Codec& codec, InboundMessage& message) noexcept {
  end();
  if (const Status refused = check_pickle(codec, is_pickle(codec) ? &answered_by() : nullptr); !refused.ok()) {
    core_->fail(refused.with_message("the answer of " + name().name + ": " + refused.message()));
    return;
  }
  core_->complete(RawValue::keep(codec, message));
}

void PyCall::on_failure(const Status& error) noexcept {
  end();
  core_->fail(error);
}

// A plain function that nobody has registered is known to a Python node once it was asked to look for it.
bool PyCall::on_unknown_function() noexcept {
  if (std::exchange(request_.asked, true) || name().name == kResolve) return false;
  end();
  CallRequest again = std::move(request_);
  if (again.deadline != TimePoint::max()) again.options.timeout = again.deadline - node_.loop().now();
  const CallContext context = again.context;
  const ContextScope scope(context);
  static const Remote<void(std::string)> resolve{kResolve};
  rpc_async(node_, to(Destination(again.peer), again.options), resolve, name().name)
      .on_done([&node = node_, &name = name(), core = core_,
                again = std::move(again)](const Result<std::monostate>& found) mutable {
        if (!core->pending()) return;
        if (found) {
          const ContextScope inner(again.context);
          pool_new<PyCall>(node, name, std::move(core), std::move(again))->start();
          return;
        }
        const Status& error = found.error();
        core->fail(error.code() != StatusCode::kUnimplemented
                       ? error
                       : Status(StatusCode::kUnimplemented,
                                "function \"" + name.name + "\" is not registered at " + again.peer_name +
                                    ", which is no Python node that could look for it: check its name, and that the "
                                    "module that has it is in that node's configuration"));
      });
  return true;
}

void PyCall::destroy() noexcept { pool_delete(this); }

}  // namespace onward::python
