// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "onward/buffer.h"
#include "onward/message.h"
#include "onward/stream/byte_stream.h"
#include "onward/stream/payload_area.h"

namespace onward {

// Makes bytes of messages, and keeps them until the stream has taken them.
//
// Small messages are copied behind each other into a chunk, which costs less than a span each, and
// frees their Buffers at once; larger bodies and segments are written from where they are.
class FrameWriter {
 public:
  static constexpr std::size_t kChunkBytes = (std::size_t{64} << 10) - 128;
  // Bodies and segments up to this size are copied.
  static constexpr std::size_t kCopyBytes = std::size_t{4} << 10;
  // Most bytes of one write, so that other connections get their turn: a megabyte and what goes with it.
  static constexpr std::size_t kMaxWriteBytes = (std::size_t{1} << 20) + kChunkBytes;
  // The same for what is copied to a PayloadArea.
  static constexpr std::size_t kMaxCopyBytes = std::size_t{4} << 20;

  // Sets the sizes in the header. A body of 4 GiB or more, or more than kMaxSegments, is a bug. Large segments
  // go through `area`, if there is one and it has room.
  void append(Message&& message, PayloadArea* area = nullptr);

  // The same for a small message, of at most kCopyBytes and without segments, that goes before what is queued: at the
  // first place between two frames behind a HELLO, what was put first before, and the first `untouchable` bytes.
  void append_first(Message&& message, std::size_t untouchable);

  // Writes once, while not empty(). kDone: all that was offered is written, there may be more.
  // kWantRead, kWantWrite: the stream is full, whether it has taken a part or not.
  [[nodiscard]] IoResult write(ByteStream& stream);

  [[nodiscard]] bool empty() const noexcept { return queued_bytes_ == 0; }
  [[nodiscard]] std::size_t queued_bytes() const noexcept { return queued_bytes_; }
  void clear() noexcept;

 private:
  struct Piece {
    Buffer keep;  // holds the bytes
    const std::byte* data;
    std::size_t bytes;
    std::byte* copy_to = nullptr;  // in area_; null: into the stream
    // The first frame that begins here, or `data + bytes` if one ends here; null where no frame does either. What was
    // written is still there to be read.
    const std::byte* frame = nullptr;
  };
  // A place between two frames.
  struct Gap {
    std::size_t piece = 0;
    const std::byte* at = nullptr;  // in that piece
    std::size_t queued_before = 0;
  };

  std::byte* grow(std::size_t bytes, bool begins_frame);
  [[nodiscard]] std::optional<Gap> find_gap(std::size_t untouchable) const noexcept;
  void insert(const Gap& gap, Piece&& piece);
  void append_part(Buffer&& part);
  void append_large(Message&& message, PayloadArea* area);
  bool place(Buffer& segment, PayloadArea& area, std::uint64_t& length);
  // False when it has copied as much as one turn may.
  bool copy_to_area() noexcept;
  void consume(std::size_t bytes) noexcept;

  std::vector<Piece> pieces_;
  std::size_t first_ = 0;  // pieces_ before it are written
  std::size_t queued_bytes_ = 0;
  std::size_t urgent_bytes_ = 0;  // of these, up to the end of the last message that was put first
  PayloadArea* area_ = nullptr;   // that append() was given
  Buffer chunk_;
  std::byte* chunk_at_ = nullptr;  // next free byte of chunk_
  std::size_t chunk_room_ = 0;     // free bytes of chunk_
  bool growing_ = false;           // the last piece ends at chunk_at_
};

}  // namespace onward
