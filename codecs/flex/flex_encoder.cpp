// SPDX-License-Identifier: Apache-2.0
#include "flex/flex_encoder.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <string>

namespace onward::flex {

namespace {

constexpr std::uint8_t kByteWidth = 0;
constexpr std::uint64_t kMaxBodyBytes = 0xFFFF'FFFF;

Status invalid(std::string what) { return {StatusCode::kInvalidArgument, std::move(what)}; }
Status misused(const std::string& what) { return {StatusCode::kInternal, "an encoder was misused: " + what}; }

}  // namespace

void FlexEncoder::refuse() {
  if (!status_.ok()) return;
  if (depth_ == 0) return fail(misused("a second value at the root"));
  const bool tagged = frames_[depth_ - 1].form == Form::kTagged;
  fail(misused(tagged ? "a second value behind a tag" : "a value without a key in a map"));
}

void FlexEncoder::fail_depth() {
  fail(invalid("values nest deeper than " + std::to_string(kMaxValueDepth) + " levels"));
}

void FlexEncoder::null() { scalar(Type::kNull, 0, 0); }
void FlexEncoder::boolean(bool value) { scalar(Type::kBool, value ? 1 : 0, 0); }
void FlexEncoder::integer(std::int64_t value) {
  scalar(Type::kInt, static_cast<std::uint64_t>(value), width_of_signed(value));
}
void FlexEncoder::unsigned_integer(std::uint64_t value) { scalar(Type::kUint, value, width_of(value)); }
void FlexEncoder::real(double value) {
  scalar(Type::kFloat, std::bit_cast<std::uint64_t>(value), width_of_real(value));
}
void FlexEncoder::real32(float value) {
  scalar(Type::kFloat, std::bit_cast<std::uint64_t>(static_cast<double>(value)), 2);
}

void FlexEncoder::string(std::string_view value) {
  if (!enter(1)) return;
  write_blob(Type::kString, value.data(), value.size());
  value_done();
}

void FlexEncoder::bytes(std::span<const std::byte> value) {
  if (!enter(1)) return;
  write_blob(Type::kBlob, value.data(), value.size());
  value_done();
}

void FlexEncoder::bytes(const Buffer& value) {
  if (!enter(1)) return;
  write_bytes(value);
  value_done();
}

void FlexEncoder::begin(std::size_t count, Form form) {
  if (!enter(1)) return;
  frames_[depth_++] = Frame{slot_count_, count, form, form != Form::kSequence};
  blocked_ = form == Form::kMap;
}

// Checks that a container ends as it began; `values` have been written into it.
bool FlexEncoder::end(Form form, std::size_t values) {
  if (!status_.ok()) return false;
  const Frame& frame = frames_[depth_ - 1];
  if (frame.form != form) {
    fail(misused("the end of another container"));
  } else if (values != frame.announced) {
    fail(misused(std::to_string(frame.announced) + " values announced, " + std::to_string(values) + " written"));
  }
  return status_.ok();
}

void FlexEncoder::begin_sequence(std::size_t count) { begin(count, Form::kSequence); }
void FlexEncoder::begin_map(std::size_t count) { begin(count, Form::kMap); }

void FlexEncoder::end_sequence() {
  if (depth_ == 0) return fail(misused("the end of no container"));
  const std::size_t first = frames_[depth_ - 1].first_slot;
  if (!end(Form::kSequence, slot_count_ - first)) return;
  --depth_;
  write_vector(first, Type::kVector);
  value_done();
}

void FlexEncoder::end_map() {
  if (depth_ == 0) return fail(misused("the end of no container"));
  const std::size_t first = frames_[depth_ - 1].first_slot;
  if (!end(Form::kMap, (slot_count_ - first) / 2)) return;
  if (!blocked_) return fail(misused("a key without a value"));
  --depth_;
  write_map(first);
  value_done();
}

void FlexEncoder::key(std::string_view key) {
  if (!status_.ok()) return;
  if (!blocked_ || depth_ == 0) return fail(misused("a key where a value must come"));
  push(Type::kKey, place_key(key), kByteWidth);
  blocked_ = false;
}

void FlexEncoder::numbers(NumberType type, const void* data, std::size_t count) {
  const std::size_t bytes = count * size_of(type);
  const auto width = static_cast<std::uint8_t>(std::countr_zero(size_of(type)));
  const bool half = type == NumberType::kFloat16 || type == NumberType::kBfloat16;
  if (half || width_of(count) > width) {
    if (!enter(2)) return;
    const std::size_t first = slot_count_;
    write_name(Extended::kNumbers);
    push(Type::kUint, static_cast<std::uint8_t>(type), kByteWidth);
    write_blob(Type::kBlob, data, bytes);
    write_vector(first, Type::kVector);
  } else {
    if (!enter(1)) return;
    Type vector = Type::kVectorInt;
    if (type == NumberType::kBool) vector = Type::kVectorBool;
    if (type >= NumberType::kUint8) vector = Type::kVectorUint;
    if (type >= NumberType::kFloat32) vector = Type::kVectorFloat;
    write_numbers(vector, width, data, count);
  }
  value_done();
}

void FlexEncoder::tensor(const TensorValue& value) {
  if (!enter(2)) return;
  if (Status status = check_tensor(value); !status.ok()) return fail(std::move(status));
  const std::size_t first = slot_count_;
  write_name(Extended::kTensor);
  push(Type::kUint, static_cast<std::uint8_t>(value.type), kByteWidth);
  const std::size_t shape = slot_count_;
  for (const std::uint64_t dimension : value.shape) push(Type::kUint, dimension, width_of(dimension));
  write_vector(shape, Type::kVectorUint);
  write_bytes(value.data);
  write_vector(first, Type::kVector);
  value_done();
}

void FlexEncoder::table(std::string_view type_name, const Buffer& value) {
  if (!enter(2)) return;
  const std::size_t first = slot_count_;
  write_name(Extended::kTable);
  write_blob(Type::kString, type_name.data(), type_name.size());
  write_bytes(value);
  write_vector(first, Type::kVector);
  value_done();
}

void FlexEncoder::begin_tagged(std::string_view type_name) {
  if (!enter(2)) return;
  begin(1, Form::kTagged);
  write_name(Extended::kTagged);
  write_blob(Type::kString, type_name.data(), type_name.size());
}

void FlexEncoder::end_tagged() {
  if (depth_ == 0) return fail(misused("the end of no container"));
  const std::size_t first = frames_[depth_ - 1].first_slot;
  if (!end(Form::kTagged, slot_count_ - first - 2)) return;
  --depth_;
  write_vector(first, Type::kVector);
  value_done();
}

Status FlexEncoder::finish(Payload& out) {
  if (status_.ok() && (depth_ != 0 || slot_count_ != 1)) fail(misused("one value must be written, and ended"));
  if (status_.ok() && body_.size() > kMaxBodyBytes - 32) {
    fail(invalid("a message of " + std::to_string(body_.size()) +
                 " bytes is too large; send large values as Buffer or Tensor, which travel beside it"));
  }
  if (!status_.ok()) return status_;
  const Slot& root = slots_[0];
  const std::uint8_t width = is_inline(root.type) ? root.width : offset_width(root.bits, 0);
  const std::size_t bytes = std::size_t{1} << width;
  std::byte* at = grow_aligned(width, bytes + 2);
  std::uint64_t word = root.bits;
  if (!is_inline(root.type)) word = static_cast<std::uint64_t>(at - body_.data()) - root.bits;
  if (root.type == Type::kFloat && width == 2) {
    word = std::bit_cast<std::uint32_t>(static_cast<float>(std::bit_cast<double>(word)));
  }
  store(at, word, width);
  at[bytes] = static_cast<std::byte>(static_cast<unsigned>(root.type) << 2U | root.width);
  at[bytes + 1] = static_cast<std::byte>(bytes);
  out.body = body_.take();
  out.segments = std::move(segments_);
  return {};
}

void FlexEncoder::more_slots() {
  Buffer larger = Buffer::allocate(slot_capacity_ * 2 * sizeof(Slot));
  auto* slots = reinterpret_cast<Slot*>(larger.mutable_data());
  std::memcpy(slots, slots_, slot_count_ * sizeof(Slot));
  slots_ = slots;
  slot_capacity_ *= 2;
  slot_memory_ = std::move(larger);
}

}  // namespace onward::flex
