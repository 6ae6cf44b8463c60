// SPDX-License-Identifier: Apache-2.0
#include "onward/timing_wheel.h"

#include <algorithm>
#include <bit>

namespace onward {

void TimingWheel::arm(WheelTimer& timer, std::uint64_t tick) {
  if (timer.armed()) cancel(timer);
  timer.tick_ = std::max(tick, now_ + 1);
  insert(timer);
  ++size_;
}

void TimingWheel::cancel(WheelTimer& timer) noexcept {
  if (!timer.armed()) return;
  unlink(timer);
  --size_;
}

void TimingWheel::unlink(WheelTimer& timer) noexcept {
  *timer.previous_ = timer.next_;
  if (timer.next_ != nullptr) timer.next_->previous_ = timer.previous_;
  timer.next_ = nullptr;
  timer.previous_ = nullptr;
}

void TimingWheel::push(WheelTimer*& head, WheelTimer& timer) noexcept {
  timer.next_ = head;
  timer.previous_ = &head;
  if (head != nullptr) head->previous_ = &timer.next_;
  head = &timer;
}

// The level is that of the highest digit (base 256) in which the tick differs from now, so that a slot
// of a lower level never holds a timer of another block. Only the top level is a ring.
void TimingWheel::insert(WheelTimer& timer) noexcept {
  const std::uint64_t differing = timer.tick_ ^ now_;
  const auto digit = static_cast<std::size_t>(std::bit_width(differing) - 1) / kBits;
  const std::size_t level = std::min(digit, kLevels - 1);
  const std::size_t slot = (timer.tick_ >> (kBits * level)) & (kSlots - 1);
  levels_[level].occupied[slot / 64] |= std::uint64_t{1} << (slot % 64);
  push(levels_[level].slots[slot], timer);
}

// The first slot behind `from` that holds a timer, kSlots if none. Forgets stale bits on its way.
std::size_t TimingWheel::Level::next_occupied(std::size_t from) noexcept {
  for (std::size_t slot = from; slot < kSlots;) {
    const std::uint64_t word = occupied[slot / 64] >> (slot % 64);
    if (word == 0) {
      slot = (slot / 64 + 1) * 64;
      continue;
    }
    slot += static_cast<std::size_t>(std::countr_zero(word));
    if (slots[slot] != nullptr) return slot;
    occupied[slot / 64] &= ~(std::uint64_t{1} << (slot % 64));
    ++slot;
  }
  return kSlots;
}

std::uint64_t TimingWheel::next_tick() noexcept {
  if (size_ == 0) return kNever;
  for (std::size_t level = 0; level < kLevels; ++level) {
    const std::size_t shift = kBits * level;
    const std::uint64_t block = now_ >> shift >> kBits << kBits;
    const std::size_t current = (now_ >> shift) & (kSlots - 1);
    if (const std::size_t slot = levels_[level].next_occupied(current + 1); slot < kSlots) {
      return (block + slot) << shift;
    }
    if (level + 1 < kLevels) continue;
    if (const std::size_t slot = levels_[level].next_occupied(0); slot < kSlots)
      return (block + kSlots + slot) << shift;
  }
  return kNever;
}

std::size_t TimingWheel::advance(std::uint64_t tick) {
  std::size_t fired = 0;
  while (now_ < tick) {
    const std::uint64_t next = next_tick();
    if (next > tick) break;
    now_ = next;
    for (std::size_t level = kLevels - 1; level > 0; --level) {
      if ((now_ & ((std::uint64_t{1} << (kBits * level)) - 1)) == 0) cascade(level);
    }
    fired += fire();
  }
  now_ = std::max(now_, tick);
  return fired;
}

void TimingWheel::clear() noexcept {
  for (Level& level : levels_) {
    for (WheelTimer*& slot : level.slots) {
      while (slot != nullptr) {
        WheelTimer& timer = *slot;
        cancel(timer);
        timer.on_dropped();
      }
    }
  }
}

// Sorts the timers of the slot that begins now into lower levels; those due now wait in due_.
void TimingWheel::cascade(std::size_t level) noexcept {
  WheelTimer*& head = levels_[level].slots[(now_ >> (kBits * level)) & (kSlots - 1)];
  WheelTimer* timer = head;
  head = nullptr;
  while (timer != nullptr) {
    WheelTimer* next = timer->next_;
    if (timer->tick_ <= now_) {
      push(due_, *timer);
    } else {
      insert(*timer);
    }
    timer = next;
  }
}

std::size_t TimingWheel::fire() {
  std::size_t fired = 0;
  WheelTimer*& slot = levels_[0].slots[now_ & (kSlots - 1)];
  while (slot != nullptr) {
    WheelTimer& timer = *slot;
    unlink(timer);
    push(due_, timer);
  }
  while (due_ != nullptr) {
    WheelTimer& timer = *due_;
    unlink(timer);
    --size_;
    ++fired;
    timer.on_timer();
  }
  return fired;
}

}  // namespace onward
