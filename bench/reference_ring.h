// A ring of bytes in memory that two processes share: one writes, one reads. Who reads sleeps in its doorbell, an
// eventfd, when told to and there is nothing; who writes rings it only then.
#pragma once

#include <immintrin.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <stdexcept>

#include "reference.h"
#include "reference_pings.h"

namespace onward::bench {

// Lies in the shared memory, which begins as zeros. Positions count all bytes ever.
struct Ring {
  static constexpr std::size_t kBytes = kMaxInFlight * kMessageBytes;

  alignas(64) std::atomic<std::uint64_t> written;
  alignas(64) std::atomic<std::uint64_t> read;
  alignas(64) std::atomic<std::uint32_t> reader_sleeps;
  alignas(64) char bytes[kBytes];
};
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

inline void ring_doorbell(int doorbell) {
  if (::eventfd_write(doorbell, 1) != 0) throw_errno("ring a doorbell");
}

class RingWriter {
 public:
  RingWriter(Ring& ring, int doorbell) : ring_(ring), doorbell_(doorbell) {}

  // Nobody sees it before publish(). There must be room: no more is ever under way than the ring holds.
  void put(std::span<const char> from) {
    if (at_ + from.size() - ring_.read.load(std::memory_order_acquire) > Ring::kBytes) {
      throw std::logic_error("more is under way than a ring holds");
    }
    const std::size_t offset = at_ % Ring::kBytes;
    const std::size_t first = std::min(from.size(), Ring::kBytes - offset);
    std::memcpy(ring_.bytes + offset, from.data(), first);
    std::memcpy(ring_.bytes, from.data() + first, from.size() - first);
    at_ += from.size();
  }

  void publish() {
    ring_.written.store(at_, std::memory_order_release);
    std::atomic_thread_fence(std::memory_order_seq_cst);  // with the reader's: one of the two sees the other
    if (ring_.reader_sleeps.load(std::memory_order_relaxed) != 0) ring_doorbell(doorbell_);
  }

 private:
  Ring& ring_;
  int doorbell_;
  std::uint64_t at_ = 0;
};

class RingReader {
 public:
  RingReader(Ring& ring, int doorbell, Waiting waiting) : ring_(ring), doorbell_(doorbell), waiting_(waiting) {}

  // What has come and lies in one piece: at least a byte, unless `ended`, which whoever sets it follows by ringing.
  [[nodiscard]] std::span<const char> wait(const std::atomic<bool>& ended) {
    while (ring_.written.load(std::memory_order_acquire) == at_) {
      if (ended.load(std::memory_order_acquire)) return {};
      if (waiting_ == Waiting::kSpin) {
        _mm_pause();
      } else {
        sleep(ended);
      }
    }
    const std::size_t offset = at_ % Ring::kBytes;
    const std::uint64_t here = ring_.written.load(std::memory_order_relaxed) - at_;
    return {ring_.bytes + offset, static_cast<std::size_t>(std::min<std::uint64_t>(here, Ring::kBytes - offset))};
  }

  void consume(std::size_t bytes) {
    at_ += bytes;
    ring_.read.store(at_, std::memory_order_release);
  }

 private:
  void sleep(const std::atomic<bool>& ended) {
    ring_.reader_sleeps.store(1, std::memory_order_relaxed);
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (ring_.written.load(std::memory_order_relaxed) == at_ && !ended.load(std::memory_order_relaxed)) {
      eventfd_t rings = 0;
      static_cast<void>(::eventfd_read(doorbell_, &rings));  // interrupted or not, the ring is looked at again
    }
    ring_.reader_sleeps.store(0, std::memory_order_relaxed);
  }

  Ring& ring_;
  int doorbell_;
  Waiting waiting_;
  std::uint64_t at_ = 0;
};

}  // namespace onward::bench
