// SPDX-License-Identifier: Apache-2.0
//
// A value whose type is known only at run time: what a command line or a scripting language sends and
// receives. Reads whatever a codec carries, and writes it again.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "onward/value_traits.h"

namespace onward {

// One value of the data model in codec.h, as a tree.
struct DynamicValue {
  using Sequence = std::vector<DynamicValue>;
  // In the order of the wire (flex: sorted by key); keys are unique when it is written.
  struct Member;
  using Map = std::vector<Member>;
  // Packed numbers; `data` holds a whole number of elements, at any alignment.
  struct Numbers {
    NumberType type = NumberType::kFloat64;
    Buffer data;
    [[nodiscard]] std::size_t count() const noexcept { return data.size() / size_of(type); }
  };
  struct Table {
    std::string type_name;
    Buffer data;
  };
  // One alternative for each ValueKind, in its order.
  using Variant = std::variant<std::monostate, bool, std::int64_t, std::uint64_t, double, std::string, Buffer, Sequence,
                               Map, Numbers, TensorValue, Table>;

  Variant value;

  [[nodiscard]] ValueKind kind() const noexcept { return static_cast<ValueKind>(value.index()); }

  // The same kind with the same content; reals and packed numbers compare as bits, so that NaN equals itself.
  friend bool operator==(const DynamicValue& a, const DynamicValue& b) noexcept;
};

struct DynamicValue::Member {
  std::string key;
  DynamicValue value;

  friend bool operator==(const Member&, const Member&) = default;
};

namespace detail {

inline bool same(double a, double b) noexcept {
  return std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b);
}
inline bool same(const Buffer& a, const Buffer& b) noexcept { return a.text() == b.text(); }
inline bool same(const DynamicValue::Numbers& a, const DynamicValue::Numbers& b) noexcept {
  return a.type == b.type && same(a.data, b.data);
}
inline bool same(const TensorValue& a, const TensorValue& b) noexcept {
  return a.type == b.type && a.shape == b.shape && same(a.data, b.data);
}
inline bool same(const DynamicValue::Table& a, const DynamicValue::Table& b) noexcept {
  return a.type_name == b.type_name && same(a.data, b.data);
}
template <class T>
bool same(const T& a, const T& b) noexcept {
  return a == b;
}

struct DynamicEncoder {
  Encoder& encoder;

  void operator()(std::monostate) const { encoder.null(); }
  void operator()(bool value) const { encoder.boolean(value); }
  void operator()(std::int64_t value) const { encoder.integer(value); }
  void operator()(std::uint64_t value) const { encoder.unsigned_integer(value); }
  void operator()(double value) const { encoder.real(value); }
  void operator()(const std::string& value) const { encoder.string(value); }
  void operator()(const Buffer& value) const { encoder.bytes(value); }
  void operator()(const DynamicValue::Sequence& values) const {
    encoder.begin_sequence(values.size());
    for (const DynamicValue& value : values) std::visit(*this, value.value);
    encoder.end_sequence();
  }
  void operator()(const DynamicValue::Map& map) const {
    encoder.begin_map(map.size());
    for (const auto& [key, value] : map) {
      encoder.key(key);
      std::visit(*this, value.value);
    }
    encoder.end_map();
  }
  void operator()(const DynamicValue::Numbers& numbers) const {
    encoder.numbers(numbers.type, numbers.data.data(), numbers.count());
  }
  void operator()(const TensorValue& tensor) const { encoder.tensor(tensor); }
  void operator()(const DynamicValue::Table& table) const { encoder.table(table.type_name, table.data); }
};

}  // namespace detail

inline bool operator==(const DynamicValue& a, const DynamicValue& b) noexcept {
  if (a.value.index() != b.value.index()) return false;
  return std::visit(
      [&](const auto& left) { return detail::same(left, *std::get_if<std::remove_cvref_t<decltype(left)>>(&b.value)); },
      a.value);
}

// Nesting is bounded by the codec: kMaxValueDepth.
template <>
struct Value<DynamicValue> {
  static void encode(Encoder& encoder, const DynamicValue& value) {
    std::visit(detail::DynamicEncoder{encoder}, value.value);
  }

  static void decode(Decoder& decoder, DynamicValue& out) {
    switch (decoder.peek()) {
      case ValueKind::kNull:
        decoder.null();
        out.value = std::monostate();
        break;
      case ValueKind::kBoolean:
        out.value = decoder.boolean();
        break;
      case ValueKind::kInteger:
        out.value = decoder.integer();
        break;
      case ValueKind::kUnsigned:
        out.value = decoder.unsigned_integer();
        break;
      case ValueKind::kReal:
        out.value = decoder.real();
        break;
      case ValueKind::kString:
        out.value = std::string(decoder.string());
        break;
      case ValueKind::kBytes:
        out.value = decoder.bytes();
        break;
      case ValueKind::kSequence:
        decode_sequence(decoder, out.value.emplace<DynamicValue::Sequence>());
        break;
      case ValueKind::kMap:
        decode_map(decoder, out.value.emplace<DynamicValue::Map>());
        break;
      case ValueKind::kNumbers:
        decode_numbers(decoder, out.value.emplace<DynamicValue::Numbers>());
        break;
      case ValueKind::kTensor:
        out.value = decoder.tensor();
        break;
      case ValueKind::kTable: {
        std::string name(decoder.table_name());
        out.value = DynamicValue::Table{std::move(name), decoder.table({})};
        break;
      }
    }
  }

  static void describe(std::string& out) { out += "any"; }

 private:
  static constexpr std::size_t kMaxReserve = 1024;

  static void decode_sequence(Decoder& decoder, DynamicValue::Sequence& values) {
    const std::size_t count = decoder.begin_sequence();
    values.reserve(std::min(count, kMaxReserve));
    for (std::size_t i = 0; i < count && decoder.ok(); ++i) decode(decoder, values.emplace_back());
    decoder.end_sequence();
  }
  static void decode_map(Decoder& decoder, DynamicValue::Map& map) {
    const std::size_t count = decoder.begin_map();
    map.reserve(std::min(count, kMaxReserve));
    for (std::size_t i = 0; i < count && decoder.ok(); ++i) {
      auto& [key, value] = map.emplace_back(std::string(decoder.key()));
      decode(decoder, value);
    }
    decoder.end_map();
  }
  static void decode_numbers(Decoder& decoder, DynamicValue::Numbers& numbers) {
    numbers.type = decoder.number_type();
    const std::size_t count = decoder.begin_numbers();
    numbers.data = Buffer::allocate(count * size_of(numbers.type));
    decoder.numbers(numbers.type, numbers.data.mutable_data(), count);
  }
};

}  // namespace onward
