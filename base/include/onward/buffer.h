// SPDX-License-Identifier: Apache-2.0
//
// Memory for messages. Blocks come from a process-wide pool of size classes, are counted, and are
// returned to it by whichever thread drops the last reference.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <utility>

#include "onward/export.h"

namespace onward {

// A slice of a counted block: three words, cheap to copy and to cut. Many Buffers may share a block;
// the block lives until the last one is gone. Distinct Buffers may be used from distinct threads,
// also when they share a block; bytes are written only while the block has one owner.
//
// A small slice of a large block keeps the whole block: whoever keeps a received slice for long
// copies it (copy_of) or accepts that.
class ONWARD_API Buffer {
 public:
  // Bytes in front of data() that prepend() may use; every allocated Buffer starts with this much,
  // enough for a frame header and the table of four segments.
  static constexpr std::size_t kHeaderRoom = 64;

  Buffer() noexcept = default;
  // `bytes` uninitialised bytes behind kHeaderRoom. Aligned to 16. Throws std::bad_alloc.
  [[nodiscard]] static Buffer allocate(std::size_t bytes);
  [[nodiscard]] static Buffer copy_of(std::span<const std::byte> bytes);
  [[nodiscard]] static Buffer copy_of(std::string_view text) { return copy_of(std::as_bytes(std::span(text))); }
  // Memory that belongs to somebody else; `release` runs once, on any thread, when the last slice
  // is gone. Must not throw. Has no header room and is never written to.
  [[nodiscard]] static Buffer wrap(std::span<const std::byte> bytes, std::move_only_function<void()> release);
  // The same of memory that nobody else looks at meanwhile: its sole owner may write to it.
  [[nodiscard]] static Buffer wrap_writable(std::span<std::byte> bytes, std::move_only_function<void()> release);

  Buffer(const Buffer& other) noexcept : block_(other.block_), data_(other.data_), size_(other.size_) {
    acquire(block_);
  }
  Buffer(Buffer&& other) noexcept
      : block_(std::exchange(other.block_, nullptr)),
        data_(std::exchange(other.data_, nullptr)),
        size_(std::exchange(other.size_, 0)) {}
  Buffer& operator=(const Buffer& other) noexcept {
    Buffer copy(other);
    swap(copy);
    return *this;
  }
  Buffer& operator=(Buffer&& other) noexcept {
    Buffer moved(std::move(other));
    swap(moved);
    return *this;
  }
  ~Buffer() {
    if (block_ != nullptr) release(block_);
  }

  [[nodiscard]] const std::byte* data() const noexcept { return data_; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return {data_, size_}; }
  [[nodiscard]] std::string_view text() const noexcept { return {reinterpret_cast<const char*>(data_), size_}; }

  // True while no other Buffer shares the block and it came from the pool, or wrap_writable(): it may be written.
  [[nodiscard]] bool unique() const noexcept;
  // For the sole owner only (a bug otherwise).
  [[nodiscard]] std::byte* mutable_data() noexcept;
  // Bytes from data() to the end of the block: how far resize() may grow.
  [[nodiscard]] std::size_t capacity() const noexcept;
  // Shrinks, or grows up to capacity(); new bytes are uninitialised.
  void resize(std::size_t bytes) noexcept;
  // Free bytes in front of data() for the sole owner; 0 for a shared or wrapped block.
  [[nodiscard]] std::size_t header_room() const noexcept;
  // Moves data() back by `bytes` (at most header_room()) and returns it, for the caller to fill.
  std::byte* prepend(std::size_t bytes) noexcept;

  // [offset, offset + bytes) of this slice, sharing the block. Must lie within it.
  [[nodiscard]] Buffer slice(std::size_t offset, std::size_t bytes) const noexcept;
  // The same by address: `part` must lie within this slice.
  [[nodiscard]] Buffer slice(std::span<const std::byte> part) const noexcept;

  void swap(Buffer& other) noexcept {
    std::swap(block_, other.block_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
  }

 private:
  struct Block;
  static void acquire(Block* block) noexcept;
  static void release(Block* block) noexcept;

  Block* block_ = nullptr;
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

// Bytes that grow at the end, in pooled memory with header room: what an Encoder writes into.
// Reusable: take() leaves it empty.
class ONWARD_API BufferWriter {
 public:
  explicit BufferWriter(std::size_t initial_bytes = 192) : initial_bytes_(initial_bytes) {}

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] std::byte* data() noexcept { return base_; }
  // Room for `bytes` more; the returned address is where they go, valid until the next grow().
  std::byte* grow(std::size_t bytes) {
    if (capacity_ - size_ < bytes) enlarge(bytes);
    std::byte* at = base_ + size_;
    size_ += bytes;
    return at;
  }
  void append(std::span<const std::byte> bytes);
  // Cuts back to `bytes`, which is at most size().
  void truncate(std::size_t bytes) noexcept { size_ = bytes; }
  // What has been written, as a Buffer with header room.
  [[nodiscard]] Buffer take();

 private:
  void enlarge(std::size_t bytes);

  Buffer buffer_;
  std::byte* base_ = nullptr;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
  std::size_t initial_bytes_;
};

// What the pool holds in blocks of more than kMaxPooledBytes; for tests and metrics. Any thread.
struct BufferPoolStatistics {
  std::size_t in_use_bytes = 0;
  std::size_t idle_bytes = 0;  // kept for reuse, at most kMaxIdleBytes
};
[[nodiscard]] ONWARD_API BufferPoolStatistics buffer_pool_statistics() noexcept;
// Idle memory beyond this goes back to the operating system.
inline constexpr std::size_t kMaxIdleBytes = std::size_t{256} << 20;

}  // namespace onward
