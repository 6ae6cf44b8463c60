// SPDX-License-Identifier: Apache-2.0
#include "onward/stream/frame_writer.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>
#include <iterator>
#include <limits>
#include <utility>

#include "onward/stream/frame.h"

namespace onward {
namespace {

// Written pieces at the front of the queue are removed when they are half of it, and this many.
constexpr std::size_t kMinWrittenPieces = 64;

}  // namespace

void FrameWriter::append(Message&& message, PayloadArea* area) {
  Payload& payload = message.payload;
  MessageHeader& header = message.header;
  assert(payload.body.size() <= std::numeric_limits<std::uint32_t>::max());
  assert(payload.segments.size() <= kMaxSegments);
  const std::size_t body_bytes = payload.body.size();
  header.body_bytes = static_cast<std::uint32_t>(body_bytes);
  header.segment_count = static_cast<std::uint8_t>(payload.segments.size());

  if (payload.segments.empty() && body_bytes <= kCopyBytes) [[likely]] {
    const std::size_t frame_bytes = padded(kHeaderBytes + body_bytes);
    std::byte* to = grow(frame_bytes, true);
    // First, as the body may cover a part of it.
    std::memset(to + frame_bytes - kFrameAlignment, 0, kFrameAlignment);
    std::memcpy(to, &header, kHeaderBytes);
    if (body_bytes > 0) std::memcpy(to + kHeaderBytes, payload.body.data(), body_bytes);
    return;
  }

  append_large(std::move(message), area);
}

void FrameWriter::append_large(Message&& message, PayloadArea* area) {
  Payload& payload = message.payload;
  const MessageHeader& header = message.header;
  const std::size_t body_bytes = payload.body.size();
  // What lies beside the stream is there before the stream says so.
  std::array<std::uint64_t, kMaxSegments> lengths;
  for (std::size_t i = 0; i < payload.segments.size(); ++i) {
    lengths[i] = payload.segments[i].size();
    if (area != nullptr && lengths[i] >= PayloadArea::kMinBytes) place(payload.segments[i], *area, lengths[i]);
  }
  std::size_t frame_bytes = kHeaderBytes + header.segment_count * kSegmentLengthBytes;
  // In front of a body that is not copied, if nobody else has it, so that the two are one piece.
  const bool in_front = body_bytes > kCopyBytes && payload.body.header_room() >= frame_bytes;
  std::byte* to = in_front ? payload.body.prepend(frame_bytes) : grow(frame_bytes, true);
  const std::size_t begin = pieces_.size();
  std::memcpy(to, &header, kHeaderBytes);
  to += kHeaderBytes;
  frame_bytes += body_bytes;
  std::memcpy(to, lengths.data(), payload.segments.size() * kSegmentLengthBytes);
  for (const Buffer& segment : payload.segments) frame_bytes += segment.size();
  append_part(std::move(payload.body));
  if (in_front) pieces_[begin].frame = pieces_[begin].data;
  for (Buffer& segment : payload.segments) append_part(std::move(segment));
  if (const std::size_t padding = padded(frame_bytes) - frame_bytes; padding > 0)
    std::memset(grow(padding, false), 0, padding);
  if (pieces_.back().frame == nullptr) pieces_.back().frame = pieces_.back().data + pieces_.back().bytes;
}

void FrameWriter::append_first(Message&& message, std::size_t untouchable) {
  assert(message.payload.segments.empty() && message.payload.body.size() <= kCopyBytes);
  const std::optional<Gap> gap = empty() ? std::nullopt : find_gap(std::max(untouchable, urgent_bytes_));
  if (!gap) {
    append(std::move(message));
    urgent_bytes_ = queued_bytes_;
    return;
  }
  const Buffer& body = message.payload.body;
  message.header.body_bytes = static_cast<std::uint32_t>(body.size());
  message.header.segment_count = 0;
  const std::size_t bytes = padded(kHeaderBytes + body.size());
  Buffer frame = Buffer::allocate(bytes);
  std::byte* const to = frame.mutable_data();
  std::memset(to + bytes - kFrameAlignment, 0, kFrameAlignment);
  std::memcpy(to, &message.header, kHeaderBytes);
  if (!body.empty()) std::memcpy(to + kHeaderBytes, body.data(), body.size());
  urgent_bytes_ = gap->queued_before + bytes;
  insert(*gap, {.keep = std::move(frame), .data = to, .bytes = bytes, .frame = to});
}

// The first that is not within the first `untouchable` bytes; none where that is the end of the queue.
std::optional<FrameWriter::Gap> FrameWriter::find_gap(std::size_t untouchable) const noexcept {
  std::size_t before = 0;
  for (std::size_t i = first_; i < pieces_.size(); before += pieces_[i++].bytes) {
    const Piece& piece = pieces_[i];
    const std::byte* const end = piece.data + piece.bytes;
    if (piece.frame == nullptr || before + piece.bytes < untouchable) continue;
    const std::byte* at = piece.frame;
    const auto is_open = [&] {
      return at >= piece.data && before + static_cast<std::size_t>(at - piece.data) >= untouchable &&
             (at == end || load_header(at).kind != MessageKind::kHello);
    };
    while (at < end && !is_open()) at += frame_bytes_at(at);
    if (at > end || (at == end && i + 1 == pieces_.size())) continue;
    return Gap{.piece = i, .at = at, .queued_before = before + static_cast<std::size_t>(at - piece.data)};
  }
  return std::nullopt;
}

// Splits the piece where the gap is within it.
void FrameWriter::insert(const Gap& gap, Piece&& piece) {
  queued_bytes_ += piece.bytes;
  const auto place = pieces_.begin() + static_cast<std::ptrdiff_t>(gap.piece);
  const auto front = static_cast<std::size_t>(gap.at - place->data);
  if (front == 0) {
    pieces_.insert(place, std::move(piece));
    return;
  }
  if (front == place->bytes) {
    pieces_.insert(place + 1, std::move(piece));
    return;
  }
  Piece rest{.keep = place->keep, .data = gap.at, .bytes = place->bytes - front, .frame = gap.at};
  place->bytes = front;
  std::array<Piece, 2> added{std::move(piece), std::move(rest)};
  pieces_.insert(place + 1, std::make_move_iterator(added.begin()), std::make_move_iterator(added.end()));
}

// Leaves in `segment` what is streamed instead.
bool FrameWriter::place(Buffer& segment, PayloadArea& area, std::uint64_t& length) {
  const std::optional<PayloadArea::Room> room = area.allocate(segment.size());
  if (!room) return false;
  queued_bytes_ += segment.size();
  area_ = &area;
  length |= kInPayloadArea;
  const std::byte* const data = segment.data();
  pieces_.push_back(
      {.keep = std::move(segment), .data = data, .bytes = length & ~kInPayloadArea, .copy_to = room->memory});
  growing_ = false;
  segment = Buffer::copy_of(std::as_bytes(std::span(&room->place, 1)));
  return true;
}

void FrameWriter::append_part(Buffer&& part) {
  const std::size_t bytes = part.size();
  if (bytes == 0) return;
  if (bytes <= kCopyBytes) {
    std::memcpy(grow(bytes, false), part.data(), bytes);
    return;
  }
  const std::byte* const data = part.data();
  pieces_.push_back({.keep = std::move(part), .data = data, .bytes = bytes});
  growing_ = false;
  queued_bytes_ += bytes;
}

// `bytes` more at the end of the queue, for the caller to fill; at most kCopyBytes and a head.
std::byte* FrameWriter::grow(std::size_t bytes, bool begins_frame) {
  if (chunk_room_ < bytes) {
    chunk_ = Buffer::allocate(kChunkBytes);
    chunk_at_ = chunk_.mutable_data();
    chunk_room_ = chunk_.capacity();
    growing_ = false;
  }
  if (!growing_) {
    pieces_.push_back({.keep = chunk_, .data = chunk_at_, .bytes = 0, .frame = begins_frame ? chunk_at_ : nullptr});
    growing_ = true;
  }
  pieces_.back().bytes += bytes;
  queued_bytes_ += bytes;
  chunk_room_ -= bytes;
  return std::exchange(chunk_at_, chunk_at_ + bytes);
}

IoResult FrameWriter::write(ByteStream& stream) {
  if (pieces_[first_].copy_to != nullptr && !copy_to_area()) return {};
  std::array<iovec, ByteStream::kMaxSpans> from;
  std::size_t count = 0;
  std::size_t offered = 0;
  for (std::size_t i = first_; i < pieces_.size() && count < ByteStream::kMaxSpans && offered < kMaxWriteBytes; ++i) {
    if (pieces_[i].copy_to != nullptr) break;
    const std::size_t bytes = std::min(pieces_[i].bytes, kMaxWriteBytes - offered);
    from[count++] = {.iov_base = const_cast<std::byte*>(pieces_[i].data), .iov_len = bytes};
    offered += bytes;
  }
  IoResult result = stream.write({from.data(), count});
  if (result.outcome != IoResult::Outcome::kDone) return result;
  consume(result.bytes);
  // A stream that takes less than it is offered is full.
  if (result.bytes < offered) return {.outcome = IoResult::Outcome::kWantWrite, .bytes = result.bytes};
  return result;
}

bool FrameWriter::copy_to_area() noexcept {
  std::size_t left = kMaxCopyBytes;
  while (pieces_[first_].copy_to != nullptr && left > 0) {
    Piece& piece = pieces_[first_];
    const std::size_t some = std::min(piece.bytes, left);
    area_->fill(piece.copy_to, piece.data, some);
    piece.copy_to += some;
    left -= some;
    consume(some);
  }
  return pieces_[first_].copy_to == nullptr;
}

void FrameWriter::consume(std::size_t bytes) noexcept {
  queued_bytes_ -= bytes;
  urgent_bytes_ -= std::min(urgent_bytes_, bytes);
  if (queued_bytes_ == 0) {
    clear();
    return;
  }
  while (bytes >= pieces_[first_].bytes) {
    bytes -= pieces_[first_].bytes;
    pieces_[first_++].keep = Buffer();
  }
  pieces_[first_].data += bytes;
  pieces_[first_].bytes -= bytes;
  if (first_ >= kMinWrittenPieces && first_ * 2 >= pieces_.size()) {
    pieces_.erase(pieces_.begin(), pieces_.begin() + static_cast<std::ptrdiff_t>(first_));
    first_ = 0;
  }
}

// An idle connection keeps no chunk: the next one comes from the pool.
void FrameWriter::clear() noexcept {
  pieces_.clear();
  first_ = 0;
  queued_bytes_ = 0;
  urgent_bytes_ = 0;
  chunk_ = Buffer();
  chunk_room_ = 0;
  growing_ = false;
}

}  // namespace onward
