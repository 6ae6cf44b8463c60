// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "onward/stream/payload_area.h"
#include "shm/shm_copier.h"
#include "shm/shm_memory.h"

namespace onward {

// Free and taken ranges of so many bytes, in whole pages. The lowest range that is large enough is taken, so that
// memory that the caches know is used again.
class PageRanges {
 public:
  explicit PageRanges(std::uint64_t bytes) {
    if (bytes > 0) free_.emplace(0, bytes);
  }
  // The beginning of `bytes`, a multiple of pages.
  [[nodiscard]] std::optional<std::uint64_t> take(std::uint64_t bytes);
  void give_back(std::uint64_t begin, std::uint64_t bytes);

 private:
  std::map<std::uint64_t, std::uint64_t> free_;  // by beginning; no two touch
};

// The large segments of both directions. This end puts its own into its memory, and takes their room back when the
// peer has said that it is done; the peer's are lent to whoever receives them, where they lie.
//
// What a receiver keeps, keeps its room. So once half of the peer's memory is kept, further segments are copied as
// they come: then a receiver that keeps much costs itself a copy, and the sender nothing.
class ShmPayloads final : public PayloadArea {
 public:
  // `copier` is shared by all connections of a thread.
  ShmPayloads(std::shared_ptr<const ShmPair> pair, std::shared_ptr<ShmCopier> copier);

  [[nodiscard]] std::optional<Room> allocate(std::size_t bytes) override;
  void fill(std::byte* room, const std::byte* from, std::size_t bytes) noexcept override {
    copier_->copy(room, from, bytes);
  }
  // The Buffer may outlive all of this, and be let go by any thread.
  [[nodiscard]] Result<Buffer> open(const Place& place, std::uint64_t bytes) override;

  // Whether a segment has been sent or received since this was last asked.
  [[nodiscard]] bool take_activity() noexcept { return std::exchange(active_, false); }
  // Returns memory that nobody uses to the system; false where some is still in use, or none was used.
  bool trim();
  [[nodiscard]] bool used() const noexcept { return high_water_ > 0; }

 private:
  struct Lent {
    std::uint64_t begin = 0;
    std::uint64_t bytes = 0;  // whole pages; 0: the slot is free
    std::uint32_t generation = 0;
  };
  void reclaim();

  std::shared_ptr<const ShmPair> pair_;
  std::shared_ptr<ShmCopier> copier_;
  PageRanges ranges_;
  std::vector<Lent> slots_;
  std::vector<std::uint32_t> taken_;  // slots that are not free
  std::vector<std::uint32_t> free_;   // slots that are
  std::uint64_t high_water_ = 0;      // of the memory that was written to
  bool active_ = false;
  // Bytes of the peer's memory that Buffers keep.
  std::shared_ptr<std::atomic<std::uint64_t>> kept_;
};

}  // namespace onward
