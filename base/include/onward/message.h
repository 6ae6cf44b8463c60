// SPDX-License-Identifier: Apache-2.0
//
// What travels between two nodes: a fixed header, a body, and large payloads beside it. Byte for byte
// as in docs/WIRE.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "onward/buffer.h"

namespace onward {

enum class MessageKind : std::uint8_t {
  kHello = 1,   // first message each way; body: table Hello
  kGoaway = 2,  // no new requests, please; body: table Goaway
  kPing = 3,    // call_id is an opaque number
  kPong = 4,    // echoes the ping's call_id
  kRequest = 5,
  kResponse = 6,
  kError = 7,   // answers a request; body: table Error
  kCancel = 8,  // the caller no longer waits for call_id; no answer
};

// The 32 bytes in front of every message, little-endian, laid out as FlatBuffers struct
// onward.wire.FrameHeader (base/src/wire.fbs; wire.cpp asserts that they agree).
struct MessageHeader {
  std::uint32_t body_bytes = 0;  // of the body alone, set by send()
  MessageKind kind = MessageKind::kRequest;
  std::uint8_t codec = 0;                 // Codec::id() of body and segments
  std::uint8_t segment_count = 0;         // set by send()
  std::uint8_t flags = 0;                 // kHasContext; a receiver refuses what it does not know
  std::uint64_t call_id = 0;              // chosen by the caller, echoed by the answer
  std::uint64_t function_id = 0;          // requests: function_id(name); HELLO: kMagic
  std::uint32_t timeout_ms = kNoTimeout;  // requests: how long the caller still waits
  std::uint32_t signature = 0;            // requests: hash of the caller's signature; 0: not known, do not check

  static constexpr std::uint32_t kNoTimeout = 0xFFFF'FFFF;
  // Of a request: the last segment is table Context (base/src/wire.fbs).
  static constexpr std::uint8_t kHasContext = 1;
  static constexpr std::uint64_t kMagic = 0x312F'4452'4157'4E4FULL;  // "ONWARD/1" as bytes
};
static_assert(sizeof(MessageHeader) == 32);

// Most segments that one message may carry.
inline constexpr std::size_t kMaxSegments = 255;

// What a codec makes: a body and segments, which are large values that travel beside it, from the
// user's memory without a copy.
struct Payload {
  Buffer body;
  std::vector<Buffer> segments;

  [[nodiscard]] std::uint64_t size_bytes() const noexcept {
    std::uint64_t bytes = body.size();
    for (const Buffer& segment : segments) bytes += segment.size();
    return bytes;
  }
};

// A message on its way out. Owned by whoever holds it; send() takes it.
struct Message {
  MessageHeader header;
  Payload payload;
};

// A message that has arrived, lent to ConnectionEvents::on_message for the call. Body bytes lie in
// `storage`, which usually holds other messages too: keep a slice (retain) or copy what is needed.
struct InboundMessage {
  MessageHeader header;
  std::span<const std::byte> body;
  const Buffer* storage = nullptr;  // holds `body`; null when the body is empty
  std::span<Buffer> segments = {};  // each with memory of its own; may be moved from

  // A Buffer of part of the body that outlives the call, without a copy.
  [[nodiscard]] Buffer retain(std::span<const std::byte> part) const {
    return part.empty() || storage == nullptr ? Buffer() : storage->slice(part);
  }
};

// What a node accepts from a peer before it closes the connection, and where it slows down.
struct MessageLimits {
  std::uint32_t max_body_bytes = 64U << 20;
  std::uint64_t max_message_bytes = std::uint64_t{1} << 30;  // body and segments together
  // Output queued on one connection: above high, queued_bytes() callers should hold back; on_drained
  // comes when it has fallen to low.
  std::size_t output_high_bytes = std::size_t{8} << 20;
  std::size_t output_low_bytes = std::size_t{2} << 20;
};

}  // namespace onward
