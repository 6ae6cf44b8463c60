// SPDX-License-Identifier: Apache-2.0
#include "onward/stream/frame_reader.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

namespace onward {
namespace {

// A chunk that has less room than this left is not filled further.
constexpr std::size_t kMinRoomBytes = std::size_t{16} << 10;
// Room for what follows a large frame in the same read: small frames, or the head of the next large
// one. What of that one's payload comes along must be copied, so it is little.
constexpr std::size_t kTailBytes = std::size_t{4} << 10;

IoResult failed(Status error) { return {.outcome = IoResult::Outcome::kFailed, .error = std::move(error)}; }

std::size_t head_bytes(const MessageHeader& header) noexcept {
  return kHeaderBytes + header.segment_count * kSegmentLengthBytes;
}

}  // namespace

IoResult FrameReader::read(ByteStream& stream, ConnectionEvents& events) {
  if (held_back_) {
    IoResult result = deliver(events);
    if (result.outcome == IoResult::Outcome::kFailed || stopped_) return result;
  }
  return assembly_.active ? read_assembly(stream, events) : read_chunk(stream, events);
}

IoResult FrameReader::deliver(ConnectionEvents& events) {
  Status status = parse(events);
  release_empty_chunk();
  return status.ok() ? IoResult{} : failed(std::move(status));
}

IoResult FrameReader::read_chunk(ByteStream& stream, ConnectionEvents& events) {
  make_room();
  const iovec into{.iov_base = base_ + end_, .iov_len = std::min(wanted_, capacity_ - end_)};
  IoResult result = stream.read({&into, 1});
  filled_ = result.bytes == into.iov_len;
  if (result.outcome == IoResult::Outcome::kDone) {
    end_ += result.bytes;
    if (filled_) wanted_ = std::min(wanted_ * 4, kChunkBytes);
    if (Status status = parse(events); !status.ok()) result = failed(std::move(status));
  }
  release_empty_chunk();
  return result;
}

Status FrameReader::parse(ConnectionEvents& events) {
  frame_bytes_ = 0;
  while (!stopped_ && begin_ != end_) {
    const std::size_t available = end_ - begin_;
    if (first_) [[unlikely]] {
      if (Status status = check_first_bytes({base_ + begin_, available}); !status.ok()) return status;
    }
    if (available < kHeaderBytes) break;
    const MessageHeader header = load_header(base_ + begin_);
    if (!is_acceptable(header, limits_)) [[unlikely]]
      return check_header(header, limits_);
    const std::size_t frame_bytes = padded(kHeaderBytes + header.body_bytes);
    if (header.segment_count == 0 && frame_bytes <= available) [[likely]] {
      const std::span<const std::byte> body(base_ + begin_ + kHeaderBytes, header.body_bytes);
      InboundMessage message{.header = header, .body = body, .storage = body.empty() ? nullptr : &chunk_};
      begin_ += frame_bytes;
      first_ = false;
      events.on_message(message);
      continue;
    }
    if (header.segment_count == 0 && frame_bytes <= kInPlaceBytes) {
      frame_bytes_ = frame_bytes;
      break;
    }
    if (available < head_bytes(header)) {
      frame_bytes_ = head_bytes(header);
      break;
    }
    if (Status status = begin_assembly(header); !status.ok()) return status;
    if (assembly_.missing > 0) break;
    if (Status status = finish_assembly(events); !status.ok()) return status;
  }
  held_back_ = stopped_ && begin_ != end_;
  return {};
}

Status FrameReader::begin_assembly(const MessageHeader& header) {
  if (Status status = allocate_assembly(header); !status.ok()) return status;
  assembly_.header = header;
  assembly_.part = 0;
  assembly_.part_done = 0;
  assembly_.active = true;
  begin_ += head_bytes(header);
  first_ = false;
  take_from_chunk();
  return {};
}

// The lengths are believed once all of them have been checked.
Status FrameReader::allocate_assembly(const MessageHeader& header) {
  std::array<std::uint64_t, kMaxSegments> table;
  const std::span lengths = std::span(table).first(header.segment_count);
  std::memcpy(table.data(), base_ + begin_ + kHeaderBytes, lengths.size_bytes());
  std::uint64_t payload = header.body_bytes;
  std::uint64_t streamed = header.body_bytes;
  assembly_.placed.clear();
  for (std::uint64_t& length : lengths) {
    const bool placed = area_ != nullptr && (length & kInPayloadArea) != 0;
    if (placed) {
      length &= ~kInPayloadArea;
      if (length == 0) return {StatusCode::kInvalidArgument, "it sent an empty segment beside the stream"};
      assembly_.placed.resize(lengths.size());
      assembly_.placed[static_cast<std::size_t>(&length - lengths.data())] = length;
    }
    // One after the other, so that no sum overflows.
    if (Status status = check_message_bytes(length, limits_); !status.ok()) return status;
    payload += length;
    if (Status status = check_message_bytes(payload, limits_); !status.ok()) return status;
    if (placed) length = sizeof(PayloadArea::Place);
    streamed += length;
  }
  const std::uint64_t unpadded = head_bytes(header) + streamed;
  assembly_.frame_bytes = padded(unpadded);
  assembly_.padding_bytes = assembly_.frame_bytes - unpadded;
  assembly_.missing = streamed + assembly_.padding_bytes;
  try {
    assembly_.body = header.body_bytes > 0 ? Buffer::allocate(header.body_bytes) : Buffer();
    assembly_.segments.clear();
    for (const std::uint64_t length : lengths) {
      assembly_.segments.push_back(length > 0 ? Buffer::allocate(length) : Buffer());
    }
  } catch (const std::bad_alloc&) {
    return {StatusCode::kResourceExhausted,
            "no memory for a message of " + std::to_string(payload) + " bytes; lower the limit for messages"};
  }
  return {};
}

void FrameReader::take_from_chunk() {
  std::size_t here = static_cast<std::size_t>(std::min<std::uint64_t>(end_ - begin_, assembly_.missing));
  while (here > 0) {
    const std::span<std::byte> rest = assembly_.rest_of(assembly_.part);
    const std::size_t some = std::min(rest.size(), here);
    if (some > 0) std::memcpy(rest.data(), base_ + begin_, some);
    begin_ += some;
    here -= some;
    assembly_.advance(some);
  }
}

std::span<std::byte> FrameReader::Assembly::rest_of(std::size_t index) noexcept {
  std::span<std::byte> whole;
  if (index == 0) {
    whole = {body.mutable_data(), body.size()};
  } else if (index <= segments.size()) {
    whole = {segments[index - 1].mutable_data(), segments[index - 1].size()};
  } else {
    whole = std::span(padding).first(padding_bytes);
  }
  return index == part ? whole.subspan(part_done) : whole;
}

void FrameReader::Assembly::advance(std::size_t bytes) noexcept {
  missing -= bytes;
  part_done += bytes;
  for (; part <= segments.size(); ++part) {
    const std::size_t whole = part == 0 ? body.size() : segments[part - 1].size();
    if (part_done < whole) return;
    part_done -= whole;
  }
}

IoResult FrameReader::read_assembly(ByteStream& stream, ConnectionEvents& events) {
  std::array<iovec, ByteStream::kMaxSpans> into;
  std::size_t count = 0;
  std::uint64_t asked = 0;
  for (std::size_t part = assembly_.part; part <= assembly_.segments.size() + 1; ++part) {
    std::span<std::byte> rest = assembly_.rest_of(part);
    if (rest.empty()) continue;
    rest = rest.first(std::min(rest.size(), kMaxReadBytes - static_cast<std::size_t>(asked)));
    into[count++] = {.iov_base = rest.data(), .iov_len = rest.size()};
    asked += rest.size();
    if (count == ByteStream::kMaxSpans || asked == kMaxReadBytes) break;
  }
  if (asked == assembly_.missing && count < ByteStream::kMaxSpans) {
    make_room();
    into[count] = {.iov_base = base_ + end_, .iov_len = std::min(kTailBytes, capacity_ - end_)};
    asked += into[count++].iov_len;
  }
  IoResult result = stream.read({into.data(), count});
  filled_ = result.bytes == asked;
  if (result.outcome == IoResult::Outcome::kDone) {
    const std::size_t own = static_cast<std::size_t>(std::min<std::uint64_t>(result.bytes, assembly_.missing));
    assembly_.advance(own);
    end_ += result.bytes - own;
    if (assembly_.missing == 0) {
      // Another large frame is likely: what a chunk takes of it must be copied.
      wanted_ = kTailBytes;
      Status status = finish_assembly(events);
      if (status.ok()) status = parse(events);
      if (!status.ok()) result = failed(std::move(status));
    }
  }
  release_empty_chunk();
  return result;
}

Status FrameReader::finish_assembly(ConnectionEvents& events) {
  // On the stack: the callback may let go of everything.
  const Buffer body = std::move(assembly_.body);
  std::vector<Buffer> segments = std::move(assembly_.segments);
  assembly_.active = false;
  if (Status status = open_segments(segments); !status.ok()) return status;
  InboundMessage message{.header = assembly_.header,
                         .body = body.bytes(),
                         .storage = body.empty() ? nullptr : &body,
                         .segments = segments};
  events.on_message(message);
  return {};
}

Status FrameReader::open_segments(std::vector<Buffer>& segments) const {
  for (std::size_t i = 0; i < assembly_.placed.size(); ++i) {
    if (assembly_.placed[i] == 0) continue;
    PayloadArea::Place place;
    std::memcpy(&place, segments[i].data(), sizeof place);
    Result<Buffer> opened = area_->open(place, assembly_.placed[i]);
    if (!opened) return opened.error();
    segments[i] = *std::move(opened);
  }
  return {};
}

// What has arrived of an incomplete frame stays in front of what follows.
void FrameReader::make_room() {
  const std::size_t held = end_ - begin_;
  if (capacity_ > 0 && chunk_.unique()) {
    if (begin_ > 0 && held > 0) std::memmove(base_, base_ + begin_, held);
  } else {
    // Bytes behind end_ are nobody else's, so a shared chunk is filled up before it is given up.
    if (capacity_ - begin_ >= std::max(frame_bytes_, held + kMinRoomBytes)) return;
    const Buffer old = std::exchange(chunk_, Buffer::allocate(kChunkBytes));
    const std::byte* const from = base_ + begin_;
    base_ = chunk_.mutable_data();
    capacity_ = chunk_.capacity();
    if (held > 0) std::memcpy(base_, from, held);
  }
  begin_ = 0;
  end_ = held;
}

void FrameReader::release_empty_chunk() {
  if (capacity_ == 0 || begin_ != end_) return;
  if (!chunk_.unique() && capacity_ - end_ >= kMinRoomBytes) return;
  chunk_ = Buffer();
  base_ = nullptr;
  capacity_ = begin_ = end_ = 0;
}

std::string FrameReader::incomplete() const {
  std::uint64_t arrived = end_ - begin_;
  std::uint64_t whole = frame_bytes_;
  if (assembly_.active) {
    whole = assembly_.frame_bytes;
    arrived = whole - assembly_.missing;
  }
  if (arrived == 0) return {};
  return std::to_string(arrived) + " of " + (whole > 0 ? std::to_string(whole) : "at least 32") +
         " bytes of a message had arrived";
}

}  // namespace onward
