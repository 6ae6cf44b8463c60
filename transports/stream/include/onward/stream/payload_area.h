// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "onward/buffer.h"
#include "onward/export.h"
#include "onward/status.h"
#include "onward/stream/frame.h"

namespace onward {

// Memory beside a stream that both ends see: large segments lie there, and only their place is streamed.
class ONWARD_API PayloadArea {
 public:
  // Segments from this size on are worth it.
  static constexpr std::size_t kMinBytes = std::size_t{16} << 10;

  // Where a segment lies, as it travels: 16 bytes, little-endian.
  struct Place {
    std::uint64_t offset = 0;
    std::uint32_t slot = 0;
    std::uint32_t generation = 0;
  };
  struct Room {
    Place place;
    std::byte* memory;
  };

  // `bytes` for this end to fill before it sends their place; nothing where there is no room now.
  [[nodiscard]] virtual std::optional<Room> allocate(std::size_t bytes) = 0;
  // Fills room, as memcpy() would.
  virtual void fill(std::byte* room, const std::byte* from, std::size_t bytes) noexcept = 0;
  // What the peer says lies at `place`, in place or copied. INVALID_ARGUMENT where nothing can lie.
  [[nodiscard]] virtual Result<Buffer> open(const Place& place, std::uint64_t bytes) = 0;

 protected:
  ~PayloadArea() = default;
};
static_assert(sizeof(PayloadArea::Place) == kPlaceBytes);

}  // namespace onward
