// SPDX-License-Identifier: Apache-2.0
//
// The two halves of a byte ring between processes, single producer and single consumer (L. Lamport, "Proving the
// correctness of multiprocess programs", 1977): each counts in its own memory, and believes the other's count only
// within bounds.
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <span>

#include "shm/shm_memory.h"

namespace onward {

// Puts bytes into its own memory's ring. Not thread-safe.
class ShmRingWriter {
 public:
  ShmRingWriter(const ShmMemory& own, const ShmMemory& peer) noexcept
      : control_(own.control()), peer_(peer.control()), ring_(own.ring()), bytes_(own.sizes().ring_bytes) {}

  // False: the peer claims to have taken what was never there.
  [[nodiscard]] bool refresh() noexcept;
  // Free bytes, as of the last refresh().
  [[nodiscard]] std::uint64_t room() const noexcept { return bytes_ - (produced_ - consumed_); }
  [[nodiscard]] bool has_room() noexcept { return room() > 0 || !refresh() || room() > 0; }
  // Copies as much as there is room for, in order, and publishes it. Returns how much.
  std::size_t write(std::span<const iovec> from) noexcept;

 private:
  ShmControl& control_;
  const ShmControl& peer_;
  std::byte* ring_;
  std::uint64_t bytes_;
  std::uint64_t produced_ = 0;
  std::uint64_t consumed_ = 0;  // by the peer, as last seen
};

// Takes bytes out of the peer's memory's ring. Not thread-safe.
class ShmRingReader {
 public:
  ShmRingReader(const ShmMemory& own, const ShmMemory& peer) noexcept
      : control_(own.control()), peer_(peer.control()), ring_(peer.ring()), bytes_(peer.sizes().ring_bytes) {}

  // Bytes to read; more than capacity() if the peer claims what cannot be.
  [[nodiscard]] std::uint64_t available() const noexcept {
    return peer_.produced.load(std::memory_order_acquire) - consumed_;
  }
  [[nodiscard]] std::uint64_t capacity() const noexcept { return bytes_; }
  // The peer has said its last: what is available() after this is all.
  [[nodiscard]] bool ended() const noexcept { return peer_.ended.load(std::memory_order_acquire) != 0; }
  // Copies at most `available`, which available() has returned, into the spans in order. Returns how much.
  std::size_t read(std::span<const iovec> into, std::uint64_t available) noexcept;

 private:
  ShmControl& control_;
  const ShmControl& peer_;
  const std::byte* ring_;
  std::uint64_t bytes_;
  std::uint64_t consumed_ = 0;
};

}  // namespace onward
