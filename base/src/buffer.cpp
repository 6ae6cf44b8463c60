// SPDX-License-Identifier: Apache-2.0
#include "onward/buffer.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstring>
#include <limits>
#include <mutex>
#include <new>
#include <vector>

#include "onward/object_pool.h"
#include "onward/sanitizers.h"

namespace onward {

// In front of the bytes that it counts; of a wrapped block, alone.
struct alignas(16) Buffer::Block {
  std::atomic<std::uint32_t> references{1};
  bool wrapped = false;
  bool writable = true;
  std::size_t allocated = 0;  // bytes of the whole allocation, this header included

  std::byte* begin() noexcept { return reinterpret_cast<std::byte*>(this + 1); }
  std::byte* end() noexcept { return reinterpret_cast<std::byte*>(this) + allocated; }
};

namespace {

std::atomic<std::size_t> large_in_use{0};

// Blocks too large for the object pool, by exact size class, up to kMaxIdleBytes of them. Lives for
// ever, as threads may free while statics are destroyed.
class LargeBlocks {
 public:
  static LargeBlocks& instance() {
    static auto* blocks = new LargeBlocks;
    return *blocks;
  }

  // An eighth of the power of two below is the most that a class wastes.
  static std::size_t class_of(std::size_t bytes) noexcept {
    const std::size_t step = step_of(bytes);
    return (bytes + step - 1) / step * step;
  }

  // `bytes` is a class.
  void* allocate(std::size_t bytes) {
    {
      const std::lock_guard lock(mutex_);
      std::vector<void*>& idle = idle_[index_of(bytes)];
      if (!idle.empty()) {
        void* memory = idle.back();
        idle.pop_back();
        idle_bytes_ -= bytes;
        return memory;
      }
    }
    return ::operator new(bytes, std::align_val_t{16});
  }

  void free(void* memory, std::size_t bytes) noexcept {
    {
      const std::lock_guard lock(mutex_);
      if (!kSanitized && idle_bytes_ + bytes <= kMaxIdleBytes && keep(memory, bytes)) return;
    }
    ::operator delete(memory, std::align_val_t{16});
  }

  std::size_t idle_bytes() {
    const std::lock_guard lock(mutex_);
    return idle_bytes_;
  }

 private:
  static constexpr std::size_t kSteps = 8;  // classes between one power of two and the next

  static std::size_t step_of(std::size_t bytes) noexcept {
    return std::max<std::size_t>(std::bit_floor(bytes) / kSteps, 128);
  }
  static std::size_t index_of(std::size_t bytes) noexcept {
    const auto power = static_cast<std::size_t>(std::bit_width(bytes) - 1);
    return power * kSteps + (bytes - std::bit_floor(bytes)) / step_of(bytes);
  }
  bool keep(void* memory, std::size_t bytes) noexcept {
    try {
      idle_[index_of(bytes)].push_back(memory);
      idle_bytes_ += bytes;
      return true;
    } catch (const std::bad_alloc&) {
      return false;
    }
  }

  std::mutex mutex_;
  std::array<std::vector<void*>, 64 * kSteps> idle_;
  std::size_t idle_bytes_ = 0;
};

struct WrappedRelease {
  std::move_only_function<void()> release;
};

}  // namespace

Buffer Buffer::allocate(std::size_t bytes) {
  if (bytes > std::numeric_limits<std::size_t>::max() / 2) throw std::bad_alloc();  // the sums below stay in range
  std::size_t whole = sizeof(Block) + kHeaderRoom + bytes;
  Block* block = nullptr;
  if (whole <= kMaxPooledBytes) {
    whole = (whole + 31) / 32 * 32;
    block = new (pool_allocate(whole)) Block;
  } else {
    whole = LargeBlocks::class_of(whole);
    block = new (LargeBlocks::instance().allocate(whole)) Block;
    large_in_use.fetch_add(whole, std::memory_order_relaxed);
  }
  block->allocated = whole;
  Buffer buffer;
  buffer.block_ = block;
  buffer.data_ = block->begin() + kHeaderRoom;
  buffer.size_ = bytes;
  return buffer;
}

Buffer Buffer::copy_of(std::span<const std::byte> bytes) {
  Buffer buffer = allocate(bytes.size());
  if (!bytes.empty()) std::memcpy(buffer.data_, bytes.data(), bytes.size());
  return buffer;
}

Buffer Buffer::wrap(std::span<const std::byte> bytes, std::move_only_function<void()> release) {
  constexpr std::size_t kWhole = pool_aligned(sizeof(Block) + sizeof(WrappedRelease));
  auto* block = new (pool_allocate(kWhole)) Block;
  block->wrapped = true;
  block->writable = false;
  block->allocated = kWhole;
  new (block->begin()) WrappedRelease{std::move(release)};
  Buffer buffer;
  buffer.block_ = block;
  buffer.data_ = const_cast<std::byte*>(bytes.data());
  buffer.size_ = bytes.size();
  return buffer;
}

Buffer Buffer::wrap_writable(std::span<std::byte> bytes, std::move_only_function<void()> release) {
  Buffer buffer = wrap(bytes, std::move(release));
  buffer.block_->writable = true;
  return buffer;
}

void Buffer::acquire(Block* block) noexcept {
  if (block != nullptr) block->references.fetch_add(1, std::memory_order_relaxed);
}

void Buffer::release(Block* block) noexcept {
  // A sole owner needs no read-modify-write: nobody else could add a reference.
  if (block->references.load(std::memory_order_acquire) != 1 &&
      block->references.fetch_sub(1, std::memory_order_acq_rel) != 1) {
    return;
  }
  if (block->wrapped) {
    auto* owner = std::launder(reinterpret_cast<WrappedRelease*>(block->begin()));
    if (owner->release) owner->release();
    owner->~WrappedRelease();
  }
  const std::size_t whole = block->allocated;
  block->~Block();
  if (whole <= kMaxPooledBytes) {
    pool_free(block, whole);
  } else {
    large_in_use.fetch_sub(whole, std::memory_order_relaxed);
    LargeBlocks::instance().free(block, whole);
  }
}

bool Buffer::unique() const noexcept {
  return block_ != nullptr && block_->writable && block_->references.load(std::memory_order_acquire) == 1;
}

std::byte* Buffer::mutable_data() noexcept { return data_; }

std::size_t Buffer::capacity() const noexcept {
  if (block_ == nullptr) return 0;
  return block_->wrapped ? size_ : static_cast<std::size_t>(block_->end() - data_);
}

void Buffer::resize(std::size_t bytes) noexcept { size_ = std::min(bytes, capacity()); }

std::size_t Buffer::header_room() const noexcept {
  return unique() && !block_->wrapped ? static_cast<std::size_t>(data_ - block_->begin()) : 0;
}

std::byte* Buffer::prepend(std::size_t bytes) noexcept {
  data_ -= bytes;
  size_ += bytes;
  return data_;
}

Buffer Buffer::slice(std::size_t offset, std::size_t bytes) const noexcept {
  Buffer part(*this);
  part.data_ += offset;
  part.size_ = bytes;
  return part;
}

Buffer Buffer::slice(std::span<const std::byte> part) const noexcept {
  return slice(static_cast<std::size_t>(part.data() - data_), part.size());
}

void BufferWriter::append(std::span<const std::byte> bytes) {
  if (!bytes.empty()) std::memcpy(grow(bytes.size()), bytes.data(), bytes.size());
}

void BufferWriter::enlarge(std::size_t bytes) {
  const std::size_t wanted = std::max({size_ + bytes, initial_bytes_, capacity_ * 2});
  Buffer larger = Buffer::allocate(wanted);
  if (size_ > 0) std::memcpy(larger.mutable_data(), base_, size_);
  buffer_ = std::move(larger);
  base_ = buffer_.mutable_data();
  capacity_ = buffer_.capacity();
}

Buffer BufferWriter::take() {
  buffer_.resize(size_);
  Buffer taken = std::move(buffer_);
  base_ = nullptr;
  size_ = 0;
  capacity_ = 0;
  return taken;
}

BufferPoolStatistics buffer_pool_statistics() noexcept {
  return {.in_use_bytes = large_in_use.load(std::memory_order_relaxed),
          .idle_bytes = LargeBlocks::instance().idle_bytes()};
}

}  // namespace onward
