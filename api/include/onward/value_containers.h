// SPDX-License-Identifier: Apache-2.0
//
// Value<T> of the standard containers, optionals and tuples. Include value.h.
#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

#include "onward/value_traits.h"

namespace onward {

namespace detail {

// Reserved before the elements are there; more grows as they arrive, as the count is a peer's word.
inline constexpr std::size_t kMaxReserve = 1024;

template <class Container>
void encode_sequence(Encoder& encoder, const Container& values) {
  encoder.begin_sequence(values.size());
  for (const auto& value : values) encode_value(encoder, value);
  encoder.end_sequence();
}

}  // namespace detail

template <class T>
  requires(!PackedNumber<T>)
struct Value<std::vector<T>> {
  static void encode(Encoder& encoder, const std::vector<T>& values) { detail::encode_sequence(encoder, values); }
  static void decode(Decoder& decoder, std::vector<T>& values) {
    const std::size_t count = decoder.begin_sequence();
    values.clear();
    values.reserve(std::min(count, detail::kMaxReserve));
    for (std::size_t i = 0; i < count && decoder.ok(); ++i) decode_value(decoder, values.emplace_back());
    decoder.end_sequence();
  }
  static void describe(std::string& out) {
    out += "list<";
    describe_value<T>(out);
    out += '>';
  }
  static void list_structs(std::vector<std::string>& out) { onward::list_structs<T>(out); }
};

template <PackedNumber T>
struct Value<std::vector<T>> {
  static void encode(Encoder& encoder, const std::vector<T>& values) {
    if constexpr (std::same_as<T, bool>) {
      const auto flat = std::make_unique_for_overwrite<bool[]>(values.size());
      std::copy(values.begin(), values.end(), flat.get());
      encoder.numbers(NumberType::kBool, flat.get(), values.size());
    } else {
      encoder.numbers(number_type_of<T>(), values.data(), values.size());
    }
  }
  static void decode(Decoder& decoder, std::vector<T>& values) {
    const std::size_t count = decoder.begin_numbers();
    if constexpr (std::same_as<T, bool>) {
      const auto flat = std::make_unique<bool[]>(count);
      decoder.numbers(NumberType::kBool, flat.get(), count);
      values.assign(flat.get(), flat.get() + count);
    } else {
      values.resize(count);
      decoder.numbers(number_type_of<T>(), values.data(), count);
    }
  }
  static void describe(std::string& out) {
    out += "list<";
    describe_value<T>(out);
    out += '>';
  }
};

template <class T, std::size_t N>
struct Value<std::array<T, N>> {
  static void encode(Encoder& encoder, const std::array<T, N>& values) {
    if constexpr (std::same_as<T, std::byte>) {
      encoder.bytes(std::span<const std::byte>(values));
    } else if constexpr (PackedNumber<T>) {
      encoder.numbers(number_type_of<T>(), values.data(), N);
    } else {
      detail::encode_sequence(encoder, values);
    }
  }
  static void decode(Decoder& decoder, std::array<T, N>& values) {
    if constexpr (std::same_as<T, std::byte>) {
      const std::span<const std::byte> bytes = decoder.bytes_view();
      if (expect(decoder, bytes.size())) std::ranges::copy(bytes, values.begin());
    } else if constexpr (PackedNumber<T>) {
      if (expect(decoder, decoder.begin_numbers())) decoder.numbers(number_type_of<T>(), values.data(), N);
    } else {
      if (!expect(decoder, decoder.begin_sequence())) return;
      for (T& value : values) decode_value(decoder, value);
      decoder.end_sequence();
    }
  }
  static void describe(std::string& out) {
    out += "array<";
    if constexpr (std::same_as<T, std::byte>) {
      out += "byte";
    } else {
      describe_value<T>(out);
    }
    out += ", " + std::to_string(N) + '>';
  }
  static void list_structs(std::vector<std::string>& out) { onward::list_structs<T>(out); }

 private:
  static bool expect(Decoder& decoder, std::size_t count) {
    if (decoder.ok() && count != N) detail::fail_wrong_count(decoder, N, count, type_name<std::array<T, N>>());
    return decoder.ok();
  }
};

// Equal elements are read as one.
template <class T>
struct Value<std::set<T>> {
  static void encode(Encoder& encoder, const std::set<T>& values) { detail::encode_sequence(encoder, values); }
  static void decode(Decoder& decoder, std::set<T>& values) {
    values.clear();
    const std::size_t count = decoder.begin_sequence();
    for (std::size_t i = 0; i < count && decoder.ok(); ++i) values.insert(decode_value<T>(decoder));
    decoder.end_sequence();
  }
  static void describe(std::string& out) {
    out += "set<";
    describe_value<T>(out);
    out += '>';
  }
  static void list_structs(std::vector<std::string>& out) { onward::list_structs<T>(out); }
};

namespace detail {

template <class Map>
struct MapValue {
  using Key = typename Map::key_type;
  using Mapped = typename Map::mapped_type;
  static constexpr bool kStringKeys = std::same_as<Key, std::string> || std::same_as<Key, std::string_view>;

  static void encode(Encoder& encoder, const Map& map) {
    if constexpr (kStringKeys) {
      encoder.begin_map(map.size());
      for (const auto& [key, value] : map) {
        encoder.key(key);
        encode_value(encoder, value);
      }
      encoder.end_map();
    } else {
      encode_sequence(encoder, map);
    }
  }

  static void decode(Decoder& decoder, Map& map) {
    map.clear();
    if constexpr (kStringKeys) {
      decode_map(decoder, map, [](std::string_view text) { return Key(text); });
    } else if constexpr (CarriedInteger<Key>) {
      if (decoder.peek() == ValueKind::kMap) {
        decode_map(decoder, map, [&](std::string_view text) { return parse(decoder, text); });
      } else {
        decode_pairs(decoder, map);
      }
    } else {
      decode_pairs(decoder, map);
    }
  }

  static void describe(std::string& out) {
    out += "map<";
    describe_value<Key>(out);
    out += ", ";
    describe_value<Mapped>(out);
    out += '>';
  }
  static void list_structs(std::vector<std::string>& out) {
    onward::list_structs<Key>(out);
    onward::list_structs<Mapped>(out);
  }

 private:
  template <class ToKey>
  static void decode_map(Decoder& decoder, Map& map, const ToKey& to_key) {
    const std::size_t count = decoder.begin_map();
    for (std::size_t i = 0; i < count && decoder.ok(); ++i) {
      Key key = to_key(decoder.key());
      decode_value(decoder, map[std::move(key)]);
    }
    decoder.end_map();
  }

  static void decode_pairs(Decoder& decoder, Map& map) {
    const std::size_t count = decoder.begin_sequence();
    for (std::size_t i = 0; i < count && decoder.ok(); ++i) {
      auto pair = decode_value<std::pair<Key, Mapped>>(decoder);
      if (decoder.ok()) map.insert_or_assign(std::move(pair.first), std::move(pair.second));
    }
    decoder.end_sequence();
  }

  static Key parse(Decoder& decoder, std::string_view text)
    requires CarriedInteger<Key>
  {
    Key key{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), key);
    if (error != std::errc() || end != text.data() + text.size()) {
      decoder.fail_at('"' + std::string(text) + "\" does not fit " + type_name<Key>());
    }
    return key;
  }
};

}  // namespace detail

template <class Key, class T>
struct Value<std::map<Key, T>> : detail::MapValue<std::map<Key, T>> {};
template <class Key, class T>
struct Value<std::unordered_map<Key, T>> : detail::MapValue<std::unordered_map<Key, T>> {};

namespace detail {
template <class T>
inline constexpr bool kMayBeNull = std::same_as<T, std::monostate>;
template <class T>
inline constexpr bool kMayBeNull<std::optional<T>> = true;
}  // namespace detail

template <class T>
struct Value<std::optional<T>> {
  static void encode(Encoder& encoder, const std::optional<T>& value) {
    check_type();
    if (value.has_value()) {
      encode_value(encoder, *value);
    } else {
      encoder.null();
    }
  }
  static void decode(Decoder& decoder, std::optional<T>& value) {
    check_type();
    if (decoder.peek() == ValueKind::kNull) {
      decoder.null();
      value.reset();
    } else {
      decode_value(decoder, value.emplace());
    }
  }
  static void describe(std::string& out) {
    out += "optional<";
    describe_value<T>(out);
    out += '>';
  }
  static void list_structs(std::vector<std::string>& out) { onward::list_structs<T>(out); }

 private:
  static void check_type() {
    static_assert(!detail::kMayBeNull<T>, "An optional of what may itself be null cannot be told apart on the wire.");
  }
};

namespace detail {

template <class Tuple, class... T>
struct TupleValue {
  static void encode(Encoder& encoder, const Tuple& values) {
    encoder.begin_sequence(sizeof...(T));
    std::apply([&](const auto&... value) { (encode_value(encoder, value), ...); }, values);
    encoder.end_sequence();
  }
  static void decode(Decoder& decoder, Tuple& values) {
    const std::size_t count = decoder.begin_sequence();
    if (count == sizeof...(T)) {
      std::apply([&](auto&... value) { (decode_value(decoder, value), ...); }, values);
    } else if (decoder.ok()) {
      fail_wrong_count(decoder, sizeof...(T), count, type_name<Tuple>());
    }
    decoder.end_sequence();
  }
  static void describe(std::string& out) {
    out += '(';
    std::size_t index = 0;
    ((out += index++ == 0 ? "" : ", ", describe_value<T>(out)), ...);
    out += ')';
  }
  static void list_structs(std::vector<std::string>& out) { (onward::list_structs<T>(out), ...); }
};

}  // namespace detail

template <class... T>
struct Value<std::tuple<T...>> : detail::TupleValue<std::tuple<T...>, T...> {};
template <class A, class B>
struct Value<std::pair<A, B>> : detail::TupleValue<std::pair<A, B>, A, B> {};

// Arguments are encoded from references, which need not be copied into a tuple of values.
template <class T>
struct Value<const T> : Value<T> {};
template <class T>
struct Value<const T&> : Value<T> {};

}  // namespace onward
