// SPDX-License-Identifier: Apache-2.0
#include "shm/shm_copier.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <system_error>
#include <utility>

namespace onward {
namespace {

// A message of several blocks is one after the other, with a turn of the loop between: that is no time to sleep.
constexpr auto kStayAwake = std::chrono::microseconds(100);

}  // namespace

ShmCopier::~ShmCopier() {
  if (!helper_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  helper_.join();
}

void ShmCopier::copy(std::byte* to, const std::byte* from, std::size_t bytes) noexcept {
  if (bytes < kMinBytes || !has_helper()) {
    if (bytes > 0) std::memcpy(to, from, bytes);  // where there is nothing, `from` may be null
    return;
  }
  const Block block{.to = to, .from = from, .bytes = bytes};
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    block_ = block;
    open_ = true;
    next_.store(0, std::memory_order_relaxed);
    blocks_.fetch_add(1, std::memory_order_release);
    wake = std::exchange(sleeping_, false);
  }
  if (wake) changed_.notify_one();
  copy_parts(block);
  {
    const std::lock_guard lock(mutex_);
    open_ = false;
  }
  // Its last part is soon copied, unless somebody else wants its core: then this one.
  while (helping_.load(std::memory_order_acquire)) sched_yield();
}

std::uint64_t ShmCopier::copy_parts(const Block& block) noexcept {
  std::uint64_t parts = 0;
  for (std::size_t at = 0; (at = next_.fetch_add(kPartBytes, std::memory_order_relaxed)) < block.bytes; ++parts) {
    std::memcpy(block.to + at, block.from + at, std::min(kPartBytes, block.bytes - at));
  }
  return parts;
}

bool ShmCopier::has_helper() noexcept {
  if (!may_help_ || helper_.joinable()) return may_help_;
  try {
    helper_ = std::thread([this] { help(); });
  } catch (const std::system_error&) {
    may_help_ = false;  // it goes on alone
  }
  return may_help_;
}

void ShmCopier::help() noexcept {
  pthread_setname_np(pthread_self(), "onward-copy");
  std::uint64_t seen = 0;
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (!open_ || blocks_ == seen) {
      sleeping_ = true;
      changed_.wait(lock, [this] { return !sleeping_ || stopping_; });
      continue;
    }
    seen = blocks_;
    const Block block = block_;
    helping_.store(true, std::memory_order_relaxed);
    lock.unlock();
    const std::uint64_t parts = copy_parts(block);
    helped_.fetch_add(parts, std::memory_order_relaxed);
    helping_.store(false, std::memory_order_release);
    stay_awake(seen);
    lock.lock();
  }
}

void ShmCopier::stay_awake(std::uint64_t seen) const noexcept {
  const auto end = std::chrono::steady_clock::now() + kStayAwake;
  while (blocks_.load(std::memory_order_relaxed) == seen && !stopping_ && std::chrono::steady_clock::now() < end) {
    sched_yield();
  }
}

}  // namespace onward
