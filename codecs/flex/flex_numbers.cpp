// SPDX-License-Identifier: Apache-2.0
//
// The part of FlexDecoder that reads numbers, and the errors that say where it found something else.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <type_traits>
#include <utility>

#include "flex/flex_decoder.h"
#include "onward/value_traits.h"

namespace onward::flex {

bool FlexDecoder::other_number_word(Reference reference, Reference& out) {
  reference = untagged(reference);
  out = reference;
  if (reference.type < Type::kIndirectInt || reference.type > Type::kIndirectFloat) return true;
  out.word = target(reference);
  if (out.word == nullptr) return false;
  if (!holds(out.word, reference.width)) {
    fail_malformed("a number does not fit");
    return false;
  }
  out.word_bytes = reference.width;
  out.type = static_cast<Type>(static_cast<int>(reference.type) - static_cast<int>(Type::kIndirectInt) +
                               static_cast<int>(Type::kInt));
  return true;
}

bool FlexDecoder::boolean_of(Reference reference, bool& out) {
  const Reference value = untagged(reference);
  if (value.type != Type::kBool) {
    fail_mismatch(ValueKind::kBoolean, reference);
    return false;
  }
  out = read_unsigned(value.word, value.word_bytes) != 0;
  return true;
}

bool FlexDecoder::signed_of(Reference reference, std::int64_t& out) {
  Reference word;
  if (!number_word(reference, word)) return false;
  if (word.type == Type::kInt) {
    out = read_signed(word.word, word.word_bytes);
    return true;
  }
  if (word.type != Type::kUint) {
    fail_mismatch(ValueKind::kInteger, reference);
    return false;
  }
  const std::uint64_t value = read_unsigned(word.word, word.word_bytes);
  out = static_cast<std::int64_t>(value);
  if (std::in_range<std::int64_t>(value)) return true;
  fail_value(std::to_string(value), "int64");
  return false;
}

bool FlexDecoder::unsigned_of(Reference reference, std::uint64_t& out) {
  Reference word;
  if (!number_word(reference, word)) return false;
  if (word.type == Type::kUint) {
    out = read_unsigned(word.word, word.word_bytes);
    return true;
  }
  if (word.type != Type::kInt) {
    fail_mismatch(ValueKind::kUnsigned, reference);
    return false;
  }
  const std::int64_t value = read_signed(word.word, word.word_bytes);
  out = static_cast<std::uint64_t>(value);
  if (value >= 0) return true;
  fail_value(std::to_string(value), "an unsigned integer");
  return false;
}

bool FlexDecoder::real_of(Reference reference, double& out) {
  Reference word;
  if (!number_word(reference, word)) return false;
  switch (word.type) {
    case Type::kInt:
      out = static_cast<double>(read_signed(word.word, word.word_bytes));
      return true;
    case Type::kUint:
      out = static_cast<double>(read_unsigned(word.word, word.word_bytes));
      return true;
    case Type::kFloat:
      break;
    default:
      fail_mismatch(ValueKind::kReal, reference);
      return false;
  }
  if (word.word_bytes < 4) {
    fail_malformed("a real of fewer than 32 bits");
    return false;
  }
  const std::uint64_t bits = read_unsigned(word.word, word.word_bytes);
  out = word.word_bytes == 8 ? std::bit_cast<double>(bits)
                             : static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(bits)));
  return true;
}

std::size_t FlexDecoder::begin_numbers() {
  const Reference reference = take_next();
  pending_ = {};
  if (reference.word == nullptr || !resolve_numbers(reference, pending_, pending_type_)) return 0;
  return charge(pending_.count * pending_.width) ? pending_.count : 0;
}

NumberType FlexDecoder::number_type() {
  const Reference reference = peek_next();
  Vector vector;
  NumberType type{};
  if (reference.word == nullptr || kind_of(reference) != ValueKind::kNumbers) return NumberType::kFloat64;
  return resolve_numbers(reference, vector, type) ? type : NumberType::kFloat64;
}

// Where the types agree and the words have their natural width, all at once.
bool FlexDecoder::copy_numbers(NumberType type, void* out) {
  const bool packed = pending_.types == nullptr && pending_.element_type != Type::kKey;
  if (!packed || type != pending_type_ || pending_.width != size_of(type)) return false;
  if (type == NumberType::kBool) {
    // A bool that is neither 0 nor 1 must not come to exist.
    auto* to = static_cast<unsigned char*>(out);
    for (std::size_t i = 0; i < pending_.count; ++i) to[i] = pending_.words[i] == std::byte{0} ? 0 : 1;
  } else if (pending_.count > 0) {
    std::memcpy(out, pending_.words, pending_.count * pending_.width);
  }
  return true;
}

template <class T>
void FlexDecoder::convert_numbers(void* out) {
  auto* to = static_cast<unsigned char*>(out);
  for (std::size_t i = 0; i < pending_.count && status_.ok(); ++i) {
    const Reference reference = element(pending_, i);
    T value{};
    if constexpr (std::is_same_v<T, bool>) {
      boolean_of(reference, value);
    } else if constexpr (std::is_floating_point_v<T>) {
      double wide = 0;
      if (real_of(reference, wide) && std::abs(wide) > std::numeric_limits<T>::max() && !std::isinf(wide)) {
        fail_value(std::to_string(wide), "float32");
      }
      if (status_.ok()) value = static_cast<T>(wide);
    } else if constexpr (std::is_signed_v<T>) {
      std::int64_t wide = 0;
      if (signed_of(reference, wide) && !std::in_range<T>(wide))
        fail_value(std::to_string(wide), to_string(number_type_of<T>()));
      value = static_cast<T>(wide);
    } else {
      std::uint64_t wide = 0;
      if (unsigned_of(reference, wide) && !std::in_range<T>(wide))
        fail_value(std::to_string(wide), to_string(number_type_of<T>()));
      value = static_cast<T>(wide);
    }
    std::memcpy(to + i * sizeof value, &value, sizeof value);
  }
}

void FlexDecoder::numbers(NumberType type, void* out, std::size_t count) {
  if (!status_.ok()) return;
  if (count != pending_.count)
    return fail(Status(StatusCode::kInternal, "a decoder was misused: all numbers are read, or none"));
  if (copy_numbers(type, out)) return;
  switch (type) {
    case NumberType::kBool:
      return convert_numbers<bool>(out);
    case NumberType::kInt8:
      return convert_numbers<std::int8_t>(out);
    case NumberType::kInt16:
      return convert_numbers<std::int16_t>(out);
    case NumberType::kInt32:
      return convert_numbers<std::int32_t>(out);
    case NumberType::kInt64:
      return convert_numbers<std::int64_t>(out);
    case NumberType::kUint8:
      return convert_numbers<std::uint8_t>(out);
    case NumberType::kUint16:
      return convert_numbers<std::uint16_t>(out);
    case NumberType::kUint32:
      return convert_numbers<std::uint32_t>(out);
    case NumberType::kUint64:
      return convert_numbers<std::uint64_t>(out);
    case NumberType::kFloat32:
      return convert_numbers<float>(out);
    case NumberType::kFloat64:
      return convert_numbers<double>(out);
    case NumberType::kFloat16:
    case NumberType::kBfloat16:
      break;
  }
  if (count > 0) fail_value("packed numbers of another type", to_string(type));
}

std::string FlexDecoder::where() const {
  std::string path;
  for (const Frame* frame = frames_.data() + 1; frame <= top_; ++frame) {
    if (frame->next == 0 || frame->next > frame->vector.count) continue;  // not yet in it, or a tag
    const std::size_t index = frame->next - 1;
    const Vector& vector = frame->vector;
    if (vector.keys == nullptr) {
      path += '[' + std::to_string(index) + ']';
      continue;
    }
    const std::byte* word = vector.keys + index * vector.key_width;
    const std::uint64_t offset = read_unsigned(word, vector.key_width);
    if (offset > static_cast<std::uint64_t>(word - begin_)) continue;
    const std::byte* key = word - offset;
    const std::size_t room = std::min(static_cast<std::size_t>(end_ - key), kMaxSharedKeyBytes);
    path += '.';
    path.append(reinterpret_cast<const char*>(key), strnlen(reinterpret_cast<const char*>(key), room));
  }
  return path.starts_with('.') ? path.substr(1) : path;
}

void FlexDecoder::fail_value(std::string value, std::string_view type) {
  value += " does not fit ";
  value += type;
  fail_at(std::move(value));
}

void FlexDecoder::fail_malformed(const char* what) { fail_malformed(std::string(what)); }

void FlexDecoder::fail_malformed(const std::string& what) {
  fail(Status(StatusCode::kInvalidArgument, "malformed FlexBuffers message: " + what));
}

void FlexDecoder::fail_mismatch(ValueKind expected, Reference found) {
  const ValueKind kind = kind_of(found);
  if (status_.ok()) fail_at("expected " + std::string(to_string(expected)) + ", found " + std::string(to_string(kind)));
}

}  // namespace onward::flex
