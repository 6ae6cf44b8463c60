// SPDX-License-Identifier: Apache-2.0
#include "inproc/inproc_link.h"

#include <iterator>
#include <utility>

namespace onward {

std::size_t weight(const Message& message) noexcept {
  std::size_t bytes = sizeof(MessageHeader) + message.payload.body.size();
  for (const Buffer& segment : message.payload.segments) bytes += segment.size();
  return bytes;
}

namespace {

void append(std::vector<Message>& to, std::vector<Message>& from) {
  if (to.empty()) {
    to.swap(from);
  } else {
    to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
    from.clear();
  }
}

}  // namespace

void InprocLink::Messages::take(Messages& from) {
  append(urgent, from.urgent);
  append(in_order, from.in_order);
}

void InprocLink::Wake::run() noexcept {
  const std::shared_ptr<InprocLink> kept = std::move(link);
  Side& whose = kept->sides_[side];
  {
    const std::lock_guard lock(kept->mutex_);
    whose.wake_queued = false;
  }
  if (whose.end != nullptr) whose.end->on_wake();
}

// The last reference may be this one: it goes when nothing of the link is in use any more.
void InprocLink::Wake::drop() noexcept { const std::shared_ptr<InprocLink> last = std::move(link); }

InprocLink::~InprocLink() {
  for (const Side& side : sides_) {
    if (side.loop != nullptr) LoopHandle::release(side.loop);
  }
}

void InprocLink::attach(const std::shared_ptr<InprocLink>& link, std::size_t side, EventLoop& loop, End& end) {
  Side& mine = link->sides_[side];
  mine.end = &end;
  LoopHandle::retain(&loop.handle());
  bool wake = false;
  {
    const std::lock_guard lock(link->mutex_);
    mine.loop = &loop.handle();
    wake = (!mine.inbox.empty() || mine.ended) && link->should_wake(mine);
  }
  if (wake) queue(link, side);
}

void InprocLink::detach(std::size_t side) noexcept {
  Messages dropped;
  Side& mine = sides_[side];
  mine.end = nullptr;
  const std::lock_guard lock(mutex_);
  mine.gone = true;
  mine.pending_bytes.store(0, std::memory_order_relaxed);
  std::swap(dropped, mine.inbox);
}

void InprocLink::send(const std::shared_ptr<InprocLink>& link, std::size_t from, Messages& messages) {
  std::size_t bytes = 0;
  for (const Message& message : messages.urgent) bytes += weight(message);
  for (const Message& message : messages.in_order) bytes += weight(message);
  Side& to = link->sides_[1 - from];
  bool wake = false;
  {
    const std::lock_guard lock(link->mutex_);
    if (!to.gone && !to.ended) {
      to.pending_bytes.fetch_add(bytes, std::memory_order_relaxed);
      to.inbox.take(messages);
      wake = link->should_wake(to);
    }
  }
  messages.clear();
  if (wake) queue(link, 1 - from);
}

void InprocLink::finish(const std::shared_ptr<InprocLink>& link, std::size_t from, Status reason) {
  Side& to = link->sides_[1 - from];
  bool wake = false;
  {
    const std::lock_guard lock(link->mutex_);
    if (to.ended) return;
    to.ended = true;
    to.reason = std::move(reason);
    wake = link->should_wake(to);
  }
  if (wake) queue(link, 1 - from);
}

void InprocLink::receive(std::size_t side, Arrivals& arrivals) {
  Side& mine = sides_[side];
  const std::lock_guard lock(mutex_);
  arrivals.messages.take(mine.inbox);
  arrivals.ended = mine.ended;
  arrivals.reason = mine.reason;
}

void InprocLink::consumed(const std::shared_ptr<InprocLink>& link, std::size_t side, std::size_t bytes) {
  Side& mine = link->sides_[side];
  bool wake = false;
  {
    const std::lock_guard lock(link->mutex_);
    if (mine.gone) return;
    mine.pending_bytes.fetch_sub(bytes, std::memory_order_relaxed);
    wake = link->take_drained(mine) && link->should_wake(link->sides_[1 - side]);
  }
  if (wake) queue(link, 1 - side);
}

void InprocLink::wake_when_pending(const std::shared_ptr<InprocLink>& link, std::size_t side, std::size_t bytes) {
  Side& to = link->sides_[side];
  bool wake = false;
  {
    const std::lock_guard lock(link->mutex_);
    to.wake_sender_at = bytes;
    wake = link->take_drained(to) && link->should_wake(link->sides_[1 - side]);
  }
  if (wake) queue(link, 1 - side);
}

bool InprocLink::take_drained(Side& side) noexcept {
  if (side.wake_sender_at == kNever || side.pending_bytes.load(std::memory_order_relaxed) > side.wake_sender_at) {
    return false;
  }
  side.wake_sender_at = kNever;
  return true;
}

bool InprocLink::should_wake(Side& side) noexcept {
  return side.loop != nullptr && !side.gone && !std::exchange(side.wake_queued, true);
}

void InprocLink::queue(const std::shared_ptr<InprocLink>& link, std::size_t side) {
  Side& whose = link->sides_[side];
  whose.wake.link = link;
  whose.wake.side = side;
  whose.loop->schedule(whose.wake);
}

}  // namespace onward
