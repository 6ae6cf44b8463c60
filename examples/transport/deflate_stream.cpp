// SPDX-License-Identifier: Apache-2.0
#include "deflate_stream.h"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

namespace example {
namespace {

using onward::IoResult;
using onward::Status;
using onward::StatusCode;
using Outcome = IoResult::Outcome;

constexpr std::size_t kShownBytes = 16;
constexpr char kDigits[] = "0123456789abcdef";

Bytef* zlib_bytes(std::byte* bytes) { return reinterpret_cast<Bytef*>(bytes); }

uInt zlib_size(std::size_t bytes) {
  return static_cast<uInt>(std::min<std::size_t>(bytes, std::numeric_limits<uInt>::max()));
}

// As text, with what is no printable character as \x00.
std::string shown(std::span<const std::byte> bytes) {
  std::string text;
  for (const std::byte byte : bytes) {
    const auto value = std::to_integer<unsigned char>(byte);
    const bool plain = value >= 0x20 && value < 0x7F && value != '"' && value != '\\';
    if (plain) {
      text += static_cast<char>(value);
    } else {
      text += {'\\', 'x', kDigits[value / 16], kDigits[value % 16]};
    }
  }
  return text;
}

// The bytes of several spans, behind those that are skipped: span by span.
class Offered {
 public:
  Offered(std::span<const iovec> spans, std::size_t skipped) : spans_(spans) { skip(skipped); }
  [[nodiscard]] bool empty() const { return spans_.empty(); }
  [[nodiscard]] std::span<const std::byte> front() const {
    return {static_cast<const std::byte*>(spans_.front().iov_base) + offset_, spans_.front().iov_len - offset_};
  }
  void skip(std::size_t bytes) {
    offset_ += bytes;
    while (!spans_.empty() && offset_ >= spans_.front().iov_len) {
      offset_ -= spans_.front().iov_len;
      spans_ = spans_.subspan(1);
    }
  }

 private:
  std::span<const iovec> spans_;
  std::size_t offset_ = 0;  // in the first span
};

}  // namespace

DeflateStream::DeflateStream(std::unique_ptr<onward::ByteStream> below, int level) : below_(std::move(below)) {
  // zlib marks a state that it could not make by itself: inflateEnd() and deflateEnd() then do nothing.
  const int input = ::inflateInit(&inflater_);
  const int output = ::deflateInit(&deflater_, level);
  if (input != Z_OK || output != Z_OK) failure_ = Status(StatusCode::kResourceExhausted, "no memory to compress with");
}

DeflateStream::~DeflateStream() {
  ::inflateEnd(&inflater_);
  ::deflateEnd(&deflater_);
}

IoResult DeflateStream::read(std::span<const iovec> into) {
  // An end of the output that did not fit is written while the peer's is waited for.
  if (ends_output_) {
    IoResult left = write_block();
    if (left.outcome == Outcome::kWantWrite) {
      holds_input_ = false;
      return left;
    }
  }
  below_is_empty_ = false;
  std::size_t done = 0;
  for (const iovec& span : into) {
    IoResult stopped = inflate_into(span, done);
    if (stopped.outcome == Outcome::kDone) continue;
    // An end or an error is told when what came before it has been taken.
    holds_input_ = done > 0 && (stopped.outcome == Outcome::kEnd || stopped.outcome == Outcome::kFailed);
    return done > 0 ? IoResult{.bytes = done} : stopped;
  }
  holds_input_ = true;  // perhaps: zlib does not say
  return {.bytes = done};
}

// kDone when the span is full.
IoResult DeflateStream::inflate_into(const iovec& span, std::size_t& done) {
  for (std::size_t filled = 0; filled < span.iov_len;) {
    if (!failure_.ok()) return {.outcome = Outcome::kFailed, .error = failure_};
    if (input_ended_) return {.outcome = Outcome::kEnd};
    inflater_.next_in = zlib_bytes(input_.bytes.data() + input_.begin);
    inflater_.avail_in = zlib_size(input_.end - input_.begin);
    const uInt room = zlib_size(span.iov_len - filled);
    inflater_.next_out = static_cast<Bytef*>(span.iov_base) + filled;
    inflater_.avail_out = room;
    const int result = ::inflate(&inflater_, Z_SYNC_FLUSH);
    input_.begin = input_.end - inflater_.avail_in;
    filled += room - inflater_.avail_out;
    done += room - inflater_.avail_out;
    if (result == Z_STREAM_END) {
      input_ended_ = true;
    } else if (result != Z_OK && result != Z_BUF_ERROR) {
      return refuse(result);
    } else if (inflater_.avail_out > 0) {
      if (IoResult got = refill(); got.outcome != Outcome::kDone) return got;
    }
  }
  return {};
}

IoResult DeflateStream::refill() {
  if (below_is_empty_) return {.outcome = Outcome::kWantRead};
  const iovec block{.iov_base = input_.bytes.data(), .iov_len = input_.bytes.size()};
  IoResult got = below_->read({&block, 1});
  if (got.outcome == Outcome::kDone) {
    below_is_empty_ = got.bytes < block.iov_len && !below_->holds_input();
    input_.begin = 0;
    input_.end = got.bytes;
  } else if (got.outcome == Outcome::kEnd && inflater_.total_in > 0) {
    return fail({StatusCode::kUnavailable, "it closed the connection in the middle of its compressed stream"});
  } else if (got.outcome == Outcome::kFailed) {
    return fail(std::move(got.error));
  }
  return got;
}

IoResult DeflateStream::refuse(int zlib_error) {
  if (zlib_error == Z_MEM_ERROR) return fail({StatusCode::kResourceExhausted, "no memory to decompress with"});
  if (inflater_.total_out == 0) {
    const std::span first(input_.bytes.data(), std::min(input_.end, kShownBytes));
    return fail({StatusCode::kInvalidArgument, "it does not speak deflate: what it sends begins with \"" +
                                                   shown(first) + "\"; is its URL a deflate:// one, too?"});
  }
  const std::string what = inflater_.msg == nullptr ? "it wants a dictionary" : inflater_.msg;
  return fail({StatusCode::kInvalidArgument, "its compressed stream is damaged, " + std::to_string(inflater_.total_in) +
                                                 " bytes from its beginning: " + what});
}

IoResult DeflateStream::fail(Status error) {
  failure_ = std::move(error);
  return {.outcome = Outcome::kFailed, .error = failure_};
}

IoResult DeflateStream::write(std::span<const iovec> from) {
  if (!failure_.ok()) return {.outcome = Outcome::kFailed, .error = failure_};
  std::size_t offered = 0;
  for (const iovec& span : from) offered += span.iov_len;
  Offered rest(from, taken_);
  bool all_left_zlib = false;
  for (;;) {
    if (IoResult left = write_block(); left.outcome != Outcome::kDone) return left;
    if (all_left_zlib) break;
    while (!rest.empty() && output_.end < output_.bytes.size()) {
      const std::size_t some = deflate_some(rest.front(), Z_NO_FLUSH);
      rest.skip(some);
      taken_ += some;
    }
    if (rest.empty() && output_.end < output_.bytes.size()) {
      deflate_some({}, Z_SYNC_FLUSH);
      all_left_zlib = output_.end < output_.bytes.size();
    }
  }
  taken_ = 0;
  return {.bytes = offered};
}

std::size_t DeflateStream::deflate_some(std::span<const std::byte> from, int flush) {
  const uInt offered = zlib_size(from.size());
  deflater_.next_in = reinterpret_cast<const Bytef*>(from.data());
  deflater_.avail_in = offered;
  deflater_.next_out = zlib_bytes(output_.bytes.data() + output_.end);
  deflater_.avail_out = zlib_size(output_.bytes.size() - output_.end);
  // It can fail for nothing but a bug, or because there is nothing to do.
  static_cast<void>(::deflate(&deflater_, flush));
  output_.end = output_.bytes.size() - deflater_.avail_out;
  return offered - deflater_.avail_in;
}

// kDone when nothing is left of it.
IoResult DeflateStream::write_block() {
  while (output_.begin < output_.end) {
    const iovec rest{.iov_base = output_.bytes.data() + output_.begin, .iov_len = output_.end - output_.begin};
    IoResult put = below_->write({&rest, 1});
    if (put.outcome != Outcome::kDone) return put;
    output_.begin += put.bytes;
    if (put.bytes < rest.iov_len) return {.outcome = Outcome::kWantWrite};
  }
  output_.begin = output_.end = 0;
  if (std::exchange(ends_output_, false)) below_->end_output();
  return {};
}

// Called when all is written: the block is empty, and has room for the few bytes of an end.
void DeflateStream::end_output() noexcept {
  if (failure_.ok()) deflate_some({}, Z_FINISH);
  ends_output_ = true;
  // Where that must wait, reading goes on with it.
  holds_input_ |= write_block().outcome == Outcome::kWantWrite;
}

}  // namespace example
