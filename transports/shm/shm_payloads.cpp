// SPDX-License-Identifier: Apache-2.0
#include "shm/shm_payloads.h"

#include <algorithm>
#include <string>
#include <utility>

namespace onward {
namespace {

constexpr std::uint64_t whole_pages(std::uint64_t bytes) noexcept {
  return (bytes + kShmPage - 1) / kShmPage * kShmPage;
}

}  // namespace

std::optional<std::uint64_t> PageRanges::take(std::uint64_t bytes) {
  const auto found = std::ranges::find_if(free_, [bytes](const auto& range) { return range.second >= bytes; });
  if (found == free_.end()) return std::nullopt;
  const auto [begin, size] = *found;
  free_.erase(found);
  if (size > bytes) free_.emplace(begin + bytes, size - bytes);
  return begin;
}

void PageRanges::give_back(std::uint64_t begin, std::uint64_t bytes) {
  auto at = free_.emplace(begin, bytes).first;
  if (const auto next = std::next(at); next != free_.end() && begin + bytes == next->first) {
    at->second += next->second;
    free_.erase(next);
  }
  if (at == free_.begin()) return;
  if (const auto before = std::prev(at); before->first + before->second == begin) {
    before->second += at->second;
    free_.erase(at);
  }
}

ShmPayloads::ShmPayloads(std::shared_ptr<const ShmPair> pair, std::shared_ptr<ShmCopier> copier)
    : pair_(std::move(pair)),
      copier_(std::move(copier)),
      ranges_(pair_->own->sizes().payload_bytes),
      slots_(kMaxPayloads),
      kept_(std::make_shared<std::atomic<std::uint64_t>>(0)) {
  for (std::uint32_t slot = kMaxPayloads; slot > 0; --slot) free_.push_back(slot - 1);
}

std::optional<PayloadArea::Room> ShmPayloads::allocate(std::size_t bytes) {
  if (bytes > pair_->own->sizes().payload_bytes) return std::nullopt;
  active_ = true;
  reclaim();
  if (free_.empty()) return std::nullopt;
  const std::uint64_t whole = whole_pages(bytes);
  const std::optional<std::uint64_t> begin = ranges_.take(whole);
  if (!begin) return std::nullopt;
  const std::uint32_t slot = free_.back();
  free_.pop_back();
  taken_.push_back(slot);
  Lent& lent = slots_[slot];
  lent = {.begin = *begin, .bytes = whole, .generation = lent.generation + 1};
  high_water_ = std::max(high_water_, *begin + whole);
  return Room{.place = {.offset = *begin, .slot = slot, .generation = lent.generation},
              .memory = pair_->own->payloads() + *begin};
}

// What the peer claims about a slot can only give back what that slot has.
void ShmPayloads::reclaim() {
  std::erase_if(taken_, [this](std::uint32_t slot) {
    Lent& lent = slots_[slot];
    const std::uint32_t released = pair_->peer->control().released[slot].load(std::memory_order_acquire);
    if (released != lent.generation) return false;
    ranges_.give_back(lent.begin, std::exchange(lent.bytes, 0));
    free_.push_back(slot);
    return true;
  });
}

Result<Buffer> ShmPayloads::open(const Place& place, std::uint64_t bytes) {
  const std::uint64_t area = pair_->peer->sizes().payload_bytes;
  if (place.slot >= kMaxPayloads || bytes > area || place.offset > area - bytes) {
    return fail(StatusCode::kInvalidArgument, "it sent the place of a segment, " + std::to_string(bytes) +
                                                  " bytes from " + std::to_string(place.offset) + ", slot " +
                                                  std::to_string(place.slot) + ", that is not in its " +
                                                  std::to_string(area) + " bytes of shared memory");
  }
  active_ = true;
  const std::span<std::byte> there(pair_->peer->payloads() + place.offset, bytes);
  const auto release = [](const ShmPair& pair, const Place& which) {
    pair.own->control().released[which.slot].store(which.generation, std::memory_order_release);
  };
  if (kept_->load(std::memory_order_relaxed) + bytes > area / 2) {
    try {
      Buffer copy = Buffer::copy_of(there);
      release(*pair_, place);
      return copy;
    } catch (const std::bad_alloc&) {
      return fail(StatusCode::kResourceExhausted, "no memory for a segment of " + std::to_string(bytes) + " bytes");
    }
  }
  kept_->fetch_add(bytes, std::memory_order_relaxed);
  auto give_back = [pair = pair_, kept = kept_, place, bytes, release] {
    release(*pair, place);
    kept->fetch_sub(bytes, std::memory_order_relaxed);
  };
  return pair_->peer->payloads_writable() ? Buffer::wrap_writable(there, std::move(give_back))
                                          : Buffer::wrap(there, std::move(give_back));
}

bool ShmPayloads::trim() {
  if (high_water_ == 0) return false;
  reclaim();
  if (!taken_.empty()) return false;
  pair_->own->forget_payloads(std::exchange(high_water_, 0));
  return true;
}

}  // namespace onward
