// SPDX-License-Identifier: Apache-2.0
#include "onward/object_pool.h"

#include <array>
#include <mutex>
#include <vector>

#include "onward/sanitizers.h"

namespace onward {

namespace {

constexpr std::size_t kStep = 8;
constexpr std::size_t kAlignment = 16;  // of objects whose size is a multiple of it
constexpr std::size_t kClasses = kMaxPooledBytes / kStep;
constexpr std::size_t kBatch = 128;  // objects that move between a thread and the depot at once
constexpr std::size_t kSlabBytes = std::size_t{64} << 10;

struct Free {
  Free* next;
};

struct Cache {
  struct List {
    Free* head = nullptr;
    std::size_t count = 0;
  };
  std::array<List, kClasses> lists{};
};

// Lives for ever: threads may free while statics are destroyed.
class Depot {
 public:
  static Depot& instance() {
    static auto* depot = new Depot;
    return *depot;
  }

  void put(std::size_t index, Free* batch) {
    const std::lock_guard lock(mutex_);
    batches_[index].push_back(batch);
  }

  // A batch of kBatch objects or fewer.
  Free* take(std::size_t index) {
    {
      const std::lock_guard lock(mutex_);
      if (!batches_[index].empty()) {
        Free* batch = batches_[index].back();
        batches_[index].pop_back();
        return batch;
      }
    }
    return carve((index + 1) * kStep);
  }

 private:
  Free* carve(std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    const std::size_t wanted = kBatch * bytes;
    const std::size_t gap = slab_left_ % kAlignment;
    slab_ += gap;
    slab_left_ -= gap;
    if (slab_left_ < bytes) {
      slabs_.push_back(static_cast<std::byte*>(::operator new(kSlabBytes)));
      slab_ = slabs_.back();
      slab_left_ = kSlabBytes;
    }
    const std::size_t objects = (wanted < slab_left_ ? wanted : slab_left_) / bytes;
    Free* head = nullptr;
    for (std::size_t i = 0; i < objects; ++i) head = new (slab_ + i * bytes) Free{head};
    slab_ += objects * bytes;
    slab_left_ -= objects * bytes;
    return head;
  }

  std::mutex mutex_;
  std::array<std::vector<Free*>, kClasses> batches_;
  std::vector<std::byte*> slabs_;  // reachable, so that leak checkers know them
  std::byte* slab_ = nullptr;
  std::size_t slab_left_ = 0;
};

constinit thread_local Cache* cache = nullptr;
constinit thread_local bool thread_ended = false;

struct CacheOwner {
  Cache own;
  CacheOwner() { cache = &own; }
  CacheOwner(const CacheOwner&) = delete;
  CacheOwner& operator=(const CacheOwner&) = delete;
  ~CacheOwner() {
    cache = nullptr;
    thread_ended = true;
    for (std::size_t i = 0; i < kClasses; ++i) {
      if (own.lists[i].head != nullptr) Depot::instance().put(i, own.lists[i].head);
    }
  }
};

Cache* open_cache() {
  if (thread_ended) return nullptr;
  static thread_local CacheOwner owner;
  return cache;
}

[[gnu::noinline]] void* allocate_slowly(std::size_t index) {
  Free* batch = Depot::instance().take(index);
  Free* rest = batch->next;
  if (Cache* mine = cache != nullptr ? cache : open_cache(); mine != nullptr) {
    std::size_t count = 0;
    for (const Free* at = rest; at != nullptr; at = at->next) ++count;
    if (mine->lists[index].head == nullptr) {
      mine->lists[index] = {rest, count};
      return batch;
    }
  }
  if (rest != nullptr) Depot::instance().put(index, rest);
  return batch;
}

[[gnu::noinline]] void free_slowly(Free* object, std::size_t index) noexcept {
  Cache* mine = cache != nullptr ? cache : open_cache();
  if (mine == nullptr) {
    object->next = nullptr;
    Depot::instance().put(index, object);
    return;
  }
  Cache::List& list = mine->lists[index];
  if (list.count >= 2 * kBatch) {
    Free* batch = list.head;
    Free* last = batch;
    for (std::size_t i = 1; i < kBatch; ++i) last = last->next;
    list.head = last->next;
    list.count -= kBatch;
    last->next = nullptr;
    Depot::instance().put(index, batch);
  }
  object->next = list.head;
  list.head = object;
  ++list.count;
}

}  // namespace

void* pool_allocate(std::size_t bytes) {
  if (kSanitized || bytes > kMaxPooledBytes) return ::operator new(bytes);
  const std::size_t index = bytes == 0 ? 0 : (bytes - 1) / kStep;
  if (Cache* mine = cache; mine != nullptr) [[likely]] {
    Cache::List& list = mine->lists[index];
    if (Free* object = list.head; object != nullptr) [[likely]] {
      list.head = object->next;
      --list.count;
      return object;
    }
  }
  return allocate_slowly(index);
}

void pool_free(void* memory, std::size_t bytes) noexcept {
  if (kSanitized || bytes > kMaxPooledBytes) {
    ::operator delete(memory, bytes);
    return;
  }
  const std::size_t index = bytes == 0 ? 0 : (bytes - 1) / kStep;
  auto* object = new (memory) Free{nullptr};
  if (Cache* mine = cache; mine != nullptr) [[likely]] {
    Cache::List& list = mine->lists[index];
    if (list.count < 2 * kBatch) [[likely]] {
      object->next = list.head;
      list.head = object;
      ++list.count;
      return;
    }
  }
  free_slowly(object, index);
}

}  // namespace onward
