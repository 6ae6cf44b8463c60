// SPDX-License-Identifier: Apache-2.0
//
// A dense array of numbers in row-major order that travels without a copy: its data is a Buffer, which
// a codec sends beside the message and hands over as it was received.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "onward/value_traits.h"

namespace onward {

// Immutable; copies share the data. The data's address suits the element type.
class Tensor {
 public:
  using Shape = std::vector<std::uint64_t>;

  // No elements: float32 of shape [0].
  Tensor() = default;

  // INVALID_ARGUMENT unless `data` holds exactly the elements of `shape`, at most kMaxTensorRank
  // dimensions. Shares `data`, or copies it if it is not aligned for its elements.
  [[nodiscard]] static Result<Tensor> from(NumberType type, Shape shape, Buffer data);

  // Copies `values`. Throws RpcError INVALID_ARGUMENT if they are not as many as `shape` says.
  template <PackedNumber T>
  [[nodiscard]] static Tensor of(Shape shape, std::span<const T> values) {
    return take(from(number_type_of<T>(), std::move(shape), Buffer::copy_of(std::as_bytes(values))));
  }
  template <PackedNumber T>
  [[nodiscard]] static Tensor of(Shape shape, std::initializer_list<T> values) {
    return of(std::move(shape), std::span<const T>(values));
  }
  // Keeps the vector and copies nothing.
  template <PackedNumber T>
    requires(!std::same_as<T, bool>)
  [[nodiscard]] static Tensor of(Shape shape, std::vector<T> values) {
    const std::span<const std::byte> bytes = std::as_bytes(std::span<const T>(values));
    Buffer data = Buffer::wrap(bytes, [owner = std::move(values)] {});
    return take(from(number_type_of<T>(), std::move(shape), std::move(data)));
  }

  [[nodiscard]] NumberType type() const noexcept { return value_.type; }
  [[nodiscard]] const Shape& shape() const noexcept { return value_.shape; }
  [[nodiscard]] const Buffer& data() const noexcept { return value_.data; }
  [[nodiscard]] std::size_t element_count() const noexcept { return value_.data.size() / size_of(value_.type); }
  [[nodiscard]] const TensorValue& value() const noexcept { return value_; }

  // All elements, row by row; lives as long as this. Throws RpcError INVALID_ARGUMENT unless type() is
  // T's.
  template <PackedNumber T>
  [[nodiscard]] std::span<const T> values() const {
    if (value_.type != number_type_of<T>()) throw_wrong_type(number_type_of<T>());
    return {reinterpret_cast<const T*>(value_.data.data()), element_count()};
  }
  // The element at an index for each dimension. Throws RpcError INVALID_ARGUMENT for another type, and
  // OUT_OF_RANGE for an index beyond the shape or a wrong number of them.
  template <PackedNumber T, std::convertible_to<std::uint64_t>... Index>
  [[nodiscard]] T at(Index... index) const {
    return values<T>()[offset_of(std::array<std::uint64_t, sizeof...(Index)>{static_cast<std::uint64_t>(index)...})];
  }

  // Of one type and shape, with the same bytes: floats compare as bits.
  friend bool operator==(const Tensor& a, const Tensor& b) noexcept {
    return a.value_.type == b.value_.type && a.value_.shape == b.value_.shape &&
           a.value_.data.text() == b.value_.data.text();
  }

 private:
  [[nodiscard]] static Tensor take(Result<Tensor> result) {
    if (!result.has_value()) throw RpcError(std::move(result.error()));
    return std::move(*result);
  }
  [[noreturn]] void throw_wrong_type(NumberType wanted) const;
  [[nodiscard]] std::size_t offset_of(std::span<const std::uint64_t> index) const;

  TensorValue value_{.type = NumberType::kFloat32, .shape = {0}, .data = {}};
};

inline Result<Tensor> Tensor::from(NumberType type, Shape shape, Buffer data) {
  Tensor tensor;
  tensor.value_ = {.type = type, .shape = std::move(shape), .data = std::move(data)};
  if (Status status = check_tensor(tensor.value_); !status.ok()) return std::unexpected(std::move(status));
  if (reinterpret_cast<std::uintptr_t>(tensor.value_.data.data()) % size_of(type) != 0) {
    tensor.value_.data = Buffer::copy_of(tensor.value_.data.bytes());
  }
  return tensor;
}

inline void Tensor::throw_wrong_type(NumberType wanted) const {
  throw RpcError(StatusCode::kInvalidArgument, "a tensor of " + std::string(to_string(value_.type)) +
                                                   " cannot be read as " + std::string(to_string(wanted)));
}

inline std::size_t Tensor::offset_of(std::span<const std::uint64_t> index) const {
  const auto beyond = [&] {
    if (index.size() != value_.shape.size()) return true;
    return !std::equal(index.begin(), index.end(), value_.shape.begin(), std::less<>());
  };
  if (beyond()) {
    throw RpcError(StatusCode::kOutOfRange,
                   "index beyond the shape of a tensor of " + std::to_string(value_.shape.size()) + " dimensions");
  }
  std::size_t offset = 0;
  for (std::size_t i = 0; i < index.size(); ++i) offset = offset * value_.shape[i] + index[i];
  return offset;
}

// Reads packed numbers and a sequence of numbers, too, as a tensor of one dimension.
template <>
struct Value<Tensor> {
  static void encode(Encoder& encoder, const Tensor& tensor) { encoder.tensor(tensor.value()); }
  static void decode(Decoder& decoder, Tensor& tensor) {
    const ValueKind kind = decoder.peek();
    TensorValue value =
        kind == ValueKind::kNumbers || kind == ValueKind::kSequence ? decode_numbers(decoder) : decoder.tensor();
    if (!decoder.ok()) return;
    auto result = Tensor::from(value.type, std::move(value.shape), std::move(value.data));
    if (result.has_value()) {
      tensor = std::move(*result);
    } else {
      decoder.fail(std::move(result.error()));
    }
  }
  static void describe(std::string& out) { out += "tensor"; }

 private:
  static TensorValue decode_numbers(Decoder& decoder) {
    const NumberType type = decoder.number_type();
    const std::size_t count = decoder.begin_numbers();
    TensorValue value{.type = type, .shape = {count}, .data = Buffer::allocate(count * size_of(type))};
    decoder.numbers(type, value.data.mutable_data(), count);
    return value;
  }
};

}  // namespace onward
