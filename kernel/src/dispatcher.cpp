// SPDX-License-Identifier: Apache-2.0
//
// Calls that come in: the part of Link that finds the function, and sends what it answers.
#include <string>

#include "link.h"
#include "node_core.h"

namespace onward {

void Link::on_request(InboundMessage& message) {
  const MessageHeader& header = message.header;
  if (is_overloaded()) {
    refuse(header.call_id, nullptr, Status(StatusCode::kResourceExhausted, "the caller reads its answers too slowly"));
    return;
  }
  const Function* function = last_function_;
  if (function == nullptr || function->name().id != header.function_id) {
    function = find_function(header);
    if (function == nullptr) return;
    last_function_ = function;
  }
  const auto refuse_with = [&](StatusCode code, std::string text) {
    refuse(header.call_id, &function->name(), Status(code, std::move(text)));
  };
  const Codec* codec = core_.codecs[header.codec].get();
  if (codec == nullptr) {
    refuse_with(StatusCode::kUnimplemented, "codec " + std::to_string(header.codec) + " is not loaded in this node");
    return;
  }
  if (header.signature != 0 && header.signature != function->signature().hash) {
    refuse(header.call_id, &function->name(), Status(StatusCode::kInvalidArgument, "the signatures differ"),
           function->signature().text);
    return;
  }
  if (drain_ == Drain::kAcknowledged || core_.stopped.load(std::memory_order_relaxed)) {
    refuse_with(StatusCode::kUnavailable, core_.draining ? "the node is shutting down; the call has not begun"
                                                         : "the connection takes no more calls; this has not begun");
    return;
  }
  if (requests_in_flight >= core_.options.per_connection.max_in_flight) {
    refuse_with(StatusCode::kResourceExhausted, std::to_string(requests_in_flight) +
                                                    " requests of this connection are unanswered, which is the limit "
                                                    "(limits.max_in_flight)");
    return;
  }
  if (header.timeout_ms == 0) {
    refuse_with(StatusCode::kDeadlineExceeded, "its time was over when it arrived");
    return;
  }
  detail::LazyContext context{.origin = *origin_,
                              .deadline = header.timeout_ms == MessageHeader::kNoTimeout
                                              ? TimePoint::max()
                                              : core_.loop->now() + std::chrono::milliseconds(header.timeout_ms),
                              .activity = &function->name(),
                              .tag = header.codec};
  if (header.flags != 0 && !take_metadata(message, context.metadata)) return;
  IncomingCall call{.sink = *this, .codec = *codec, .message = message, .pool = *core_.pool};
  ++requests_in_flight;
  const detail::CurrentContext scope(context);
  function->invoke(call);
  core_.loop->callback_done(&function->name());
}

bool Link::take_metadata(InboundMessage& message, std::shared_ptr<const CallMetadata>& metadata) {
  Result<CallMetadata> read = wire::decode_context(message.segments.back().bytes());
  message.segments = message.segments.first(message.segments.size() - 1);
  if (read) {
    metadata = std::make_shared<const CallMetadata>(std::move(*read));
    return true;
  }
  refuse(message.header.call_id, nullptr, read.error());
  return false;
}

bool Link::park(detail::ParkedReply& reply) noexcept {
  if (parked_.insert(reply)) return true;
  connection_->abort(Status(StatusCode::kInvalidArgument, "it has sent a second request with the call id " +
                                                              std::to_string(reply.call_id()) +
                                                              " before the first was answered"));
  return false;
}

void Link::unpark(detail::ParkedReply& reply, Unpark how) noexcept {
  if (parked_.find(reply.call_id()) == &reply) parked_.erase(reply);
  if (how == Unpark::kUnanswered) finish_request();
}

const Codec& Link::codec(std::uint8_t id) const noexcept { return *core_.codecs[id]; }

void Link::abandon_parked(const Status& reason) const noexcept {
  parked_.for_each([&](detail::ParkedReply& reply) { reply.abandon(reason); });
}

// One that the peer may call; else null, and the peer has been told.
const Function* Link::find_function(const MessageHeader& header) {
  const Function* function = core_.functions.find(header.function_id);
  const FunctionName& describe = core_.reflection.name();
  if (function == nullptr && header.function_id == describe.id) {
    if (!core_.options.reflection) {
      refuse(header.call_id, &describe, Status(StatusCode::kUnimplemented, "reflection is switched off at this node"));
      return nullptr;
    }
    function = &core_.reflection;
  }
  if (function == nullptr) {
    // Without a message: the caller knows the name.
    refuse(header.call_id, nullptr, Status(StatusCode::kUnimplemented, ""));
    return nullptr;
  }
  if (may_call(*function)) return function;
  const std::string& who = origin_->caller()->identity.name();
  const std::string& name = function->name().name;
  core_.log(LogLevel::kWarning, "refused " + who + " (" + description_ + ") the function " + name);
  refuse(header.call_id, &function->name(),
         Status(StatusCode::kPermissionDenied,
                who + " may not call " + name + " here: the node's configuration says who may"));
  return nullptr;
}

bool Link::may_call(const Function& function) {
  const PeerIdentity& who = origin_->caller()->identity;
  if ((core_.options.access.empty() && listener_ == nullptr) || allowed_.contains(&function)) return true;
  if (who.name() == "self" && !who.names_nodes) return true;
  if (listener_ != nullptr && !matches_any(listener_->allow, who)) return false;
  if (!core_.options.access.allows(function.name().name, who)) return false;
  allowed_.insert(&function);
  return true;
}

void Link::send_result(std::uint64_t call_id, const Codec& codec, const Function& function,
                       FunctionRef<void(Encoder&)> write) {
  Message message;
  Status encoded;
  try {
    encoded = codec.encode(write, message.payload);
  } catch (...) {
    encoded = status_from_current_exception();
  }
  if (encoded.ok() && state_ != State::kClosed) encoded = check_size(message.payload);
  if (!encoded.ok()) {
    send_error(call_id, function,
               encoded.with_message("the result of " + function.name().name + " cannot be sent: " + encoded.message()));
    return;
  }
  message.header.kind = MessageKind::kResponse;
  message.header.codec = codec.id();
  message.header.call_id = call_id;
  connection_->send(std::move(message));
  hold_back();
  finish_request();
}

void Link::send_error(std::uint64_t call_id, const Function& function, const Status& error) {
  refuse(call_id, &function.name(), error);
  finish_request();
}

void Link::refuse(std::uint64_t call_id, const FunctionName* name, const Status& error, const std::string& signature) {
  const Status& failure = error.ok() ? Status(StatusCode::kInternal, "failed with a status of OK") : error;
  const Status status =
      failure.with_hop({core_.options.name, name == nullptr ? std::string() : name->name, failure.hop_message()});
  Message message = wire::encode_error(call_id, status, signature);
  // The peer would close the connection over one that it does not accept.
  const auto too_large = [&] { return message.payload.body.size() > max_body_bytes_; };
  if (too_large() && !status.detail_bytes().empty()) {
    const std::string limit = "the peer accepts errors of " + std::to_string(max_body_bytes_) + " bytes";
    message = wire::encode_error(call_id, status.without_detail(status.detail_type(), limit), signature);
  }
  if (too_large()) {
    const Status cut = Status(status.code(), status.message().substr(0, max_body_bytes_ / 2));
    message = wire::encode_error(call_id, cut.with_type(status.type().substr(0, max_body_bytes_ / 8)));
  }
  connection_->send(std::move(message));
  hold_back();
}

void Link::finish_request() noexcept {
  --requests_in_flight;
  core_.check_drained();
}

// A peer that does not read its answers is not read from either, unless it owes us some: two busy peers
// would wait for each other.
void Link::hold_back() {
  if (paused_ || calls != nullptr || connection_->queued_bytes() <= core_.options.limits.output_high_bytes) return;
  paused_ = true;
  connection_->pause();
}

// Such a peer that owes us an answer is read from all the same, and told no. It is let go when it goes on.
bool Link::is_overloaded() {
  // Requests of our own may be queued as well, which is not the peer's fault.
  if (connection_->queued_bytes() <= kOverloadFactor * core_.options.limits.output_high_bytes + call_bytes)
    return false;
  if (++shed_ == kMaxShed) {
    connection_->abort(Status(StatusCode::kResourceExhausted, "it does not read its answers, and has sent " +
                                                                  std::to_string(shed_) + " requests more"));
  }
  return true;
}

void Link::on_drained() {
  shed_ = 0;
  if (paused_) read_on();
}

void Link::read_on() {
  paused_ = false;
  connection_->resume();
}

}  // namespace onward
