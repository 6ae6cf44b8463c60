// SPDX-License-Identifier: Apache-2.0
//
// The FlexBuffers format (https://flatbuffers.dev/flexbuffers), as far as both directions need it.
//
// A value is a type byte (type << 2 | log2 of its width) and a word in its parent: the value itself for
// what is inline, else the distance back to it. Words of one parent have one width: 1, 2, 4 or 8 bytes. A
// vector is its length, words, and type bytes unless its type says what all elements are; a map is a
// vector with a vector of sorted keys in front. The root's word, type and width end the message.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "onward/codec.h"

namespace onward::flex {

static_assert(std::endian::native == std::endian::little, "FlexBuffers words are copied as they are.");

enum class Type : std::uint8_t {
  kNull = 0,
  kInt = 1,
  kUint = 2,
  kFloat = 3,
  kKey = 4,
  kString = 5,
  kIndirectInt = 6,
  kIndirectUint = 7,
  kIndirectFloat = 8,
  kMap = 9,
  kVector = 10,
  kVectorInt = 11,
  kVectorUint = 12,
  kVectorFloat = 13,
  kVectorKey = 14,
  kVectorString = 15,  // deprecated: its elements are read as keys
  kVectorInt2 = 16,    // then uint2, float2, int3 … float4: no length in front
  kVectorFloat4 = 24,
  kBlob = 25,
  kBool = 26,
  kVectorBool = 36,
};

[[nodiscard]] constexpr bool is_width(std::uint64_t bytes) {
  return bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8;
}

[[nodiscard]] constexpr bool is_inline(Type type) { return type <= Type::kFloat || type == Type::kBool; }

// Log2 of the bytes that hold a number.
[[nodiscard]] constexpr std::uint8_t width_of(std::uint64_t value) {
  if (value < 1U << 8) return 0;
  if (value < 1U << 16) return 1;
  return value < std::uint64_t{1} << 32 ? 2 : 3;
}
[[nodiscard]] constexpr std::uint8_t width_of_signed(std::int64_t value) {
  const auto doubled = static_cast<std::uint64_t>(value) << 1U;
  return width_of(value < 0 ? ~doubled : doubled);
}
[[nodiscard]] constexpr std::uint8_t width_of_real(double value) {
  return static_cast<double>(static_cast<float>(value)) == value ? 2 : 3;
}

// A word of 1, 2, 4 or 8 bytes; the caller has checked that it is there.
[[nodiscard]] inline std::uint64_t read_unsigned(const std::byte* at, std::uint8_t bytes) {
  const auto load = [at]<class Word>(Word word) -> std::uint64_t {
    std::memcpy(&word, at, sizeof word);
    return word;
  };
  if (bytes == 1) return std::to_integer<std::uint64_t>(*at);
  if (bytes == 2) return load(std::uint16_t{});
  return bytes == 4 ? load(std::uint32_t{}) : load(std::uint64_t{});
}
[[nodiscard]] inline std::int64_t read_signed(const std::byte* at, std::uint8_t bytes) {
  const int unused = 64 - 8 * bytes;
  return static_cast<std::int64_t>(read_unsigned(at, bytes) << unused) >> unused;
}

// Stores the low bytes of `word`: 1 << width of them.
inline void store(std::byte* at, std::uint64_t word, std::uint8_t width) {
  const auto put = [at]<class Word>(Word low) { std::memcpy(at, &low, sizeof low); };
  if (width == 0) return put(static_cast<std::uint8_t>(word));
  if (width == 1) return put(static_cast<std::uint16_t>(word));
  if (width == 2) return put(static_cast<std::uint32_t>(word));
  put(word);
}

// What FlexBuffers has no type for is a vector whose first element is a key, which no C++ value is
// written as:
//   [key "segment", index, bytes]                 a segment of the message, in place of a blob
//   [key "tensor", number type, shape, blob]      shape: a vector of integers
//   [key "table", type name, blob]                a finished FlatBuffers table
//   [key "numbers", number type, blob]            packed numbers that a typed vector cannot hold: 16-bit
//                                                 floats, and more elements than fit the element's width
//   [key "tagged", type name, value]              a value with a tag, which all but tag() see through
// Any other first key leaves it a plain vector.
enum class Extended : std::uint8_t { kNone, kSegment, kTensor, kTable, kNumbers, kTagged };
inline constexpr std::array<std::string_view, 6> kExtendedNames = {"",      "segment", "tensor",
                                                                   "table", "numbers", "tagged"};
[[nodiscard]] constexpr std::string_view name_of(Extended extended) {
  return kExtendedNames[static_cast<std::size_t>(extended)];
}

// Keys that are this close and short enough are written once; so are the key vectors of equal maps. A
// reader of ours bounds repeated work by the size of the message, which this stays below.
inline constexpr std::size_t kMaxShareDistance = 60'000;
inline constexpr std::size_t kMaxSharedKeyBytes = 64;

}  // namespace onward::flex
