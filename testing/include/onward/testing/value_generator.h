// SPDX-License-Identifier: Apache-2.0
//
// Random values of the data model, and messages as a transport would deliver them: for tests of codecs.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "onward/codec.h"
#include "onward/value_dynamic.h"

namespace onward::testing_support {

// The same seed gives the same values on every platform: no std distributions.
class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}

  std::uint64_t next() { return engine_(); }
  // [0, bound); bound > 0.
  std::size_t below(std::size_t bound) { return static_cast<std::size_t>(next() % bound); }
  bool one_in(std::size_t n) { return below(n) == 0; }
  // Small numbers mostly, now and then one of any width.
  std::uint64_t number() { return next() >> below(64); }
  std::string text(std::size_t most) {
    std::string text(below(most + 1), ' ');
    for (char& letter : text) letter = static_cast<char>(one_in(20) ? next() : 'a' + below(26));
    return text;
  }
  Buffer bytes(std::size_t count) {
    Buffer buffer = Buffer::allocate(count);
    for (std::size_t i = 0; i < count; ++i) buffer.mutable_data()[i] = static_cast<std::byte>(next());
    return buffer;
  }

 private:
  std::mt19937_64 engine_;
};

// Trees with every kind of value, at most `depth` containers deep.
class ValueGenerator {
 public:
  explicit ValueGenerator(Random& random) : random_(random) {}

  DynamicValue value(std::size_t depth) {
    switch (random_.below(depth > 0 ? 14 : 10)) {
      case 0:
        return {std::monostate()};
      case 1:
        return {random_.one_in(2)};
      case 2:
        return {std::bit_cast<std::int64_t>(random_.one_in(2) ? random_.number() : ~random_.number())};
      case 3:
        return {random_.number()};
      case 4:
        return {real()};
      case 5:
        return {random_.text(random_.one_in(10) ? 400 : 12)};
      case 6:
        return {bytes()};
      case 7:
        return {numbers()};
      case 8:
        return {tensor()};
      case 9:
        return {DynamicValue::Table{"demo." + std::string(1, static_cast<char>('A' + random_.below(5))), bytes()}};
      case 10:
      case 11:
      case 12:
        return sequence(depth);
      default:
        return map(depth);
    }
  }

  DynamicValue sequence(std::size_t depth) {
    DynamicValue::Sequence values;
    const std::size_t count = random_.one_in(20) ? random_.below(300) : random_.below(6);
    const bool many = count > 10;
    for (std::size_t i = 0; i < count; ++i) values.push_back(value(many ? 0 : depth - 1));
    return {std::move(values)};
  }

  DynamicValue map(std::size_t depth) {
    std::map<std::string, DynamicValue> sorted;
    const std::size_t count = random_.below(8);
    for (std::size_t i = 0; i < count; ++i) sorted[key()] = value(depth - 1);
    DynamicValue::Map map;
    for (auto& [name, member] : sorted) map.push_back({name, std::move(member)});
    return {std::move(map)};
  }

 private:
  double real() {
    if (random_.one_in(2)) return static_cast<double>(random_.below(1000)) / 8;
    return std::bit_cast<double>(random_.next());
  }
  Buffer bytes() {
    static constexpr std::size_t kSizes[] = {0, 1, 7, 64, 255, 256, 300, 4095, 4096, 5000};
    return random_.bytes(kSizes[random_.below(random_.one_in(8) ? std::size(kSizes) : 5)]);
  }
  NumberType number_type() { return static_cast<NumberType>(random_.below(kNumberTypes)); }
  Buffer elements(NumberType type, std::size_t count) {
    Buffer data = random_.bytes(count * size_of(type));
    if (type == NumberType::kBool) {
      for (std::size_t i = 0; i < count; ++i) data.mutable_data()[i] &= std::byte{1};
    }
    return data;
  }
  DynamicValue::Numbers numbers() {
    const NumberType type = number_type();
    return {type, elements(type, random_.below(random_.one_in(10) ? 700 : 9))};
  }
  TensorValue tensor() {
    TensorValue tensor{.type = number_type(), .shape = {}, .data = {}};
    std::size_t count = 1;
    for (std::size_t rank = random_.below(4); rank > 0; --rank) {
      tensor.shape.push_back(random_.below(random_.one_in(10) ? 40 : 5));
      count *= static_cast<std::size_t>(tensor.shape.back());
    }
    tensor.data = elements(tensor.type, count);
    return tensor;
  }
  std::string key() {
    std::string name =
        random_.one_in(3) ? random_.text(random_.one_in(30) ? 300 : 10) : std::string(1, "abcdefgh"[random_.below(8)]);
    std::erase(name, '\0');
    return name;
  }

  Random& random_;
};

// Writes a tree with up to two tags around each value in it.
class TaggedWriter {
 public:
  TaggedWriter(Random& random, Encoder& encoder) : random_(random), encoder_(encoder) {}

  void value(const DynamicValue& value) {
    const std::size_t tags = random_.below(3);
    for (std::size_t i = 0; i < tags; ++i) encoder_.begin_tagged(random_.text(12));
    if (const auto* sequence = std::get_if<DynamicValue::Sequence>(&value.value)) {
      encoder_.begin_sequence(sequence->size());
      for (const DynamicValue& element : *sequence) this->value(element);
      encoder_.end_sequence();
    } else if (const auto* map = std::get_if<DynamicValue::Map>(&value.value)) {
      encoder_.begin_map(map->size());
      for (const auto& [key, member] : *map) {
        encoder_.key(key);
        this->value(member);
      }
      encoder_.end_map();
    } else {
      encode_value(encoder_, value);
    }
    for (std::size_t i = 0; i < tags; ++i) encoder_.end_tagged();
  }

 private:
  Random& random_;
  Encoder& encoder_;
};

// A message as it arrives: the body at an odd address, in memory that ends where it ends, so that a
// sanitizer sees each byte that is read beyond it.
class Delivery {
 public:
  explicit Delivery(const Payload& payload) : Delivery(payload.body.bytes(), payload.segments) {}
  Delivery(std::span<const std::byte> body, const std::vector<Buffer>& segments, std::size_t offset = 1) {
    storage_ = exact(body, offset);
    body_ = storage_.bytes().subspan(offset);
    for (const Buffer& segment : segments) segments_.push_back(exact(segment.bytes(), 0));
  }

  [[nodiscard]] InboundMessage message() {
    return {.header = {}, .body = body_, .storage = body_.empty() ? nullptr : &storage_, .segments = segments_};
  }

 private:
  static Buffer exact(std::span<const std::byte> bytes, std::size_t offset) {
    auto memory = std::make_unique<std::byte[]>(bytes.size() + offset);
    if (!bytes.empty()) std::memcpy(memory.get() + offset, bytes.data(), bytes.size());
    const std::span<const std::byte> all(memory.get(), bytes.size() + offset);
    return Buffer::wrap(all, [owner = std::move(memory)] {});
  }

  Buffer storage_;
  std::span<const std::byte> body_;
  std::vector<Buffer> segments_;
};

template <class T>
Status encode(const Codec& codec, const T& value, Payload& out) {
  return codec.encode([&](Encoder& encoder) { encode_value(encoder, value); }, out);
}

template <class T>
Status decode(const Codec& codec, InboundMessage message, T& out) {
  return codec.decode(message, [&](Decoder& decoder) { decode_value(decoder, out); });
}

template <class From, class To>
Status round_trip(const Codec& codec, const From& value, To& out) {
  Payload payload;
  if (Status status = encode(codec, value, payload); !status.ok()) return status;
  Delivery delivery(payload);
  return decode(codec, delivery.message(), out);
}

// The values and bytes in a tree: what decoding it has cost.
inline std::size_t weight(const DynamicValue& value) {
  return std::visit(
      [](const auto& content) -> std::size_t {
        using T = std::remove_cvref_t<decltype(content)>;
        std::size_t sum = 1;
        if constexpr (std::is_same_v<T, DynamicValue::Sequence>) {
          for (const DynamicValue& element : content) sum += weight(element);
        } else if constexpr (std::is_same_v<T, DynamicValue::Map>) {
          for (const auto& [key, member] : content) sum += key.size() + weight(member);
        } else if constexpr (requires { content.data.size(); }) {
          sum += content.data.size();
        } else if constexpr (requires { content.size(); }) {
          sum += content.size();
        }
        return sum;
      },
      value.value);
}

}  // namespace onward::testing_support
