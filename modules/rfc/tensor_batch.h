// SPDX-License-Identifier: Apache-2.0
//
// The little of a tensor library that the batch example needs. Dense tensors of float32, float64 and
// int64; int64 wraps around, as in PyTorch. All of them throw RpcError(INVALID_ARGUMENT) for what they cannot do, and
// RESOURCE_EXHAUSTED where memory is short. Any thread.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "onward/tensor.h"

namespace onward::rfc {

// "float32 [2, 3]", for messages.
[[nodiscard]] std::string describe(const Tensor& tensor);
// Of one type and shape, so that they can be added and stacked.
[[nodiscard]] bool alike(const Tensor& a, const Tensor& b) noexcept;
// OK for tensors that add() takes.
[[nodiscard]] Status check_addable(const Tensor& a, const Tensor& b);

// One tensor of shape [parts.size(), …] from one or more that are alike; at most kMaxTensorRank - 1 dimensions.
[[nodiscard]] Tensor stack(std::span<const Tensor> parts);
// Element by element.
[[nodiscard]] Tensor add(const Tensor& a, const Tensor& b);
// The rows along the first dimension, which must not be 0. They share the tensor's memory.
[[nodiscard]] std::vector<Tensor> unstack(const Tensor& tensor);

}  // namespace onward::rfc
