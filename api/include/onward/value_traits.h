// SPDX-License-Identifier: Apache-2.0
//
// Value<T>, which a type specialises to be carried by any codec, and the scalars, strings and bytes.
// Include value.h, which has the whole list of types.
#pragma once

#include <chrono>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "onward/buffer.h"
#include "onward/codec.h"
#include "onward/status.h"

namespace onward {

// A specialisation has three static functions:
//   void encode(Encoder&, const T&)  writes exactly one value
//   void decode(Decoder&, T&)        reads exactly one into a default-constructed T; on failure it calls
//                                    fail() or leaves the decoder's own error, and T in any valid state
//   void describe(std::string&)      appends the type's name, the same on every platform
// and a fourth where it has other types in it:
//   void list_structs(std::vector<std::string>&)  as the function below, for each of these
template <class T>
struct Value {
  static constexpr bool kUnsupported = true;
};

template <class T>
concept Carried = !requires { Value<T>::kUnsupported; };

// How generic code calls them, with an explanation where T cannot be carried.
template <class T>
void encode_value(Encoder& encoder, const T& value) {
  static_assert(Carried<T>,
                "Onward cannot carry this type. Of a struct, list the members: ONWARD_MEMBERS(Type, member, ...) "
                "beside it. Otherwise use a type from the table in onward/value.h or specialise onward::Value.");
  if constexpr (Carried<T>) Value<T>::encode(encoder, value);
}

template <class T>
void decode_value(Decoder& decoder, T& value) {
  static_assert(Carried<T>,
                "Onward cannot carry this type. Of a struct, list the members: ONWARD_MEMBERS(Type, member, ...) "
                "beside it. Otherwise use a type from the table in onward/value.h or specialise onward::Value.");
  if constexpr (Carried<T>) Value<T>::decode(decoder, value);
}

template <class T>
[[nodiscard]] T decode_value(Decoder& decoder) {
  static_assert(std::is_default_constructible_v<T>, "Values that are read must have a default constructor.");
  T value{};
  decode_value(decoder, value);
  return value;
}

template <class T>
void describe_value(std::string& out) {
  static_assert(Carried<T>,
                "Onward cannot carry this type. Of a struct, list the members: ONWARD_MEMBERS(Type, member, ...) "
                "beside it. Otherwise use a type from the table in onward/value.h or specialise onward::Value.");
  if constexpr (Carried<T>) Value<T>::describe(out);
}

// Appends the structs that T consists of, "Hit{file: string, line: int32}", each once.
template <class T>
void list_structs(std::vector<std::string>& out) {
  if constexpr (requires { Value<T>::list_structs(out); }) Value<T>::list_structs(out);
}

// "list<int32>"
template <class T>
[[nodiscard]] std::string type_name() {
  std::string name;
  describe_value<T>(name);
  return name;
}

// The integer types that are carried; not characters, as char is signed on some platforms only.
template <class T>
concept CarriedInteger =
    std::integral<T> && !std::same_as<T, bool> && !std::same_as<T, char> && !std::same_as<T, wchar_t> &&
    !std::same_as<T, char8_t> && !std::same_as<T, char16_t> && !std::same_as<T, char32_t> && sizeof(T) <= 8;

// Element types of packed numbers and tensors.
template <class T>
concept PackedNumber = CarriedInteger<T> || std::same_as<T, bool> || std::same_as<T, float> || std::same_as<T, double>;

template <PackedNumber T>
[[nodiscard]] consteval NumberType number_type_of() {
  if constexpr (std::same_as<T, bool>) return NumberType::kBool;
  if constexpr (std::same_as<T, float>) return NumberType::kFloat32;
  if constexpr (std::same_as<T, double>) return NumberType::kFloat64;
  constexpr int kLog = sizeof(T) == 1 ? 0 : sizeof(T) == 2 ? 1 : sizeof(T) == 4 ? 2 : 3;
  return static_cast<NumberType>(static_cast<int>(std::is_signed_v<T> ? NumberType::kInt8 : NumberType::kUint8) + kLog);
}

namespace detail {

template <class T>
[[gnu::cold]] void fail_does_not_fit(Decoder& decoder, T value, std::string_view type) {
  decoder.fail_at(std::to_string(value).append(" does not fit ").append(type));
}
[[gnu::cold]] inline void fail_wrong_count(Decoder& decoder, std::size_t expected, std::size_t found,
                                           std::string_view type) {
  std::string what = "expected " + std::to_string(expected) + (expected == 1 ? " value for " : " values for ");
  decoder.fail_at(what.append(type).append(", found ").append(std::to_string(found)));
}

}  // namespace detail

template <>
struct Value<std::monostate> {
  static void encode(Encoder& encoder, const std::monostate&) { encoder.null(); }
  static void decode(Decoder& decoder, std::monostate&) { decoder.null(); }
  static void describe(std::string& out) { out += "null"; }
};

template <>
struct Value<bool> {
  static void encode(Encoder& encoder, const bool& value) { encoder.boolean(value); }
  static void decode(Decoder& decoder, bool& value) { value = decoder.boolean(); }
  static void describe(std::string& out) { out += to_string(NumberType::kBool); }
};

template <CarriedInteger T>
struct Value<T> {
  static void encode(Encoder& encoder, const T& value) {
    if constexpr (std::is_signed_v<T>) {
      encoder.integer(value);
    } else {
      encoder.unsigned_integer(value);
    }
  }
  static void decode(Decoder& decoder, T& value) {
    if constexpr (std::is_signed_v<T>) {
      store(decoder, decoder.integer(), value);
    } else {
      store(decoder, decoder.unsigned_integer(), value);
    }
  }
  static void describe(std::string& out) { out += to_string(number_type_of<T>()); }

 private:
  template <class Wide>
  static void store(Decoder& decoder, Wide wide, T& value) {
    if (std::in_range<T>(wide)) {
      value = static_cast<T>(wide);
    } else {
      detail::fail_does_not_fit(decoder, wide, to_string(number_type_of<T>()));
    }
  }
};

template <>
struct Value<double> {
  static void encode(Encoder& encoder, const double& value) { encoder.real(value); }
  static void decode(Decoder& decoder, double& value) { value = decoder.real(); }
  static void describe(std::string& out) { out += to_string(NumberType::kFloat64); }
};

// Rounds to the nearest float; too large for any is an error.
template <>
struct Value<float> {
  static void encode(Encoder& encoder, const float& value) { encoder.real32(value); }
  static void decode(Decoder& decoder, float& value) {
    const double wide = decoder.real();
    if (std::abs(wide) > std::numeric_limits<float>::max() && !std::isinf(wide)) {
      detail::fail_does_not_fit(decoder, wide, "float32");
    } else {
      value = static_cast<float>(wide);
    }
  }
  static void describe(std::string& out) { out += to_string(NumberType::kFloat32); }
};

template <class T>
  requires std::is_enum_v<T> && (!std::same_as<T, std::byte>)
struct Value<T> {
  using Underlying = std::underlying_type_t<T>;
  static void encode(Encoder& encoder, const T& value) { encode_value(encoder, static_cast<Underlying>(value)); }
  static void decode(Decoder& decoder, T& value) { value = static_cast<T>(decode_value<Underlying>(decoder)); }
  static void describe(std::string& out) { describe_value<Underlying>(out); }
};

template <>
struct Value<std::string> {
  static void encode(Encoder& encoder, const std::string& value) { encoder.string(value); }
  static void decode(Decoder& decoder, std::string& value) { value = decoder.string(); }
  static void describe(std::string& out) { out += "string"; }
};

template <>
struct Value<std::string_view> {
  static void encode(Encoder& encoder, const std::string_view& value) { encoder.string(value); }
  static void decode(Decoder& decoder, std::string_view& value) { value = decoder.string(); }
  static void describe(std::string& out) { out += "string"; }
};

// Text that ends with NUL, as an argument of a call; not as a parameter.
template <>
struct Value<const char*> {
  static void encode(Encoder& encoder, const char* const& value) { encoder.string(value); }
  static void describe(std::string& out) { out += "string"; }
};
template <std::size_t N>
struct Value<char[N]> {
  static void encode(Encoder& encoder, const char (&value)[N]) { encoder.string(static_cast<const char*>(value)); }
  static void describe(std::string& out) { out += "string"; }
};

template <>
struct Value<Buffer> {
  static void encode(Encoder& encoder, const Buffer& value) { encoder.bytes(value); }
  static void decode(Decoder& decoder, Buffer& value) { value = decoder.bytes(); }
  static void describe(std::string& out) { out += "bytes"; }
};

template <>
struct Value<std::span<const std::byte>> {
  static void encode(Encoder& encoder, const std::span<const std::byte>& value) { encoder.bytes(value); }
  static void decode(Decoder& decoder, std::span<const std::byte>& value) { value = decoder.bytes_view(); }
  static void describe(std::string& out) { out += "bytes"; }
};

template <>
struct Value<std::vector<std::byte>> {
  static void encode(Encoder& encoder, const std::vector<std::byte>& value) { encoder.bytes(std::span(value)); }
  static void decode(Decoder& decoder, std::vector<std::byte>& value) {
    const std::span<const std::byte> bytes = decoder.bytes_view();
    value.assign(bytes.begin(), bytes.end());
  }
  static void describe(std::string& out) { out += "bytes"; }
};

template <class Rep, class Period>
struct Value<std::chrono::duration<Rep, Period>> {
  using Duration = std::chrono::duration<Rep, Period>;

  static void encode(Encoder& encoder, const Duration& value) {
    const auto nanoseconds = std::chrono::duration<long double, std::nano>(value).count();
    if (std::abs(nanoseconds) < kLimit) {
      encoder.integer(std::chrono::duration_cast<std::chrono::nanoseconds>(value).count());
    } else {
      encoder.fail(Status(StatusCode::kInvalidArgument, "a duration of 292 years or more cannot be carried"));
    }
  }
  static void decode(Decoder& decoder, Duration& value) {
    const std::int64_t nanoseconds = decoder.integer();
    const auto exact = std::chrono::duration<long double, Period>(std::chrono::nanoseconds(nanoseconds)).count();
    if (std::abs(exact) >= static_cast<long double>(std::numeric_limits<Rep>::max())) {
      detail::fail_does_not_fit(decoder, nanoseconds, "the parameter's duration");
    } else {
      value = std::chrono::duration_cast<Duration>(std::chrono::nanoseconds(nanoseconds));
    }
  }
  static void describe(std::string& out) { out += "duration"; }

 private:
  static constexpr long double kLimit = 9.2e18L;
};

}  // namespace onward
