// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "onward/buffer.h"
#include "onward/message.h"
#include "onward/stream/byte_stream.h"
#include "onward/stream/frame.h"
#include "onward/transport.h"

namespace onward {

// Makes messages of the bytes of one stream.
//
// Small frames are read many at a time into a chunk, and delivered from where they arrived. A frame
// that is larger than kInPlaceBytes and not there yet is read into Buffers of exactly the sizes of
// its body and segments, without another copy of what has not arrived yet.
//
// Only on_message of `events` is called. From there anything may be called but read() and
// deliver().
class FrameReader {
 public:
  // What a chunk holds; with its own head, a block of 64 KiB.
  static constexpr std::size_t kChunkBytes = (std::size_t{64} << 10) - 128;
  static constexpr std::size_t kInPlaceBytes = std::size_t{16} << 10;
  // Most bytes of one read, so that other connections get their turn: a megabyte and what goes with it.
  static constexpr std::size_t kMaxReadBytes = (std::size_t{1} << 20) + kChunkBytes;

  explicit FrameReader(const MessageLimits& limits) : limits_(limits) {}

  // Reads once and delivers what is complete. kDone: there may be more.
  [[nodiscard]] IoResult read(ByteStream& stream, ConnectionEvents& events);
  // Delivers what has been read and was held back by stop(). kDone, or kFailed for a broken frame.
  [[nodiscard]] IoResult deliver(ConnectionEvents& events);

  // Where segments may lie that the stream has only the place of; it must live as long as this reads.
  void use(PayloadArea* area) noexcept { area_ = area; }

  // No message is delivered from now on, not even one that has been read already...
  void stop() noexcept { stopped_ = true; }
  // ... until here; what was held back comes with the next read() or deliver().
  void restart() noexcept { stopped_ = false; }

  // True if deliver() has something to look at.
  [[nodiscard]] bool holds_back() const noexcept { return held_back_; }
  // The last read() got all that it asked for: there may be more.
  [[nodiscard]] bool filled() const noexcept { return filled_; }
  // A part of a large message has arrived.
  [[nodiscard]] bool in_large_message() const noexcept { return assembly_.active; }
  // Empty if the stream may end here, else what is missing.
  [[nodiscard]] std::string incomplete() const;

 private:
  // A frame that does not lie in a chunk: where its bytes go, in their order.
  struct Assembly {
    MessageHeader header;
    Buffer body;
    std::vector<Buffer> segments;
    std::vector<std::uint64_t> placed;  // of each segment its length if it lies in area_, else 0; empty: none does
    std::array<std::byte, kFrameAlignment> padding{};
    std::size_t padding_bytes = 0;
    std::size_t part = 0;       // 0 the body, then the segments, then the padding
    std::size_t part_done = 0;  // bytes of that part
    std::uint64_t missing = 0;  // bytes of all parts
    std::uint64_t frame_bytes = 0;
    bool active = false;

    [[nodiscard]] std::span<std::byte> rest_of(std::size_t index) noexcept;
    void advance(std::size_t bytes) noexcept;
  };

  [[nodiscard]] IoResult read_chunk(ByteStream& stream, ConnectionEvents& events);
  [[nodiscard]] IoResult read_assembly(ByteStream& stream, ConnectionEvents& events);
  [[nodiscard]] Status parse(ConnectionEvents& events);
  [[nodiscard]] Status begin_assembly(const MessageHeader& header);
  [[nodiscard]] Status allocate_assembly(const MessageHeader& header);
  void take_from_chunk();
  [[nodiscard]] Status finish_assembly(ConnectionEvents& events);
  [[nodiscard]] Status open_segments(std::vector<Buffer>& segments) const;
  void make_room();
  void release_empty_chunk();

  MessageLimits limits_;
  PayloadArea* area_ = nullptr;
  bool stopped_ = false;
  bool filled_ = false;
  bool held_back_ = false;  // by stop(): complete frames may lie in the chunk
  bool first_ = true;
  Buffer chunk_;
  std::byte* base_ = nullptr;  // of chunk_
  std::size_t capacity_ = 0;   // of chunk_
  std::size_t begin_ = 0;      // first byte not yet delivered
  std::size_t end_ = 0;        // behind the last byte that has arrived
  std::size_t wanted_ = kChunkBytes;
  std::size_t frame_bytes_ = 0;  // of the frame that begins at begin_, once known and incomplete
  Assembly assembly_;
};

}  // namespace onward
