// SPDX-License-Identifier: Apache-2.0
#include "rfc/tensor_batch.h"

#include <cstdint>
#include <cstring>
#include <utility>

namespace onward::rfc {
namespace {

Tensor checked(Result<Tensor> tensor) {
  if (!tensor) throw RpcError(tensor.error());
  return *std::move(tensor);
}

template <class T>
Buffer add_as(const Tensor& a, const Tensor& b) {
  const std::span<const T> left = a.values<T>();
  const std::span<const T> right = b.values<T>();
  Buffer sums = Buffer::allocate(left.size_bytes());
  T* out = reinterpret_cast<T*>(sums.mutable_data());
  for (std::size_t i = 0; i < left.size(); ++i) {
    if constexpr (std::is_integral_v<T>) {
      using Unsigned = std::make_unsigned_t<T>;
      out[i] = static_cast<T>(static_cast<Unsigned>(left[i]) + static_cast<Unsigned>(right[i]));
    } else {
      out[i] = left[i] + right[i];
    }
  }
  return sums;
}

}  // namespace

std::string describe(const Tensor& tensor) {
  std::string text(to_string(tensor.type()));
  text += " [";
  for (std::size_t i = 0; i < tensor.shape().size(); ++i) {
    text += (i == 0 ? "" : ", ") + std::to_string(tensor.shape()[i]);
  }
  return text + "]";
}

bool alike(const Tensor& a, const Tensor& b) noexcept { return a.type() == b.type() && a.shape() == b.shape(); }

Status check_addable(const Tensor& a, const Tensor& b) {
  const NumberType type = a.type();
  if (type != NumberType::kFloat32 && type != NumberType::kFloat64 && type != NumberType::kInt64) {
    return {StatusCode::kInvalidArgument,
            "cannot add tensors of " + std::string(to_string(type)) + "; use float32, float64 or int64"};
  }
  if (!alike(a, b)) return {StatusCode::kInvalidArgument, "cannot add " + describe(a) + " and " + describe(b)};
  return {};
}

Tensor stack(std::span<const Tensor> parts) {
  if (parts.empty()) throw RpcError(StatusCode::kInvalidArgument, "cannot stack no tensors");
  const Tensor& first = parts.front();
  Buffer data = Buffer::allocate(first.data().size() * parts.size());
  std::byte* out = data.mutable_data();
  for (const Tensor& part : parts) {
    if (!alike(first, part)) {
      throw RpcError(StatusCode::kInvalidArgument, "cannot stack " + describe(first) + " and " + describe(part));
    }
    if (part.data().empty()) continue;
    std::memcpy(out, part.data().data(), part.data().size());
    out += part.data().size();
  }
  Tensor::Shape shape = first.shape();
  shape.insert(shape.begin(), parts.size());
  return checked(Tensor::from(first.type(), std::move(shape), std::move(data)));
}

Tensor add(const Tensor& a, const Tensor& b) {
  if (const Status refused = check_addable(a, b); !refused.ok()) throw RpcError(refused);
  Buffer sums = a.type() == NumberType::kFloat32   ? add_as<float>(a, b)
                : a.type() == NumberType::kFloat64 ? add_as<double>(a, b)
                                                   : add_as<std::int64_t>(a, b);
  return checked(Tensor::from(a.type(), a.shape(), std::move(sums)));
}

std::vector<Tensor> unstack(const Tensor& tensor) {
  if (tensor.shape().empty() || tensor.shape().front() == 0) {
    throw RpcError(StatusCode::kInvalidArgument, "cannot unstack " + describe(tensor));
  }
  const std::size_t rows = tensor.shape().front();
  const std::size_t row_bytes = tensor.data().size() / rows;
  const Tensor::Shape shape(tensor.shape().begin() + 1, tensor.shape().end());
  std::vector<Tensor> result;
  result.reserve(rows);
  for (std::size_t i = 0; i < rows; ++i) {
    result.push_back(checked(Tensor::from(tensor.type(), shape, tensor.data().slice(i * row_bytes, row_bytes))));
  }
  return result;
}

}  // namespace onward::rfc
