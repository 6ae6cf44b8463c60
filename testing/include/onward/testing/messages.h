// SPDX-License-Identifier: Apache-2.0
//
// Messages that tell what they are, so that what arrives can be compared with what was sent.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "onward/buffer.h"
#include "onward/message.h"

namespace onward::testing_support {
namespace detail {

inline constexpr std::uint64_t kStep = 0x9E37'79B9'7F4A'7C15ULL;

inline std::uint64_t word(std::uint64_t seed, std::size_t index) {
  const std::uint64_t mixed = (seed + 1) * kStep + index * 0xBF58'476D'1CE4'E5B9ULL;
  return mixed ^ (mixed >> 29U);
}

inline std::uint64_t segment_seed(std::uint64_t id, std::size_t index) { return id * 257 + index + 1; }

}  // namespace detail

// Bytes that differ with `seed` and are cheap to make and to check, in memory of any size.
inline Buffer patterned(std::size_t bytes, std::uint64_t seed) {
  Buffer buffer = Buffer::allocate(bytes);
  std::byte* to = buffer.mutable_data();
  for (std::size_t at = 0; at < bytes; at += sizeof(std::uint64_t)) {
    const std::uint64_t value = detail::word(seed, at);
    std::memcpy(to + at, &value, std::min(sizeof value, bytes - at));
  }
  return buffer;
}

// Empty if `bytes` are patterned(bytes.size(), seed), else where they differ.
inline std::string pattern_error(std::span<const std::byte> bytes, std::uint64_t seed) {
  for (std::size_t at = 0; at < bytes.size(); at += sizeof(std::uint64_t)) {
    const std::uint64_t value = detail::word(seed, at);
    if (std::memcmp(bytes.data() + at, &value, std::min(sizeof value, bytes.size() - at)) != 0) {
      return "bytes differ at " + std::to_string(at) + " of " + std::to_string(bytes.size());
    }
  }
  return {};
}

// A request with call_id `id`, a body and segments of these sizes, patterned with `id`.
inline Message make_message(std::uint64_t id, std::size_t body_bytes, const std::vector<std::size_t>& segments = {}) {
  Message message;
  message.header.kind = MessageKind::kRequest;
  message.header.call_id = id;
  message.payload.body = patterned(body_bytes, id);
  for (std::size_t i = 0; i < segments.size(); ++i) {
    message.payload.segments.push_back(patterned(segments[i], detail::segment_seed(id, i)));
  }
  return message;
}

// Empty if `message` is what make_message() made of the same arguments.
inline std::string message_error(const InboundMessage& message, std::uint64_t id, std::size_t body_bytes,
                                 const std::vector<std::size_t>& segments = {}) {
  if (message.header.call_id != id) {
    return "message " + std::to_string(message.header.call_id) + " instead of " + std::to_string(id);
  }
  if (message.body.size() != body_bytes || message.header.body_bytes != body_bytes) {
    return "a body of " + std::to_string(message.body.size()) + " bytes instead of " + std::to_string(body_bytes);
  }
  if (message.segments.size() != segments.size() || message.header.segment_count != segments.size()) {
    return std::to_string(message.segments.size()) + " segments instead of " + std::to_string(segments.size());
  }
  if (std::string error = pattern_error(message.body, id); !error.empty()) return error;
  for (std::size_t i = 0; i < segments.size(); ++i) {
    const Buffer& segment = message.segments[i];
    if (segment.size() != segments[i]) return "a segment of the wrong size";
    if (std::string error = pattern_error(segment.bytes(), detail::segment_seed(id, i)); !error.empty()) {
      return "segment " + std::to_string(i) + ": " + error;
    }
  }
  return {};
}

inline Message hello() {
  Message message;
  message.header.kind = MessageKind::kHello;
  message.header.function_id = MessageHeader::kMagic;
  message.payload.body = Buffer::copy_of("hello");
  return message;
}

}  // namespace onward::testing_support
