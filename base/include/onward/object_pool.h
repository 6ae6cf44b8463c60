// SPDX-License-Identifier: Apache-2.0
//
// Where the kernel's small objects live: future states, callbacks, calls, small buffers. Size classes of
// 8 bytes, a cache for each thread, batches exchanged through a shared depot: an object may be freed
// by another thread than the one that made it. Memory is carved from slabs and kept for reuse until the
// process ends. Under AddressSanitizer and ThreadSanitizer it is plain operator new, so that they see
// every misuse.
#pragma once

#include <cstddef>
#include <new>
#include <utility>

#include "onward/export.h"

namespace onward {

inline constexpr std::size_t kMaxPooledBytes = 1024;

// So many bytes, or a few more, that pool_allocate() aligns as operator new does.
[[nodiscard]] constexpr std::size_t pool_aligned(std::size_t bytes) noexcept { return (bytes + 15) / 16 * 16; }

// Aligned to 16 if `bytes` is a multiple of that, else to 8. Larger than kMaxPooledBytes goes to operator new. Throws
// std::bad_alloc. Any thread.
[[nodiscard]] ONWARD_API void* pool_allocate(std::size_t bytes);
// `bytes` as it was asked for.
ONWARD_API void pool_free(void* memory, std::size_t bytes) noexcept;

// new and delete through the pool, for a type that is deleted as itself.
template <class T, class... Args>
[[nodiscard]] T* pool_new(Args&&... args) {
  static_assert(alignof(T) <= 16, "over-aligned types need memory of their own");
  void* memory = pool_allocate(sizeof(T));
  try {
    return new (memory) T(std::forward<Args>(args)...);
  } catch (...) {
    pool_free(memory, sizeof(T));
    throw;
  }
}
template <class T>
void pool_delete(T* object) noexcept {
  object->~T();
  pool_free(object, sizeof(T));
}

}  // namespace onward
