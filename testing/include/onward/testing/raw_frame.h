// SPDX-License-Identifier: Apache-2.0
//
// Frames for raw sockets, written out by hand as docs/WIRE.md has them, so that a mistake in the code is not made
// twice.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace onward::testing_support {

// Adds it to `bytes`, little-endian, whatever this machine is.
template <class Integer>
void put(std::string& bytes, Integer value) {
  for (std::size_t i = 0; i < sizeof value; ++i) {
    bytes += static_cast<char>((static_cast<std::uint64_t>(value) >> (8 * i)) & 0xFFU);
  }
}

inline constexpr std::uint8_t kRawHello = 1;
inline constexpr std::uint8_t kRawGoaway = 2;
inline constexpr std::uint8_t kRawPing = 3;
inline constexpr std::uint8_t kRawPong = 4;
inline constexpr std::uint8_t kRawRequest = 5;
inline constexpr std::uint8_t kRawResponse = 6;
inline constexpr std::uint8_t kRawError = 7;
inline constexpr std::uint8_t kRawCancel = 8;
inline constexpr std::uint8_t kRawFlex = 1;
// Where others have the function's id, a hello has this.
inline constexpr std::uint64_t kRawMagic = 0x312F'4452'4157'4E4FULL;

// The header's fields in the order in which they travel.
struct RawHeader {
  std::uint32_t body_bytes = 0;
  std::uint8_t kind = 0;
  std::uint8_t codec = 0;
  std::uint8_t segment_count = 0;
  std::uint8_t flags = 0;
  std::uint64_t call_id = 0;
  std::uint64_t function_id = 0;
  std::uint32_t timeout_ms = 0xFFFF'FFFF;
  std::uint32_t signature = 0;
};

// The header as it is, whatever it says.
inline std::string raw_header(const RawHeader& header) {
  std::string bytes;
  put(bytes, header.body_bytes);
  put(bytes, header.kind);
  put(bytes, header.codec);
  put(bytes, header.segment_count);
  put(bytes, header.flags);
  put(bytes, header.call_id);
  put(bytes, header.function_id);
  put(bytes, header.timeout_ms);
  put(bytes, header.signature);
  return bytes;
}

// A whole frame: lengths, segment table and padding are set here.
inline std::string raw_frame(RawHeader header, std::string_view body = {},
                             const std::vector<std::string>& segments = {}) {
  constexpr std::size_t kAlignment = 8;
  header.body_bytes = static_cast<std::uint32_t>(body.size());
  header.segment_count = static_cast<std::uint8_t>(segments.size());
  std::string bytes = raw_header(header);
  for (const std::string& segment : segments) put(bytes, std::uint64_t{segment.size()});
  bytes += body;
  for (const std::string& segment : segments) bytes += segment;
  bytes.resize((bytes.size() + kAlignment - 1) / kAlignment * kAlignment);
  return bytes;
}

}  // namespace onward::testing_support
