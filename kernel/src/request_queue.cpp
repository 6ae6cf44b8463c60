// SPDX-License-Identifier: Apache-2.0
#include "request_queue.h"

#include <algorithm>
#include <utility>

#include "link.h"
#include "node_core.h"

namespace onward {
namespace {

// A body that is a smaller part of the memory that it came in is copied, so that this can be used again.
constexpr std::size_t kCopyBelow = 4;

}  // namespace

WaitingRequest::WaitingRequest(const Function& of, const InboundMessage& message, TimePoint received_at,
                               detail::LazyContext& context, const detail::Permit& held)
    : function(of),
      header(message.header),
      received(received_at),
      deadline(context.deadline),
      metadata(std::move(context.metadata)),
      permit(held),
      segments(std::make_move_iterator(message.segments.begin()), std::make_move_iterator(message.segments.end())) {
  const bool copy = message.storage == nullptr || message.body.size() * kCopyBelow < message.storage->size();
  body = copy ? Buffer::copy_of(message.body) : message.retain(message.body);
}

Duration RequestQueue::expected_wait(Link& link) const noexcept {
  // Its own line, and as much of each of the others.
  return std::min(work_, link.line().work_ * static_cast<Duration::rep>(std::max<std::size_t>(lines_, 1)));
}

void RequestQueue::add(Link& link, WaitingRequest& request) {
  RequestLine& line = link.line();
  request.expected = times_.expected(&request.function.name());
  (line.empty() ? line.first_ : line.last_->next) = &request;
  line.last_ = &request;
  ++line.size_;
  line.bytes_ += request.memory();
  line.work_ += request.expected;
  ++size_;
  work_ += request.expected;
  go_on(link);
  if (line.size_ >= kMaxRequests || line.bytes_ >= kMaxBytes) link.pause_for_line();
}

void RequestQueue::go_on(Link& link) {
  RequestLine& line = link.line();
  if (line.empty() || line.in_turn_ || link.is_held_back()) return;
  line.in_turn_ = true;
  line.next_in_turn_ = nullptr;
  link.retain();
  (first_in_turn_ == nullptr ? first_in_turn_ : last_in_turn_->line().next_in_turn_) = &link;
  last_in_turn_ = &link;
  ++lines_;
  loop_.flush_later(*this);
}

Link* RequestQueue::take_turn() noexcept {
  Link* link = first_in_turn_;
  if (link == nullptr) return nullptr;
  first_in_turn_ = link->line().next_in_turn_;
  link->line().in_turn_ = false;
  --lines_;
  return link;
}

// At the end of a turn: it is the next that serves them, when the node has looked at its connections.
void RequestQueue::flush() {
  if (!std::exchange(scheduled_, true)) loop_.schedule(*this);
}

RequestQueue::Taken RequestQueue::take(RequestLine& line) noexcept {
  Taken request(line.first_);
  line.first_ = request->next;
  --line.size_;
  line.bytes_ -= request->memory();
  line.work_ -= request->expected;
  --size_;
  work_ -= request->expected;
  return request;
}

// At least one, so that what waits is done however long the rest of a turn takes.
void RequestQueue::run() noexcept {
  scheduled_ = false;
  while (Link* link = take_turn()) {
    if (!link->line().empty()) serve(*link);
    go_on(*link);
    link->release();
    if (loop_.turn_exceeds(kSlice)) break;
  }
  if (first_in_turn_ != nullptr) loop_.flush_later(*this);
}

void RequestQueue::serve(Link& link) {
  RequestLine& line = link.line();
  const Taken request = take(line);
  if (line.size_ <= kMaxRequests / 2 && line.bytes_ <= kMaxBytes / 2) link.resume_for_line();
  const bool cancelled = !line.cancelled_.empty() && line.cancelled_.erase(request->header.call_id) > 0;
  if (line.empty()) line.cancelled_.clear();
  if (cancelled) return link.drop_waiting(*request);
  const TimePoint now = loop_.clock().now();
  if (link.run_waiting(*request, now)) times_.learn(&request->function.name(), loop_.clock().now() - now);
}

void RequestQueue::discard(Link& link) noexcept {
  while (!link.line().empty()) link.drop_waiting(*take(link.line()));
  link.line().cancelled_.clear();
}

void RequestQueue::refuse_all(const Status& reason) {
  for (Link* link = core_.links; link != nullptr; link = link->next) {
    while (!link->line().empty()) link->refuse_waiting(*take(link->line()), reason);
  }
}

void RequestQueue::stop() noexcept {
  while (Link* link = take_turn()) link->release();
}

}  // namespace onward
