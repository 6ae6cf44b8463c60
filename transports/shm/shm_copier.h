// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <thread>

namespace onward {

// Copies large blocks with two threads: one core alone does not take all that the memory of a machine gives. The
// second thread begins with the first large block and sleeps while there is none. Both take the next part that nobody
// has, so that a second one that comes late, or never, costs nothing but its help.
class ShmCopier {
 public:
  // What is smaller is copied before another thread has woken up.
  static constexpr std::size_t kMinBytes = std::size_t{1} << 20;
  // What a thread takes at a time.
  static constexpr std::size_t kPartBytes = std::size_t{256} << 10;

  // `may_help`: whether there may be a second thread.
  explicit ShmCopier(bool may_help = std::thread::hardware_concurrency() > 1) noexcept : may_help_(may_help) {}
  ~ShmCopier();
  ShmCopier(const ShmCopier&) = delete;
  ShmCopier& operator=(const ShmCopier&) = delete;

  // As memcpy(). On one thread at a time.
  void copy(std::byte* to, const std::byte* from, std::size_t bytes) noexcept;

  // How many parts the second thread has copied. Any thread.
  [[nodiscard]] std::uint64_t helped() const noexcept { return helped_.load(std::memory_order_relaxed); }

 private:
  struct Block {
    std::byte* to = nullptr;
    const std::byte* from = nullptr;
    std::size_t bytes = 0;
  };
  // How many parts it has copied.
  std::uint64_t copy_parts(const Block& block) noexcept;
  [[nodiscard]] bool has_helper() noexcept;
  void help() noexcept;
  void stay_awake(std::uint64_t seen) const noexcept;

  std::mutex mutex_;
  std::condition_variable changed_;
  Block block_;                           // under mutex_
  bool open_ = false;                     // under mutex_: `block_` has parts to take
  bool sleeping_ = false;                 // under mutex_
  std::atomic<bool> stopping_{false};     // set under mutex_
  std::atomic<std::uint64_t> blocks_{0};  // so many were offered; set under mutex_
  std::atomic<std::size_t> next_{0};      // where the part begins that nobody has taken
  std::atomic<bool> helping_{false};      // the helper has a part
  std::atomic<std::uint64_t> helped_{0};
  bool may_help_;
  std::thread helper_;
};

}  // namespace onward
