// SPDX-License-Identifier: Apache-2.0
//
// A stream whose bytes travel compressed: each direction is one zlib stream (RFC 1950), from the connection's first
// byte to its end. What is written is flushed as soon as nothing more is offered, so that nobody waits for an answer
// that stands in a compressor.
#pragma once

#define ZLIB_CONST  // what is compressed is not changed
#include <zlib.h>

#include <array>
#include <cstddef>
#include <memory>
#include <span>

#include "onward/stream/byte_stream.h"

namespace example {

// Holds no more than two blocks and what zlib needs, about 300 KB, whatever the peer sends: a compressed byte is only
// looked at when there is room for what it stands for.
class DeflateStream final : public onward::ByteStream {
 public:
  // Of compressed bytes, each way.
  static constexpr std::size_t kBlockBytes = std::size_t{16} << 10;

  // `level` from 1, fastest, to 9, smallest. Where there is no memory, the first read() and write() say so.
  DeflateStream(std::unique_ptr<onward::ByteStream> below, int level);
  ~DeflateStream() override;
  DeflateStream(const DeflateStream&) = delete;
  DeflateStream& operator=(const DeflateStream&) = delete;

  [[nodiscard]] std::unique_ptr<onward::StreamWatcher> watch(onward::EventLoop& loop, void* context,
                                                             onward::IoWatcher::Callback on_readable,
                                                             onward::IoWatcher::Callback on_writable) override {
    return below_->watch(loop, context, on_readable, on_writable);
  }
  // INVALID_ARGUMENT where the peer sends what no compressor makes, UNAVAILABLE where its stream is cut off.
  [[nodiscard]] onward::IoResult read(std::span<const iovec> into) override;
  // What zlib has taken counts as written once all that came of it has gone below.
  [[nodiscard]] onward::IoResult write(std::span<const iovec> from) override;
  [[nodiscard]] std::size_t bytes_in_work() const noexcept override { return taken_; }
  [[nodiscard]] bool holds_input() const noexcept override { return holds_input_; }
  void end_output() noexcept override;
  [[nodiscard]] onward::PeerIdentity identity() const override { return below_->identity(); }

 private:
  struct Block {
    std::array<std::byte, kBlockBytes> bytes;
    std::size_t begin = 0;
    std::size_t end = 0;
  };

  [[nodiscard]] onward::IoResult inflate_into(const iovec& span, std::size_t& done);
  [[nodiscard]] onward::IoResult refill();
  [[nodiscard]] onward::IoResult refuse(int zlib_error);
  [[nodiscard]] onward::IoResult fail(onward::Status error);
  // Has zlib take from `from` what fits the block, and says how much that was. `flush` as zlib has it.
  std::size_t deflate_some(std::span<const std::byte> from, int flush);
  [[nodiscard]] onward::IoResult write_block();

  std::unique_ptr<onward::ByteStream> below_;
  z_stream inflater_{};
  z_stream deflater_{};
  Block input_;
  Block output_;
  std::size_t taken_ = 0;  // by zlib, of what is offered to write(), and not yet reported
  bool below_is_empty_ = false;
  bool holds_input_ = false;
  bool input_ended_ = false;
  bool ends_output_ = false;  // once the block has been written
  onward::Status failure_;
};

}  // namespace example
