// SPDX-License-Identifier: Apache-2.0
//
// The memory of one end of a shm connection: a sealed memfd that its owner writes and its peer reads. It holds
// all that the owner has to say: the bytes that it sends, how many of the peer's it has taken, and whether it sleeps.
// The owner never reads it, so that nobody can spoil what it stands on; the peer checks every number that it reads.
//
//   Control    page 0
//   released   kMaxPayloads times a 32-bit number: which of the peer's payloads the owner is done with
//   ring       ring_bytes, from kRingOffset
//   payloads   payload_bytes, behind the ring
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "onward/status.h"
#include "onward/stream/file_descriptor.h"

namespace onward {

inline constexpr std::size_t kShmPage = 4096;
// Payloads of one direction that may be under way or kept at once.
inline constexpr std::size_t kMaxPayloads = 256;
inline constexpr std::size_t kCacheLine = 64;

struct ShmSizes {
  std::uint64_t ring_bytes = 0;     // a power of two
  std::uint64_t payload_bytes = 0;  // whole pages

  static constexpr std::uint64_t kMinRingBytes = kShmPage;
  static constexpr std::uint64_t kMaxRingBytes = std::uint64_t{1} << 30;
  static constexpr std::uint64_t kMaxPayloadBytes = std::uint64_t{1} << 36;
  [[nodiscard]] bool valid() const noexcept;
  [[nodiscard]] std::uint64_t whole() const noexcept;
};

// Written by the owner. Numbers of bytes only grow; a position in the ring is their remainder.
struct ShmControl {
  using Counter = std::atomic<std::uint64_t>;
  static_assert(Counter::is_always_lock_free);
  static_assert(std::atomic<std::uint32_t>::is_always_lock_free);

  alignas(kCacheLine) Counter produced;                  // bytes put into the ring
  std::atomic<std::uint32_t> ended;                      // 1: no more will be
  alignas(kCacheLine) Counter consumed;                  // bytes taken out of the peer's ring
  alignas(kCacheLine) std::atomic<std::uint32_t> sleep;  // 0: awake; else the sleep's number, and what ends it:
  static constexpr std::uint32_t kWantsData = 1;         // the peer has produced or ended
  static constexpr std::uint32_t kWantsRoom = 2;         // the peer has consumed
  static constexpr std::uint32_t kSleepNumber = 4;       // one sleep more
  alignas(kCacheLine) std::array<std::atomic<std::uint32_t>, kMaxPayloads> released;
};
inline constexpr std::size_t kRingOffset = kShmPage;
static_assert(sizeof(ShmControl) <= kRingOffset);

// A mapping. Stays valid whatever happens to the peer: sealed memory cannot shrink.
class ShmMemory {
 public:
  // Memory of this process to write to; sealed. UNAVAILABLE if the system gives none.
  [[nodiscard]] static Result<std::unique_ptr<ShmMemory>> create(const ShmSizes& sizes);
  // The peer's, to read; its payloads also to write, so that who gets one has it to himself. INVALID_ARGUMENT unless it
  // is memory that cannot shrink, as large as these sizes need.
  [[nodiscard]] static Result<std::unique_ptr<ShmMemory>> map(const FileDescriptor& descriptor, const ShmSizes& sizes);
  ~ShmMemory();
  ShmMemory(const ShmMemory&) = delete;
  ShmMemory& operator=(const ShmMemory&) = delete;

  [[nodiscard]] const ShmSizes& sizes() const noexcept { return sizes_; }
  // To hand to the peer; of one's own memory, until close_descriptor().
  [[nodiscard]] const FileDescriptor& descriptor() const noexcept { return descriptor_; }
  void close_descriptor() noexcept { descriptor_ = FileDescriptor(); }

  [[nodiscard]] ShmControl& control() const noexcept { return *reinterpret_cast<ShmControl*>(base_); }
  [[nodiscard]] std::byte* ring() const noexcept { return base_ + kRingOffset; }
  [[nodiscard]] std::byte* payloads() const noexcept { return ring() + sizes_.ring_bytes; }
  [[nodiscard]] bool payloads_writable() const noexcept { return payloads_writable_; }
  // Gives the first `bytes` of the payloads' memory back to the system; they read as zeros.
  void forget_payloads(std::uint64_t bytes) const noexcept;

 private:
  ShmMemory(const ShmSizes& sizes, std::byte* base, FileDescriptor descriptor)
      : sizes_(sizes), base_(base), descriptor_(std::move(descriptor)) {}

  ShmSizes sizes_;
  std::byte* base_;
  FileDescriptor descriptor_;
  bool payloads_writable_ = true;
};

// Both ends' memory, as one of them has it mapped.
struct ShmPair {
  std::unique_ptr<ShmMemory> own;
  std::unique_ptr<ShmMemory> peer;
};

}  // namespace onward
