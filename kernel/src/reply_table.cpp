// SPDX-License-Identifier: Apache-2.0
#include "reply_table.h"

#include <algorithm>
#include <bit>
#include <random>

namespace onward {
namespace {

constexpr std::size_t kMinSlots = 16;
// So many are kept: the replies of a burst come and go together, again and again.
constexpr std::size_t kKeptSlots = 1024;
constexpr std::size_t kMostOnASlot = 2;  // on average

// The peer chooses the ids: it must not know which of them meet.
std::uint64_t random_factor() {
  static const std::uint64_t factor = [] {
    std::random_device device;
    return (std::uint64_t{device()} << 32 | device()) | 1;
  }();
  return factor;
}

}  // namespace

std::size_t ReplyTable::slot_of(std::uint64_t call_id) const noexcept {
  return static_cast<std::size_t>(((call_id ^ call_id >> 32) * factor_) >> shift_);
}

bool ReplyTable::insert(detail::ParkedReply& reply) {
  if (size_ >= slots_.size() * kMostOnASlot) resize(std::max(kMinSlots, slots_.size() * 2));
  const std::size_t at = slot_of(reply.call_id());
  for (const detail::ParkedReply* other = slots_[at]; other != nullptr; other = other->next) {
    if (other->call_id() == reply.call_id()) return false;
  }
  reply.next = std::exchange(slots_[at], &reply);
  first_ = std::min(first_, at);
  ++size_;
  return true;
}

detail::ParkedReply* ReplyTable::find(std::uint64_t call_id) const noexcept {
  if (size_ == 0) return nullptr;
  detail::ParkedReply* reply = slots_[slot_of(call_id)];
  while (reply != nullptr && reply->call_id() != call_id) reply = reply->next;
  return reply;
}

void ReplyTable::erase(const detail::ParkedReply& reply) noexcept {
  if (size_ == 0) return;
  detail::ParkedReply** link = &slots_[slot_of(reply.call_id())];
  while (*link != nullptr && *link != &reply) link = &(*link)->next;
  if (*link == nullptr) return;
  *link = reply.next;
  --size_;
  if (slots_.size() > kKeptSlots && size_ * 8 < slots_.size() * kMostOnASlot) resize(slots_.size() / 2);
}

detail::ParkedReply* ReplyTable::first() const noexcept {
  if (size_ == 0) return nullptr;
  while (slots_[first_] == nullptr) ++first_;
  return slots_[first_];
}

void ReplyTable::resize(std::size_t slots) {
  const std::vector<detail::ParkedReply*> old = std::exchange(slots_, std::vector<detail::ParkedReply*>(slots));
  factor_ = random_factor();
  shift_ = 64 - static_cast<unsigned>(std::countr_zero(slots));
  first_ = 0;
  for (detail::ParkedReply* reply : old) {
    while (reply != nullptr) {
      detail::ParkedReply* const next = reply->next;
      reply->next = std::exchange(slots_[slot_of(reply->call_id())], reply);
      reply = next;
    }
  }
}

}  // namespace onward
