// SPDX-License-Identifier: Apache-2.0
//
// Calls that come in: the part of Link that finds the function, and sends what it answers.
#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "link.h"
#include "node_core.h"

namespace onward {
namespace {

Status answers_too_slowly() { return {StatusCode::kResourceExhausted, "the caller reads its answers too slowly"}; }

std::uint32_t permit_bytes(const InboundMessage& message) noexcept {
  std::uint64_t bytes = sizeof message.header + message.body.size();
  for (const Buffer& segment : message.segments) bytes += segment.size();
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(bytes, std::numeric_limits<std::uint32_t>::max()));
}

}  // namespace

inline bool Link::is_for_last_function(const MessageHeader& header) const noexcept {
  const Function* function = last_function_;
  return function != nullptr && function->name().id == header.function_id &&
         function->signature().agrees_with(header.signature) && core_.codecs[header.codec] != nullptr &&
         drain_ != Drain::kAcknowledged && !core_.stopped.load(std::memory_order_relaxed);
}

bool Link::take_function(const MessageHeader& header) {
  const Function* function = find_function(header);
  if (function == nullptr) return false;
  last_function_ = function;
  last_load_ = core_.admission.find(*function);
  if (is_for_last_function(header)) return true;
  const auto refuse_with = [&](StatusCode code, std::string text, const std::string& signature = {}) {
    refuse(header.call_id, &function->name(), Status(code, std::move(text)), signature);
    return false;
  };
  if (core_.codecs[header.codec] == nullptr) {
    return refuse_with(StatusCode::kUnimplemented,
                       "codec " + std::to_string(header.codec) + " is not loaded in this node");
  }
  if (!function->signature().agrees_with(header.signature)) {
    return refuse_with(StatusCode::kInvalidArgument, "the signatures differ", function->signature().text);
  }
  return refuse_with(StatusCode::kUnavailable, core_.draining
                                                   ? "the node is shutting down; the call has not begun"
                                                   : "the connection takes no more calls; this has not begun");
}

// The time that the caller waits is looked at where the request may have waited, or must.
inline bool Link::is_stale(const MessageHeader& header, const Function& function, bool must_wait) {
  const Duration left = std::chrono::milliseconds(header.timeout_ms);
  const bool fresh = !must_wait && left > Duration::zero() && backlog_since_ == TimePoint::max() &&
                     !core_.loop->input_is_older(left / kWaitShare);
  return !fresh && shed_if_stale(header, function, must_wait);
}

inline void Link::end_permit(const detail::Permit& permit, const FunctionName& function, Unpark how) noexcept {
  const bool dropped = std::exchange(dropped_, false) || how == Unpark::kUnanswered;
  if (how == Unpark::kAnswered) {
    load_.answered(permit.bytes);
  } else {
    load_.give_back(permit.bytes);
    core_.admission.give_back({1, permit.bytes});
  }
  if (permit.started != 0) core_.admission.end(function, permit, dropped);
  // Behind the connection, which was to be flushed before.
  if (core_.admission.paused() > 0) core_.loop->flush_later(*this);
}

inline void Link::run(const Function& function, InboundMessage& message, detail::LazyContext& context,
                      const detail::Permit& permit) {
  IncomingCall call{.sink = *this, .codec = *core_.codecs[context.tag], .message = message, .pool = *core_.pool};
  running_ = permit;
  {
    const detail::CurrentContext scope(context);
    function.invoke(call);
  }
  if (!std::exchange(running_parked_, false)) end_permit(running_, function.name(), Unpark::kAnswered);
  core_.loop->callback_done(&function.name());
}

void Link::on_request(InboundMessage& message) {
  const MessageHeader& header = message.header;
  if (is_overloaded()) {
    refuse(header.call_id, nullptr, answers_too_slowly());
    return;
  }
  if (!is_for_last_function(header) && !take_function(header)) return;
  const Function* function = last_function_;
  // What was answered in earlier turns has mostly left by now, and what will be answered in this one has not.
  if (std::exchange(first_in_, core_.loop->turns()) != core_.loop->turns()) {
    release_departed();
    backlog_since_ = connection_->backlog_since();
  }
  const std::uint32_t bytes = permit_bytes(message);
  const bool near = core_.admission.is_near(load_, bytes);
  if (near || last_load_ != nullptr) {
    if (const auto why = core_.admission.admit(*this, last_load_)) return shed(header.call_id, *function, *why);
  }
  const bool limited = header.timeout_ms != MessageHeader::kNoTimeout;
  const bool must_wait = core_.requests.must_wait(line_) && function->mode() != RunMode::kBlocking;
  if (limited && is_stale(header, *function, must_wait)) return;
  detail::LazyContext context{
      .origin = *origin_,
      .deadline = limited ? core_.loop->now() + std::chrono::milliseconds(header.timeout_ms) : TimePoint::max(),
      .activity = &function->name(),
      .tag = header.codec};
  if (header.flags != 0 && !take_metadata(message, context.metadata)) return;
  ++requests_in_flight;
  load_.take(bytes);
  core_.admission.take(bytes);
  const detail::Permit permit =
      last_load_ == nullptr ? detail::Permit{.bytes = bytes} : core_.admission.begin(*last_load_, bytes);
  if (near && calls == nullptr && core_.admission.must_pause(load_)) pause(kForLoad);
  if (must_wait) [[unlikely]] {
    wait(*function, message, context, permit);
  } else {
    run(*function, message, context, permit);
  }
}

void Link::wait(const Function& function, InboundMessage& message, detail::LazyContext& context,
                const detail::Permit& permit) {
  auto* request = pool_new<WaitingRequest>(
      function, message, std::min(backlog_since_, core_.loop->now() - core_.loop->last_turn()), context, permit);
  core_.requests.add(*this, *request);
}

bool Link::run_waiting(WaitingRequest& request, TimePoint now) {
  const Function& function = request.function;
  if (is_overloaded()) {
    refuse_waiting(request, answers_too_slowly());
    return false;
  }
  if (request.deadline != TimePoint::max()) {
    const Duration time = std::chrono::milliseconds(request.header.timeout_ms);
    if (request.deadline <= now) {
      shed_waiting(request, Admission::Shed::kExpired);
      return false;
    }
    if (function.mode() == RunMode::kDirect && now - request.received > time / kWaitShare) {
      shed_waiting(request, Admission::Shed::kAge);
      return false;
    }
  }
  detail::LazyContext context{.origin = *origin_,
                              .deadline = request.deadline,
                              .activity = &function.name(),
                              .tag = request.header.codec,
                              .metadata = std::move(request.metadata)};
  InboundMessage message = request.message();
  run(function, message, context, request.permit);
  return true;
}

void Link::shed_waiting(const WaitingRequest& request, Admission::Shed why) {
  shed(request.header.call_id, request.function, why);
  dropped_ = true;
  end_permit(request.permit, request.function.name(), Unpark::kAnswered);
  finish_request();
}

void Link::refuse_waiting(const WaitingRequest& request, const Status& reason) {
  send_error(request.header.call_id, request.function.name(), reason);
  end_permit(request.permit, request.function.name(), Unpark::kAnswered);
}

void Link::drop_waiting(const WaitingRequest& request) noexcept {
  end_permit(request.permit, request.function.name(), Unpark::kUnanswered);
  finish_request();
}

bool Link::shed_if_stale(const MessageHeader& header, const Function& function, bool must_wait) {
  const Duration left = std::chrono::milliseconds(header.timeout_ms);
  const auto is_older = [&](Duration than) {
    return core_.loop->input_is_older(than) ||
           (backlog_since_ != TimePoint::max() && core_.loop->clock().now() - backlog_since_ > than);
  };
  if (left > Duration::zero() && !is_older(left / kWaitShare)) {
    if (!must_wait || core_.requests.expected_wait(*this) <= left / kWaitShare) [[likely]]
      return false;
    shed(header.call_id, function, Admission::Shed::kWait);
    return true;
  }
  // Of a backlog it is only known how old it may be at most.
  if (left == Duration::zero() || core_.loop->input_is_older(left)) {
    shed(header.call_id, function, Admission::Shed::kExpired);
    return true;
  }
  // Others know better, by their own queues, how long they will take.
  if (function.mode() != RunMode::kDirect) return false;
  shed(header.call_id, function, Admission::Shed::kAge);
  return true;
}

void Link::shed(std::uint64_t call_id, const Function& function, Admission::Shed why) {
  Message message = core_.admission.refusal(call_id, function.name(), why);
  if (message.payload.body.size() > max_body_bytes_) {
    return refuse(call_id, &function.name(), Status(Admission::code(why), ""));
  }
  send(std::move(message));
  hold_back();
}

void Link::release_departed() noexcept { core_.admission.give_back(load_.release(handed_over_, left_bytes())); }

void Link::resume_if_room() noexcept {
  if ((paused_ & kForLoad) != 0 && !core_.admission.must_pause(load_)) read_on(kForLoad);
}

void Link::flush() {
  release_departed();
  core_.admission.resume_paused(*this);
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
  reply.permit = running_;
  running_parked_ = true;
  if (parked_.insert(reply)) return true;
  connection_->abort(Status(StatusCode::kInvalidArgument, "it has sent a second request with the call id " +
                                                              std::to_string(reply.call_id()) +
                                                              " before the first was answered"));
  return false;
}

void Link::unpark(detail::ParkedReply& reply, Unpark how) noexcept {
  parked_.erase(reply);
  end_permit(reply.permit, reply.function(), how);
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
  const std::string& who = identity().name();
  const std::string& name = function->name().name;
  core_.log(LogLevel::kWarning, "refused " + who + " (" + description_ + ") the function " + name);
  refuse(header.call_id, &function->name(),
         Status(StatusCode::kPermissionDenied,
                who + " may not call " + name + " here: the node's configuration says who may"));
  return nullptr;
}

bool Link::may_call(const Function& function) {
  const PeerIdentity& who = identity();
  if ((core_.options.access.empty() && listener_ == nullptr) || allowed_.contains(&function)) return true;
  if (who.name() == "self" && !who.names_nodes) return true;
  if (listener_ != nullptr && !matches_any(listener_->allow, who)) return false;
  if (!core_.options.access.allows(function.name().name, who)) return false;
  allowed_.insert(&function);
  return true;
}

void Link::send_result(std::uint64_t call_id, const Codec& codec, const FunctionName& function,
                       FunctionRef<void(Encoder&)> write) {
  Message message;
  Status encoded;
  try {
    encoded = codec.encode(write, message.payload);
  } catch (...) {
    encoded = status_from_current_exception();
  }
  send_encoded(call_id, codec, function, std::move(message), std::move(encoded));
}

void Link::send_payload(std::uint64_t call_id, const Codec& codec, const FunctionName& function, Payload&& payload) {
  Message message;
  message.payload = std::move(payload);
  send_encoded(call_id, codec, function, std::move(message), {});
}

inline void Link::send_encoded(std::uint64_t call_id, const Codec& codec, const FunctionName& function,
                               Message&& message, Status encoded) {
  if (encoded.ok() && state_ != State::kClosed) encoded = check_size(message.payload);
  if (!encoded.ok()) {
    send_error(call_id, function,
               encoded.with_message("the result of " + function.name + " cannot be sent: " + encoded.message()));
    return;
  }
  message.header.kind = MessageKind::kResponse;
  message.header.codec = codec.id();
  message.header.call_id = call_id;
  send(std::move(message));
  hold_back();
  finish_request();
}

void Link::send_error(std::uint64_t call_id, const FunctionName& function, const Status& error) {
  dropped_ = error.code() == StatusCode::kResourceExhausted || error.code() == StatusCode::kDeadlineExceeded;
  refuse(call_id, &function, error);
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
  send(std::move(message));
  hold_back();
}

void Link::finish_request() noexcept {
  --requests_in_flight;
  core_.check_drained();
}

// A peer that does not read its answers is not read from either, unless it owes us some: two busy peers
// would wait for each other.
void Link::hold_back() {
  if ((paused_ & kForOutput) != 0 || calls != nullptr) return;
  if (connection_->queued_bytes() > core_.options.limits.output_high_bytes) pause(kForOutput);
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
  read_on(kForOutput);
}

void Link::pause(Pauses why) {
  const Pauses before = std::exchange(paused_, static_cast<Pauses>(paused_ | why));
  if ((why & ~before & kForLoad) != 0) core_.admission.count_paused();
  if (before == 0) connection_->pause();
}

void Link::read_on(Pauses why) {
  const Pauses before = std::exchange(paused_, static_cast<Pauses>(paused_ & ~why));
  if ((before & why & kForLoad) != 0) core_.admission.count_resumed();
  if ((before & why & kForOutput) != 0) core_.requests.go_on(*this);
  if (before != 0 && paused_ == 0) connection_->resume();
}

}  // namespace onward
