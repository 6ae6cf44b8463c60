// SPDX-License-Identifier: Apache-2.0
#include "flex/flex_decoder.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <string>
#include <utility>

namespace onward::flex {

namespace {

std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

FlexDecoder::FlexDecoder(InboundMessage& message)
    : message_(message),
      begin_(message.body.data()),
      end_(begin_ + message.body.size()),
      work_left_(kFreeWork + kWorkPerByte * message.body.size()) {
  top_->vector.count = 0;
  top_->next = 0;
  const std::size_t size = message.body.size();
  const std::size_t width = size < 3 ? 0 : std::to_integer<std::size_t>(end_[-1]);
  if (!is_width(width) || size < width + 2) {
    fail_malformed("it does not end with a root");
    return;
  }
  top_->vector = {.words = end_ - 2 - width,
                  .types = end_ - 2,
                  .keys = nullptr,
                  .count = 1,
                  .width = static_cast<std::uint8_t>(width),
                  .key_width = 0,
                  .element_type = Type::kNull};
}

void FlexDecoder::fail_exhausted() {
  if (top_ == frames_.data())
    return fail(Status(StatusCode::kInternal, "a decoder was misused: a second value at the root"));
  fail_at("expected more than " + std::to_string(top_->vector.count) + " values");
}

FlexDecoder::Reference FlexDecoder::peek_behind_tags() {
  leave_tags();
  if (status_.ok() && top_->next < top_->vector.count) return element(top_->vector, top_->next);
  fail_exhausted();
  return {};
}

void FlexDecoder::close_behind_tags() {
  leave_tags();
  if (!status_.ok() || top_ == frames_.data() || top_->next != top_->vector.count) return fail_left();
  --top_;
}

void FlexDecoder::fail_left() {
  if (top_ == frames_.data())
    return fail(Status(StatusCode::kInternal, "a decoder was misused: the end of no container"));
  const std::size_t left = top_->vector.count - top_->next;
  fail_at(std::to_string(left) + (left == 1 ? " value more than was" : " values more than were") + " expected");
}

ValueKind FlexDecoder::peek() {
  const Reference reference = peek_next();
  return reference.word != nullptr ? kind_of(reference) : ValueKind::kNull;
}

void FlexDecoder::null() {
  const Reference reference = untagged(take_next());
  if (reference.word != nullptr && reference.type != Type::kNull) fail_mismatch(ValueKind::kNull, reference);
}

bool FlexDecoder::boolean() {
  const Reference reference = take_next();
  if (reference.word == nullptr) return false;
  if (reference.type == Type::kBool) [[likely]]
    return read_unsigned(reference.word, reference.word_bytes) != 0;
  bool value = false;
  return boolean_of(reference, value) && value;
}

std::int64_t FlexDecoder::integer() {
  const Reference reference = take_next();
  if (reference.word == nullptr) return 0;
  if (reference.type == Type::kInt) [[likely]]
    return read_signed(reference.word, reference.word_bytes);
  std::int64_t value = 0;
  return signed_of(reference, value) ? value : 0;
}

std::uint64_t FlexDecoder::unsigned_integer() {
  const Reference reference = take_next();
  if (reference.word == nullptr) return 0;
  if (reference.type == Type::kUint) [[likely]]
    return read_unsigned(reference.word, reference.word_bytes);
  std::uint64_t value = 0;
  return unsigned_of(reference, value) ? value : 0;
}

double FlexDecoder::real() {
  const Reference reference = take_next();
  double value = 0;
  return reference.word != nullptr && real_of(reference, value) ? value : 0;
}

std::string_view FlexDecoder::string() {
  const Reference reference = take_next();
  std::string_view value;
  if (reference.word == nullptr) return {};
  if (reference.type == Type::kString) [[likely]] {
    std::span<const std::byte> text;
    return content_of(reference, text) && charge(text.size()) ? as_text(text) : std::string_view();
  }
  return text_of(untagged(reference), value) && charge(value.size()) ? value : std::string_view();
}

std::span<const std::byte> FlexDecoder::bytes_view() {
  const Reference reference = take_next();
  std::span<const std::byte> value;
  if (reference.word == nullptr) return {};
  const bool found = reference.type == Type::kBlob ? content_of(reference, value) && charge(value.size())
                                                   : bytes_of(untagged(reference), &value, nullptr);
  return found ? value : std::span<const std::byte>();
}

Buffer FlexDecoder::bytes() {
  const Reference reference = untagged(take_next());
  Buffer value;
  if (reference.word != nullptr) bytes_of(reference, nullptr, &value);
  return value;
}

std::size_t FlexDecoder::begin_sequence() {
  const Reference reference = take_next();
  if (reference.word == nullptr) return 0;
  Frame* frame = room();
  if (frame == nullptr) return 0;
  Vector& vector = frame->vector;
  if (reference.type == Type::kVector) [[likely]] {
    if (!resolve_words(reference, reference.width + 1U, vector)) return 0;
    if (!starts_with_key(vector)) [[likely]]
      return open(*frame);
  }
  return begin_other_sequence(reference);
}

std::size_t FlexDecoder::begin_other_sequence(Reference reference) {
  reference = enter_tags(reference);
  Frame* frame = room();
  return frame != nullptr && sequence_of(reference, frame->vector) ? open(*frame) : 0;
}

std::size_t FlexDecoder::begin_map() {
  Reference reference = take_next();
  if (reference.word == nullptr) return 0;
  if (reference.type != Type::kMap) {
    reference = enter_tags(reference);
    if (reference.type != Type::kMap) {
      fail_mismatch(ValueKind::kMap, reference);
      return 0;
    }
  }
  Frame* frame = room();
  if (frame == nullptr || !resolve_words(reference, reference.width + 1U, frame->vector)) return 0;
  return resolve_keys(frame->vector) ? open(*frame) : 0;
}

void FlexDecoder::end_sequence() { close(); }
void FlexDecoder::end_map() { close(); }

std::string_view FlexDecoder::key() {
  if (!status_.ok()) return {};
  const Vector& vector = top_->vector;
  if (vector.keys == nullptr || top_->next >= vector.count) [[unlikely]]
    return key_behind_tags();
  const std::string_view key = key_at(vector.keys + top_->next * vector.key_width, vector.key_width);
  return charge(key.size() / kKeyBytesPerWork) ? key : std::string_view();
}

std::string_view FlexDecoder::key_behind_tags() {
  leave_tags();
  if (top_->vector.keys != nullptr && top_->next < top_->vector.count) return key();
  fail(Status(StatusCode::kInternal, "a decoder was misused: a key where there is none"));
  return {};
}

TensorValue FlexDecoder::tensor() {
  const Reference reference = untagged(take_next());
  Vector vector;
  if (reference.word == nullptr) return {};
  if (extended(reference, vector) != Extended::kTensor || vector.count != 4) {
    fail_mismatch(ValueKind::kTensor, reference);
    return {};
  }
  std::uint64_t type = 0;
  NumberType ignored{};
  Vector shape;
  if (!unsigned_of(element(vector, 1), type) || !resolve_numbers(element(vector, 2), shape, ignored)) return {};
  TensorValue value;
  if (type >= kNumberTypes) {
    fail_malformed("a tensor of an unknown element type");
    return {};
  }
  value.type = static_cast<NumberType>(type);
  value.shape.resize(shape.count);
  for (std::size_t i = 0; i < shape.count; ++i) {
    if (!unsigned_of(element(shape, i), value.shape[i])) return {};
  }
  if (!bytes_of(element(vector, 3), nullptr, &value.data)) return {};
  if (Status status = check_tensor(value); !status.ok()) fail(std::move(status));
  return value;
}

Buffer FlexDecoder::table(std::string_view type_name) {
  const std::string_view found = table_name();
  const Reference reference = untagged(take_next());
  Vector vector;
  if (reference.word == nullptr) return {};
  if (extended(reference, vector) != Extended::kTable || vector.count != 3) {
    fail_mismatch(ValueKind::kTable, reference);
    return {};
  }
  if (!type_name.empty() && found != type_name) {
    fail(Status(StatusCode::kInvalidArgument,
                "expected a table " + std::string(type_name) + ", found a table " + std::string(found)));
    return {};
  }
  Buffer value;
  return bytes_of(element(vector, 2), nullptr, &value) ? value : Buffer();
}

std::string_view FlexDecoder::table_name() {
  const Reference reference = untagged(peek_next());
  Vector vector;
  std::string_view name;
  if (reference.word == nullptr || extended(reference, vector) != Extended::kTable || vector.count != 3) return {};
  return text_of(element(vector, 1), name) && charge(name.size()) ? name : std::string_view();
}

std::string_view FlexDecoder::tag() {
  const Reference reference = peek_next();
  Vector vector;
  std::string_view name;
  if (reference.word == nullptr || extended(reference, vector) != Extended::kTagged) return {};
  return tag_of(vector, name) && charge(name.size()) ? name : std::string_view();
}

void FlexDecoder::skip() {
  const Reference reference = take_next();
  if (reference.word != nullptr && !message_.segments.empty()) {
    skip_segments(reference, static_cast<std::size_t>(top_ - frames_.data()));
  }
}

// What is passed over may be a newer peer's; the segments that it refers to are accounted for.
void FlexDecoder::skip_segments(Reference reference, std::size_t depth) {
  if (reference.type != Type::kVector && reference.type != Type::kMap) return;
  if (depth == kMaxValueDepth) return fail_malformed("values nest too deeply");
  Vector vector;
  std::size_t index = 0;
  if (extended(reference, vector) == Extended::kSegment) {
    segment_of(vector, index);
    return;
  }
  if (!status_.ok() || (reference.type == Type::kMap && !resolve(reference, vector))) return;
  if (!charge(kElementWork * vector.count)) return;
  for (std::size_t i = 0; i < vector.count && status_.ok(); ++i) skip_segments(element(vector, i), depth + 1);
}

Status FlexDecoder::finish() {
  if (!status_.ok()) return status_;
  leave_tags();
  if (top_ != frames_.data() || top_->next != 1) {
    fail(Status(StatusCode::kInternal, "a decoder was misused: one value must be read, and ended"));
  } else {
    for (std::size_t i = 0; i < message_.segments.size(); ++i) {
      if (!segments_used_[i]) fail_malformed("nothing refers to segment " + std::to_string(i));
    }
  }
  return status_;
}

}  // namespace onward::flex
