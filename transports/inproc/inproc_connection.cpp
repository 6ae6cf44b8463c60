// SPDX-License-Identifier: Apache-2.0
#include "inproc/inproc_connection.h"

#include <utility>

#include "onward/stream/frame.h"

namespace onward {

InprocConnection::InprocConnection(EventLoop& loop, const MessageLimits& limits, std::string description,
                                   std::shared_ptr<InprocLink> link, std::size_t side)
    : loop_(loop),
      limits_(limits),
      description_(std::move(description)),
      link_(std::move(link)),
      side_(side),
      notices_(loop, [this] { look(); }) {
  InprocLink::attach(link_, side_, loop_, *this);
}

InprocConnection::~InprocConnection() {
  events_ = nullptr;
  finish({});
}

void InprocConnection::start(ConnectionEvents& events) {
  events_ = &events;
  notices_.schedule();
}

void InprocConnection::send(Message message) {
  if (state_ == State::kOpen) queue(output_.in_order, std::move(message));
}

void InprocConnection::send_urgent(Message message) {
  if (state_ == State::kOpen) queue(output_.urgent, std::move(message));
}

void InprocConnection::queue(std::vector<Message>& where, Message&& message) {
  output_bytes_ += weight(message);
  where.push_back(std::move(message));
  if (!above_high_ && queued_bytes() > limits_.output_high_bytes) above_high_ = true;
  loop_.flush_later(*this);
}

void InprocConnection::close(Status reason) {
  if (state_ != State::kOpen) return;
  state_ = State::kClosing;
  reason_ = std::move(reason);
  loop_.flush_later(*this);
}

void InprocConnection::abort(Status reason) { finish(std::move(reason)); }

void InprocConnection::on_dispose() noexcept {
  events_ = nullptr;
  finish({});
}

void InprocConnection::resume() {
  paused_ = false;
  notices_.schedule();
}

std::size_t InprocConnection::queued_bytes() const {
  return state_ == State::kClosed ? 0 : output_bytes_ + link_->pending_bytes(1 - side_);
}

void InprocConnection::on_wake() { look(); }

void InprocConnection::flush() {
  if (state_ == State::kClosed) return;
  if (!output_.empty()) InprocLink::send(link_, side_, output_);
  output_bytes_ = 0;
  if (above_high_) InprocLink::wake_when_pending(link_, 1 - side_, limits_.output_low_bytes);
  if (state_ != State::kClosing) return;
  InprocLink::finish(link_, side_, {});
  finish(reason_);
}

// From the loop: whatever there is to tell.
void InprocConnection::look() {
  if (events_ == nullptr) return;
  if (state_ == State::kClosed) return std::exchange(events_, nullptr)->on_closed(reason_);
  if (above_high_ && state_ == State::kOpen && queued_bytes() <= limits_.output_low_bytes) {
    above_high_ = false;
    events_->on_drained();
  }
  if (delivers()) deliver();
}

void InprocConnection::deliver() {
  link_->receive(side_, arrivals_);
  std::size_t bytes = 0;
  bool empty = false;
  for (std::size_t count = 0; count < kMaxMessagesPerTurn && delivers(); ++count) {
    Message* const next = next_arrival();
    empty = next == nullptr;
    if (empty) break;
    Message message = std::move(*next);
    bytes += weight(message);
    if (!deliver_one(std::move(message))) break;
  }
  if (bytes > 0) InprocLink::consumed(link_, side_, bytes);
  if (empty) {
    arrivals_.messages.clear();
    next_ = next_urgent_ = 0;
    if (arrivals_.ended && delivers()) finish(arrivals_.reason);
  } else if (delivers()) {
    notices_.schedule();
  }
}

// The first message of all is never an urgent one.
Message* InprocConnection::next_arrival() noexcept {
  std::vector<Message>& urgent = arrivals_.messages.urgent;
  std::vector<Message>& in_order = arrivals_.messages.in_order;
  const bool has_next = next_ < in_order.size();
  if (next_urgent_ < urgent.size() && !(first_ && has_next)) return &urgent[next_urgent_++];
  return has_next ? &in_order[next_++] : nullptr;
}

// False when it broke the protocol, and the connection with it.
bool InprocConnection::deliver_one(Message message) {
  MessageHeader& header = message.header;
  Payload& payload = message.payload;
  header.body_bytes = static_cast<std::uint32_t>(payload.body.size());
  header.segment_count = static_cast<std::uint8_t>(payload.segments.size());
  if (const Status status = check(header, weight(message) - sizeof header); !status.ok()) {
    finish(status.with_message(description_ + ": " + status.message()));
    return false;
  }
  first_ = false;
  InboundMessage inbound{.header = header,
                         .body = payload.body.bytes(),
                         .storage = payload.body.empty() ? nullptr : &payload.body,
                         .segments = payload.segments};
  events_->on_message(inbound);
  return true;
}

Status InprocConnection::check(const MessageHeader& header, std::size_t bytes) {
  if (first_) {
    if (Status status = check_first_bytes(std::as_bytes(std::span(&header, 1))); !status.ok()) {
      return status;
    }
  }
  if (Status status = check_header(header, limits_); !status.ok()) return status;
  return check_message_bytes(bytes, limits_);
}

void InprocConnection::finish(Status reason) {
  if (state_ == State::kClosed) return;
  state_ = State::kClosed;
  reason_ = std::move(reason);
  output_.clear();
  output_bytes_ = 0;
  arrivals_ = {};
  next_ = next_urgent_ = 0;
  link_->detach(side_);
  InprocLink::finish(link_, side_, Status(StatusCode::kUnavailable, description_ + ": the peer went away"));
  if (events_ != nullptr) notices_.schedule();
}

}  // namespace onward
