// SPDX-License-Identifier: Apache-2.0
//
// A message as bytes in a stream:
//
//   header    32 bytes, MessageHeader, little-endian
//   lengths   segment_count times a 64-bit little-endian number, the bytes of each segment
//   body      header.body_bytes
//   segments  back to back, in order
//   padding   zeros up to a multiple of kFrameAlignment, counted from the frame's first byte
//
// On a stream with a PayloadArea, a length with kInPayloadArea set is that of a segment that lies there:
// in its stead the stream has a PayloadArea::Place.
//
// The padding lets a receiver read a frame where it arrived: the body then is as aligned as the
// frame. The first frame each way is a HELLO whose function_id is kMagic.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>

#include "onward/message.h"
#include "onward/status.h"

namespace onward {

inline constexpr std::size_t kHeaderBytes = sizeof(MessageHeader);
inline constexpr std::size_t kSegmentLengthBytes = sizeof(std::uint64_t);
inline constexpr std::size_t kFrameAlignment = 8;
inline constexpr std::uint64_t kInPayloadArea = std::uint64_t{1} << 63;
inline constexpr std::size_t kPlaceBytes = 16;
// The first frame's body: nothing is known about the peer yet.
inline constexpr std::size_t kMaxHelloBytes = std::size_t{64} << 10;

static_assert(std::endian::native == std::endian::little, "frames are little-endian: byte swaps are missing here");

[[nodiscard]] constexpr std::size_t padded(std::size_t bytes) noexcept {
  return (bytes + kFrameAlignment - 1) / kFrameAlignment * kFrameAlignment;
}

// The fields of a header that lies at `from`, unchecked.
[[nodiscard]] inline MessageHeader load_header(const std::byte* from) noexcept {
  MessageHeader header;
  std::memcpy(&header, from, kHeaderBytes);
  return header;
}

// Bytes of a frame in the stream, of which the header and the lengths of its segments lie at `from`.
[[nodiscard]] std::size_t frame_bytes_at(const std::byte* from) noexcept;

[[nodiscard]] constexpr bool is_known(MessageKind kind) noexcept {
  return kind >= MessageKind::kHello && kind <= MessageKind::kCancel;
}

// Those of a request that carries its context, as its last segment.
[[nodiscard]] constexpr bool has_known_flags(const MessageHeader& header) noexcept {
  return header.flags == MessageHeader::kHasContext && header.kind == MessageKind::kRequest && header.segment_count > 0;
}

// True for a header that any frame but the first may have. Fast; check_header() says what is wrong.
[[nodiscard]] constexpr bool is_acceptable(const MessageHeader& header, const MessageLimits& limits) noexcept {
  return is_known(header.kind) && (header.flags == 0 || has_known_flags(header)) &&
         header.body_bytes <= limits.max_body_bytes;
}

// INVALID_ARGUMENT with what was received and what is allowed.
[[nodiscard]] Status check_header(const MessageHeader& header, const MessageLimits& limits);

// The same for the first frame, of which `bytes` have arrived so far, whole or not: garbage is
// found by its first bytes, which the message shows. FAILED_PRECONDITION if they are TLS.
[[nodiscard]] Status check_first_bytes(std::span<const std::byte> bytes);

// INVALID_ARGUMENT if body and segments together are larger than a message may be.
[[nodiscard]] Status check_message_bytes(std::uint64_t bytes, const MessageLimits& limits);

}  // namespace onward
