// SPDX-License-Identifier: Apache-2.0
#include "shm/shm_ring.h"

#include <algorithm>
#include <cstring>

namespace onward {

bool ShmRingWriter::refresh() noexcept {
  const std::uint64_t consumed = peer_.consumed.load(std::memory_order_acquire);
  if (consumed - consumed_ > produced_ - consumed_) return false;
  consumed_ = consumed;
  return true;
}

std::size_t ShmRingWriter::write(std::span<const iovec> from) noexcept {
  std::uint64_t room = this->room();
  const std::uint64_t before = produced_;
  for (const iovec& span : from) {
    if (room == 0) break;
    const std::uint64_t some = std::min<std::uint64_t>(span.iov_len, room);
    const std::uint64_t at = produced_ & (bytes_ - 1);
    const std::uint64_t first = std::min(some, bytes_ - at);
    const auto* data = static_cast<const std::byte*>(span.iov_base);
    std::memcpy(ring_ + at, data, first);
    if (some > first) std::memcpy(ring_, data + first, some - first);
    produced_ += some;
    room -= some;
  }
  control_.produced.store(produced_, std::memory_order_release);
  return produced_ - before;
}

std::size_t ShmRingReader::read(std::span<const iovec> into, std::uint64_t available) noexcept {
  const std::uint64_t before = consumed_;
  for (const iovec& span : into) {
    if (available == 0) break;
    const std::uint64_t some = std::min<std::uint64_t>(span.iov_len, available);
    const std::uint64_t at = consumed_ & (bytes_ - 1);
    const std::uint64_t first = std::min(some, bytes_ - at);
    auto* data = static_cast<std::byte*>(span.iov_base);
    std::memcpy(data, ring_ + at, first);
    if (some > first) std::memcpy(data + first, ring_, some - first);
    consumed_ += some;
    available -= some;
  }
  control_.consumed.store(consumed_, std::memory_order_release);
  return consumed_ - before;
}

}  // namespace onward
