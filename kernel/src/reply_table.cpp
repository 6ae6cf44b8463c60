// SPDX-License-Identifier: Apache-2.0
#include "reply_table.h"

#include <algorithm>
#include <bit>
#include <random>

namespace onward {
namespace {

constexpr std::size_t kMinSlots = 16;

// The peer chooses the ids: it must not know which of them meet.
std::uint64_t random_factor() {
  static const std::uint64_t factor = [] {
    std::random_device device;
    return (std::uint64_t{device()} << 32 | device()) | 1;
  }();
  return factor;
}

}  // namespace

std::size_t ReplyTable::home_of(std::uint64_t call_id) const noexcept {
  const std::uint64_t mixed = (call_id ^ call_id >> 32) * random_factor();
  return static_cast<std::size_t>(mixed >> shift_);
}

std::size_t ReplyTable::slot_of(std::uint64_t call_id) const noexcept {
  std::size_t at = home_of(call_id);
  while (slots_[at] != nullptr && slots_[at]->call_id() != call_id) at = (at + 1) & (slots_.size() - 1);
  return at;
}

bool ReplyTable::insert(detail::ParkedReply& reply) {
  if ((size_ + 1) * 8 > slots_.size() * 7) resize(std::max(kMinSlots, slots_.size() * 2));
  const std::size_t at = slot_of(reply.call_id());
  if (slots_[at] != nullptr) return false;
  slots_[at] = &reply;
  first_ = std::min(first_, at);
  ++size_;
  return true;
}

detail::ParkedReply* ReplyTable::find(std::uint64_t call_id) const noexcept {
  return size_ == 0 ? nullptr : slots_[slot_of(call_id)];
}

// What stands behind the gap moves into it, unless it would stand before its home then (Knuth, 6.4, algorithm R).
void ReplyTable::erase(const detail::ParkedReply& reply) noexcept {
  const std::size_t mask = slots_.size() - 1;
  std::size_t gap = slot_of(reply.call_id());
  for (std::size_t at = (gap + 1) & mask; slots_[at] != nullptr; at = (at + 1) & mask) {
    const std::size_t home = home_of(slots_[at]->call_id());
    if (((at - home) & mask) < ((at - gap) & mask)) continue;
    slots_[gap] = slots_[at];
    gap = at;
  }
  slots_[gap] = nullptr;
  --size_;
  if (slots_.size() > kMinSlots && size_ * 8 < slots_.size()) resize(slots_.size() / 2);
}

detail::ParkedReply* ReplyTable::first() const noexcept {
  if (size_ == 0) return nullptr;
  while (slots_[first_] == nullptr) ++first_;
  return slots_[first_];
}

void ReplyTable::resize(std::size_t slots) {
  const std::vector<detail::ParkedReply*> old = std::exchange(slots_, std::vector<detail::ParkedReply*>(slots));
  shift_ = 64 - static_cast<unsigned>(std::countr_zero(slots));
  first_ = 0;
  for (detail::ParkedReply* reply : old) {
    if (reply != nullptr) slots_[slot_of(reply->call_id())] = reply;
  }
}

}  // namespace onward
