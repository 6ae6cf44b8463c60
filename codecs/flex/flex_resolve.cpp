// SPDX-License-Identifier: Apache-2.0
//
// The part of FlexDecoder that follows offsets: everything that turns bytes of the message into
// pointers is here, and is checked here.
#include <cstring>
#include <string>
#include <utility>

#include "flex/flex_decoder.h"

namespace onward::flex {

namespace {

bool is_fixed(Type type) { return type >= Type::kVectorInt2 && type <= Type::kVectorFloat4; }

bool is_numbers(Type type) {
  return (type >= Type::kVectorInt && type <= Type::kVectorFloat) || is_fixed(type) || type == Type::kVectorBool;
}

Type element_of(Type vector) {
  switch (vector) {
    case Type::kVectorInt:
      return Type::kInt;
    case Type::kVectorUint:
      return Type::kUint;
    case Type::kVectorFloat:
      return Type::kFloat;
    case Type::kVectorBool:
      return Type::kBool;
    default:
      return Type::kKey;
  }
}

NumberType number_type_of_elements(Type element, std::uint8_t width) {
  const int log = width == 1 ? 0 : width == 2 ? 1 : width == 4 ? 2 : 3;
  switch (element) {
    case Type::kInt:
      return static_cast<NumberType>(static_cast<int>(NumberType::kInt8) + log);
    case Type::kUint:
      return static_cast<NumberType>(static_cast<int>(NumberType::kUint8) + log);
    case Type::kBool:
      return NumberType::kBool;
    default:
      return width == 4 ? NumberType::kFloat32 : NumberType::kFloat64;
  }
}

// 16-bit floats have none: they are copied, never read one by one.
Type element_of(NumberType type) {
  if (type == NumberType::kBool) return Type::kBool;
  if (type <= NumberType::kInt64) return Type::kInt;
  if (type <= NumberType::kUint64) return Type::kUint;
  return type >= NumberType::kFloat32 ? Type::kFloat : Type::kNull;
}

}  // namespace

bool FlexDecoder::resolve(Reference reference, Vector& out) {
  if (reference.type == Type::kVector) return resolve_words(reference, reference.width + 1U, out);
  if (reference.type == Type::kMap) return resolve_words(reference, reference.width + 1U, out) && resolve_keys(out);
  if (is_fixed(reference.type)) return resolve_fixed(reference, out);
  if (!resolve_words(reference, reference.width, out)) return false;
  out.types = nullptr;
  out.element_type = element_of(reference.type);
  if (out.element_type != Type::kFloat || out.width >= 4) return true;
  fail_malformed("reals of fewer than 32 bits");
  return false;
}

bool FlexDecoder::resolve_fixed(Reference reference, Vector& out) {
  const std::byte* words = target(reference);
  if (words == nullptr) return false;
  const int form = static_cast<int>(reference.type) - static_cast<int>(Type::kVectorInt2);
  const auto count = static_cast<std::size_t>(form / 3 + 2);
  const auto element = static_cast<Type>(form % 3 + static_cast<int>(Type::kInt));
  if (!holds(words, count * reference.width) || (element == Type::kFloat && reference.width < 4)) {
    fail_malformed("a vector of fixed length does not fit");
    return false;
  }
  out = {.words = words,
         .types = nullptr,
         .keys = nullptr,
         .count = count,
         .width = reference.width,
         .key_width = 0,
         .element_type = element};
  return true;
}

// In front of a map's length lie the offset of its key vector, and the width of that.
bool FlexDecoder::resolve_keys(Vector& vector) {
  const std::uint8_t width = vector.width;
  if (vector.words - begin_ < 3 * width) {
    fail_malformed("a map has no keys");
    return false;
  }
  const std::byte* prefix = vector.words - 3 * width;
  const std::byte* keys = target({.word = prefix, .word_bytes = width, .width = 1, .type = Type::kVectorKey});
  if (keys == nullptr) return false;
  const std::uint64_t key_width = read_unsigned(prefix + width, width);
  if (!is_width(key_width) || static_cast<std::uint64_t>(keys - begin_) < key_width ||
      read_unsigned(keys - key_width, static_cast<std::uint8_t>(key_width)) != vector.count ||
      vector.count > static_cast<std::uint64_t>(end_ - keys) / key_width) {
    fail_malformed("a map's keys are not as many as its values");
    return false;
  }
  vector.keys = keys;
  vector.key_width = static_cast<std::uint8_t>(key_width);
  return true;
}

Extended FlexDecoder::extended(Reference reference, Vector& out) {
  if (reference.type != Type::kVector || !resolve(reference, out) || !starts_with_key(out)) return Extended::kNone;
  const std::byte* text = target(element(out, 0));
  if (text == nullptr) return Extended::kNone;
  for (std::size_t i = 1; i < kExtendedNames.size(); ++i) {
    const std::size_t bytes = kExtendedNames[i].size() + 1;  // the NUL behind a literal included
    if (holds(text, bytes) && std::memcmp(text, kExtendedNames[i].data(), bytes) == 0) return static_cast<Extended>(i);
  }
  return Extended::kNone;
}

bool FlexDecoder::tag_of(const Vector& vector, std::string_view& out) {
  std::span<const std::byte> name;
  if (vector.count != 3 || element(vector, 1).type != Type::kString) {
    fail_malformed("a tagged value is not [key, type name, value]");
    return false;
  }
  if (!content_of(element(vector, 1), name)) return false;
  out = {reinterpret_cast<const char*>(name.data()), name.size()};
  return true;
}

FlexDecoder::Reference FlexDecoder::see_through(Reference reference, std::size_t& tags) {
  const auto depth = static_cast<std::size_t>(top_ - frames_.data());
  Vector vector;
  std::string_view name;
  for (tags = 0; extended(reference, vector) == Extended::kTagged; ++tags) {
    if (depth + tags == kMaxValueDepth) fail_malformed("values nest deeper than 64 levels");
    if (!status_.ok() || !tag_of(vector, name) || !charge(kElementWork)) return {};
    reference = element(vector, 2);
  }
  return status_.ok() ? reference : Reference{};
}

FlexDecoder::Reference FlexDecoder::enter_tags(Reference reference) {
  std::size_t tags = 0;
  reference = see_through(reference, tags);
  if (reference.word == nullptr) return {};
  for (; tags > 0; --tags) *++top_ = kTagFrame;
  return reference;
}

ValueKind FlexDecoder::kind_of(Reference reference) {
  switch (reference.type) {
    case Type::kNull:
      return ValueKind::kNull;
    case Type::kBool:
      return ValueKind::kBoolean;
    case Type::kInt:
    case Type::kIndirectInt:
      return ValueKind::kInteger;
    case Type::kUint:
    case Type::kIndirectUint:
      return ValueKind::kUnsigned;
    case Type::kFloat:
    case Type::kIndirectFloat:
      return ValueKind::kReal;
    case Type::kKey:
    case Type::kString:
      return ValueKind::kString;
    case Type::kBlob:
      return ValueKind::kBytes;
    case Type::kMap:
      return ValueKind::kMap;
    case Type::kVectorKey:
    case Type::kVectorString:
      return ValueKind::kSequence;
    case Type::kVector:
      break;
    default:
      if (is_numbers(reference.type)) return ValueKind::kNumbers;
      fail_malformed("a value of the unknown type " + std::to_string(static_cast<int>(reference.type)));
      return ValueKind::kNull;
  }
  Vector vector;
  switch (extended(reference, vector)) {
    case Extended::kSegment:
      return ValueKind::kBytes;
    case Extended::kTensor:
      return ValueKind::kTensor;
    case Extended::kTable:
      return ValueKind::kTable;
    case Extended::kNumbers:
      return ValueKind::kNumbers;
    case Extended::kTagged:
      return kind_of(untagged(reference));
    case Extended::kNone:
      break;
  }
  return status_.ok() ? ValueKind::kSequence : ValueKind::kNull;
}

bool FlexDecoder::sequence_of(Reference reference, Vector& out) {
  NumberType type{};
  switch (extended(reference, out)) {
    case Extended::kNone:
      if (reference.type == Type::kVector) return status_.ok();
      if (is_numbers(reference.type) || reference.type == Type::kVectorKey || reference.type == Type::kVectorString) {
        return resolve(reference, out);
      }
      break;
    case Extended::kNumbers:
      if (!resolve_numbers(reference, out, type)) return false;
      if (out.element_type != Type::kNull) return true;
      break;
    default:
      break;
  }
  fail_mismatch(ValueKind::kSequence, reference);
  return false;
}

bool FlexDecoder::resolve_numbers(Reference reference, Vector& out, NumberType& type) {
  std::span<const std::byte> blob;
  type = NumberType::kUint8;
  if (is_numbers(reference.type)) {
    if (!resolve(reference, out)) return false;
    type = number_type_of_elements(out.element_type, out.width);
    return true;
  }
  if (reference.type == Type::kBlob) {
    if (!blob_of(reference, blob)) return false;
  } else {
    const Extended form = extended(reference, out);
    if (form == Extended::kTagged) return resolve_numbers(untagged(reference), out, type);
    if (!status_.ok()) return false;
    if (form != Extended::kNumbers) return sequence_of(reference, out);
    std::uint64_t number = 0;
    if (out.count != 3 || !unsigned_of(element(out, 1), number) || number >= kNumberTypes ||
        !blob_of(element(out, 2), blob) || blob.size() % size_of(static_cast<NumberType>(number)) != 0) {
      fail_malformed("packed numbers are not [key, type, bytes]");
      return false;
    }
    type = static_cast<NumberType>(number);
  }
  const std::size_t size = size_of(type);
  out = {.words = blob.data(),
         .types = nullptr,
         .keys = nullptr,
         .count = blob.size() / size,
         .width = static_cast<std::uint8_t>(size),
         .key_width = 0,
         .element_type = element_of(type)};
  return true;
}

bool FlexDecoder::blob_of(Reference reference, std::span<const std::byte>& out) {
  if (reference.type != Type::kBlob && reference.type != Type::kString) {
    fail_mismatch(ValueKind::kBytes, reference);
    return false;
  }
  return content_of(reference, out);
}

bool FlexDecoder::text_of(Reference reference, std::string_view& out) {
  if (reference.type == Type::kKey) {
    out = key_at(reference.word, reference.word_bytes);
    return status_.ok();
  }
  if (reference.type != Type::kString) {
    fail_mismatch(ValueKind::kString, reference);
    return false;
  }
  std::span<const std::byte> text;
  if (!blob_of(reference, text)) return false;
  out = {reinterpret_cast<const char*>(text.data()), text.size()};
  return true;
}

std::string_view FlexDecoder::key_at(const std::byte* word, std::uint8_t word_bytes) {
  const std::byte* text = target({.word = word, .word_bytes = word_bytes, .width = 1, .type = Type::kKey});
  if (text == nullptr) return {};
  const auto* nul = static_cast<const std::byte*>(std::memchr(text, 0, static_cast<std::size_t>(end_ - text)));
  if (nul == nullptr) {
    fail_malformed("a key does not end");
    return {};
  }
  return {reinterpret_cast<const char*>(text), static_cast<std::size_t>(nul - text)};
}

bool FlexDecoder::bytes_of(Reference reference, std::span<const std::byte>* view, Buffer* buffer) {
  if (reference.type == Type::kVector) {
    Vector vector;
    std::size_t index = 0;
    if (extended(reference, vector) != Extended::kSegment) {
      fail_mismatch(ValueKind::kBytes, reference);
      return false;
    }
    if (!segment_of(vector, index)) return false;
    if (view != nullptr) *view = message_.segments[index].bytes();
    if (buffer != nullptr) *buffer = std::move(message_.segments[index]);
    return true;
  }
  std::span<const std::byte> found;
  if (!blob_of(reference, found) || !charge(found.size())) return false;
  if (view != nullptr) *view = found;
  if (buffer != nullptr) *buffer = message_.storage != nullptr ? message_.retain(found) : Buffer::copy_of(found);
  return true;
}

bool FlexDecoder::segment_of(const Vector& vector, std::size_t& index) {
  std::uint64_t number = 0;
  std::uint64_t bytes = 0;
  if (vector.count != 3 || !unsigned_of(element(vector, 1), number) || !unsigned_of(element(vector, 2), bytes)) {
    fail_malformed("a segment is not [key, index, bytes]");
    return false;
  }
  if (number >= message_.segments.size() || number >= segments_used_.size()) {
    fail_malformed("it refers to segment " + std::to_string(number) + " of " +
                   std::to_string(message_.segments.size()));
    return false;
  }
  index = static_cast<std::size_t>(number);
  if (segments_used_[index] || message_.segments[index].size() != bytes) {
    fail_malformed("it refers to segment " + std::to_string(number) +
                   (segments_used_[index] ? " twice" : " with another size than it has"));
    return false;
  }
  segments_used_.set(index);
  return true;
}

}  // namespace onward::flex
