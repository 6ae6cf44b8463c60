// SPDX-License-Identifier: Apache-2.0
#include "caller.h"

#include <algorithm>
#include <string>

#include "link.h"
#include "node_core.h"
#include "peers.h"
#include "wire.h"

namespace onward {
namespace {

// A connection whose peer does not read takes no further calls beyond this.
constexpr std::size_t kMaxOutputBytes = std::size_t{1} << 30;

std::uint32_t to_milliseconds(Duration timeout) {
  const auto rounded = std::chrono::ceil<std::chrono::milliseconds>(timeout).count();
  return static_cast<std::uint32_t>(std::min<std::int64_t>(rounded, MessageHeader::kNoTimeout - 1));
}

// Whether it says that the peer has no such function: its last hop names none, as nothing was run.
bool is_unknown_function(const Status& status) {
  return status.code() == StatusCode::kUnimplemented && status.message().empty() &&
         (status.trail().empty() || status.trail().back().function.empty());
}

}  // namespace

void OutgoingCall::on_timer() { peer_->core().caller.on_deadline(*this); }
void OutgoingCall::on_cancelled(const Status& reason) noexcept {
  cancel(reason.with_message("the call that it was made in has ended: " + reason.message()));
}
const PeerIdentity& OutgoingCall::answered_by() const noexcept { return link_->identity(); }
void OutgoingCall::cancel(const Status& reason) noexcept {
  const Status why = reason.ok() ? Status(StatusCode::kCancelled, "cancelled") : reason;
  if (peer_ == nullptr) {
    cancelled_ = why.code();
  } else {
    peer_->core().caller.cancel(*this, why);
  }
}

void Caller::start(OutgoingCall& call, Peer& peer, const CallOptions& options, Message&& message) {
  call.peer_ = &peer;
  call.fail_fast_ = options.fail_fast;
  ++in_flight_;
  if (core_.stopped.load(std::memory_order_relaxed)) {
    fail_locally(call, core_.has_shut_down());
    return;
  }
  if (call.cancelled_ != StatusCode::kOk) {
    fail_locally(call, Status(call.cancelled_, "it was cancelled before it was sent"));
    return;
  }
  Duration timeout = options.timeout.value_or(Duration(core_.timeout.load(std::memory_order_relaxed)));
  if (call.context_ || core_.options.trace) {
    if (const Status refused = inherit(call, options.detached, timeout, message); !refused.ok()) {
      fail_locally(call, refused);
      return;
    }
  }
  if (timeout <= Duration::zero()) {
    const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(timeout).count();
    fail_locally(call, Status(StatusCode::kDeadlineExceeded,
                              "its timeout of " + std::to_string(milliseconds) + " ms had passed before it was sent"));
    return;
  }
  if (timeout != kNoTimeout) {
    call.timeout_ms_ = to_milliseconds(timeout);
    core_.loop->arm(call, core_.loop->deadline_in(timeout));
  }
  message.header.timeout_ms = call.timeout_ms_;
  if (Link* link = peer.ready_link(); link != nullptr) {
    send(call, *link, std::move(message));
  } else {
    peer.wait_for_link(call, std::move(message));
  }
}

Status Caller::inherit(OutgoingCall& call, bool detached, Duration& timeout, Message& message) const {
  detail::ContextState* context = call.context_.get();
  const auto inherited = context == nullptr ? nullptr : context->metadata();
  const bool begins_trace = core_.options.trace && (!inherited || !inherited->trace);
  if (inherited || begins_trace) {
    CallMetadata metadata = inherited ? *inherited : CallMetadata{};
    if (begins_trace) metadata.trace = TraceContext::generate();
    if (message.payload.segments.size() >= kMaxSegments) {
      return {StatusCode::kResourceExhausted, "it has " + std::to_string(kMaxSegments) +
                                                  " segments, and a trace or baggage, which is one more: send "
                                                  "fewer large values, or them in one"};
    }
    message.payload.segments.push_back(wire::encode_context(metadata));
    message.header.flags = MessageHeader::kHasContext;
  }
  if (context == nullptr) return {};
  if (detached) {
    call.context_ = {};
    return {};
  }
  if (Status over = context->status(); !over.ok()) return over.with_message("it was not sent: " + over.message());
  if (!context->add_listener(call, detail::ContextState::Interest::kCall)) return context->status();
  if (context->deadline() != TimePoint::max()) timeout = std::min(timeout, context->deadline() - core_.loop->now());
  return {};
}

void Caller::send(OutgoingCall& call, Link& link, Message&& message) {
  Status refused = link.check_size(message.payload);
  if (refused.ok() && !link.knows_codec(message.header.codec)) {
    refused =
        Status(StatusCode::kFailedPrecondition, "the peer does not know codec " + std::to_string(message.header.codec) +
                                                    "; load it there, or name another in CallOptions::codec");
  }
  if (refused.ok() && link.queued_bytes() > kMaxOutputBytes) {
    refused = Status(StatusCode::kResourceExhausted,
                     std::to_string(link.queued_bytes()) + " bytes wait to be sent to it already; it reads too slowly");
  }
  if (!refused.ok()) {
    fail_locally(call, refused);
    return;
  }
  if (message.header.flags != 0 && !link.knows_context()) {
    message.header.flags = 0;
    message.payload.segments.pop_back();
  }
  if (first_free_ == kNoSlot) {
    slots_.push_back({.next_free = kNoSlot});
    first_free_ = static_cast<std::uint32_t>(slots_.size() - 1);
  }
  const std::uint32_t index = first_free_;
  Slot& slot = slots_[index];
  first_free_ = slot.next_free;
  slot.call = &call;
  call.call_id_ = (std::uint64_t{slot.generation} << 32) | index;
  call.link_ = &link;
  call.next_call_ = link.calls;
  call.previous_call_ = &link.calls;
  if (link.calls != nullptr) link.calls->previous_call_ = &call.next_call_;
  link.calls = &call;
  call.request_bytes_ = message.payload.size_bytes();
  link.call_bytes += call.request_bytes_;
  message.header.kind = MessageKind::kRequest;
  message.header.call_id = call.call_id_;
  call.request_end_ = link.send_request(std::move(message));
}

OutgoingCall* Caller::find(const Link& link, std::uint64_t call_id) noexcept {
  const auto index = static_cast<std::uint32_t>(call_id);
  if (index >= slots_.size()) return nullptr;
  const Slot& slot = slots_[index];
  return slot.generation == call_id >> 32 && slot.call != nullptr && slot.call->link_ == &link ? slot.call : nullptr;
}

void Caller::detach(OutgoingCall& call) noexcept {
  core_.loop->disarm(call);
  if (call.listening()) call.context_->remove_listener(call);
  --in_flight_;
  if (call.link_ == nullptr) return;
  const auto index = static_cast<std::uint32_t>(call.call_id_);
  slots_[index] = {.call = nullptr, .generation = slots_[index].generation + 1, .next_free = first_free_};
  first_free_ = index;
  call.link_->call_bytes -= call.request_bytes_;
  *call.previous_call_ = call.next_call_;
  if (call.next_call_ != nullptr) call.next_call_->previous_call_ = call.previous_call_;
}

void Caller::on_response(Link& link, InboundMessage& message) {
  OutgoingCall* call = find(link, message.header.call_id);
  if (call == nullptr) return;
  const Codec* codec = core_.codecs[message.header.codec].get();
  if (codec == nullptr) {
    fail_locally(*call,
                 Status(StatusCode::kInternal, "the answer came in codec " + std::to_string(message.header.codec) +
                                                   ", which this node does not have"));
    return;
  }
  detach(*call);
  call->on_response(*codec, message);
  end(*call);
}

void Caller::on_error(Link& link, InboundMessage& message) {
  OutgoingCall* call = find(link, message.header.call_id);
  if (call == nullptr) return;
  const Result<wire::RemoteError> error = wire::decode_error(message.body);
  if (!error) {
    fail_locally(*call, Status(StatusCode::kInternal, error.error().message()));
    return;
  }
  const Status& status = error->status;
  if (!error->signature.empty()) {
    fail(*call, status.with_message(call->name().name + " is " + error->signature + " at " + link.describe() +
                                    ", but was called as " + call->signature().text +
                                    ": make both sides use one declaration"));
  } else if (is_unknown_function(status)) {
    on_unknown_function(link, *call, status);
  } else {
    fail(*call, status);
  }
}

void Caller::on_unknown_function(const Link& link, OutgoingCall& call, const Status& status) {
  detach(call);
  if (!call.on_unknown_function()) {
    call.on_failure(
        status.with_message("function \"" + call.name().name + "\" is not registered at " + link.describe() +
                            ": check its name, and that the module that has it is in that node's configuration"));
  }
  end(call);
}

void Caller::end(OutgoingCall& call) noexcept {
  call.destroy();
  core_.check_drained();
}

void Caller::fail(OutgoingCall& call, const Status& error) noexcept {
  if (call.link_ == nullptr) call.peer_->forget_waiting(call);
  detach(call);
  call.on_failure(error);
  end(call);
}

void Caller::fail_locally(OutgoingCall& call, const Status& reason) {
  const std::string peer = call.link_ != nullptr ? call.link_->describe() : call.peer_->describe();
  fail(call, reason.with_message("call of " + call.name().name + " at " + peer + ": " +
                                 reason_beside(peer, reason.message())));
}

void Caller::on_deadline(OutgoingCall& call) noexcept {
  std::string text = "no answer within " + std::to_string(call.timeout_ms_) + " ms";
  if (call.link_ == nullptr) {
    if (const std::string trouble = call.peer_->trouble(); !trouble.empty()) text += "; it was never sent: " + trouble;
  }
  cancel(call, Status(StatusCode::kDeadlineExceeded, std::move(text)));
}

void Caller::cancel(OutgoingCall& call, const Status& reason) noexcept {
  if (call.link_ != nullptr) call.link_->send_cancel(call.call_id_, call.request_end_);
  fail_locally(call, reason);
}

}  // namespace onward
