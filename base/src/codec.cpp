// SPDX-License-Identifier: Apache-2.0
#include "onward/codec.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

namespace onward {

namespace {

struct NumberTypeFacts {
  std::size_t bytes;
  std::string_view name;
};
constexpr std::array<NumberTypeFacts, kNumberTypes> kNumberFacts = {{
    {1, "bool"},
    {1, "int8"},
    {2, "int16"},
    {4, "int32"},
    {8, "int64"},
    {1, "uint8"},
    {2, "uint16"},
    {4, "uint32"},
    {8, "uint64"},
    {2, "float16"},
    {2, "bfloat16"},
    {4, "float32"},
    {8, "float64"},
}};

constexpr std::array<std::string_view, 12> kKindNames = {
    "null",  "a boolean",  "an integer", "an unsigned integer", "a real",   "a string",
    "bytes", "a sequence", "a map",      "packed numbers",      "a tensor", "a table"};

}  // namespace

std::size_t size_of(NumberType type) noexcept {
  const auto index = static_cast<std::size_t>(type);
  return index < kNumberFacts.size() ? kNumberFacts[index].bytes : 1;
}

std::string_view to_string(NumberType type) noexcept {
  const auto index = static_cast<std::size_t>(type);
  return index < kNumberFacts.size() ? kNumberFacts[index].name : "an unknown type";
}

std::string_view to_string(ValueKind kind) noexcept {
  const auto index = static_cast<std::size_t>(kind);
  return index < kKindNames.size() ? kKindNames[index] : "an unknown value";
}

Status check_tensor(const TensorValue& value) {
  const auto invalid = [](std::string what) { return Status(StatusCode::kInvalidArgument, std::move(what)); };
  if (static_cast<std::uint8_t>(value.type) >= kNumberTypes) return invalid("a tensor of an unknown element type");
  if (value.shape.size() > kMaxTensorRank) {
    return invalid("a tensor of " + std::to_string(value.shape.size()) + " dimensions, which is more than " +
                   std::to_string(kMaxTensorRank));
  }
  std::size_t bytes = size_of(value.type);
  if (std::ranges::find(value.shape, 0U) != value.shape.end()) bytes = 0;
  for (const std::uint64_t dimension : value.shape) {
    if (__builtin_mul_overflow(bytes, dimension, &bytes)) return invalid("a tensor whose shape is larger than memory");
  }
  if (bytes == value.data.size()) return {};
  return invalid("a tensor whose shape needs " + std::to_string(bytes) + " bytes came with " +
                 std::to_string(value.data.size()));
}

void Decoder::fail_at(std::string what) {
  const std::string path = where();
  if (!path.empty()) what = "at " + path + ": " + what;
  fail(Status(StatusCode::kInvalidArgument, std::move(what)));
}

}  // namespace onward
