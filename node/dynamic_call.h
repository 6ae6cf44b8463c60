// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "onward/rpc.h"
#include "onward/value_dynamic.h"

namespace onward {

// rpc_async() for callers who know no types: the call carries no signature, so the callee only checks
// whether it can read the arguments as its own types. Throws RpcError(INVALID_ARGUMENT) for a name that is empty or too
// long; all else comes through the Future. Any thread.
[[nodiscard]] Future<DynamicValue> rpc_dynamic(Node& node, const Destination& to, std::string_view function,
                                               const DynamicValue::Sequence& arguments);
// The same, where errors name the call `reported_as`.
[[nodiscard]] Future<DynamicValue> rpc_dynamic(Node& node, const Destination& to, std::string_view function,
                                               const DynamicValue::Sequence& arguments,
                                               const FunctionName& reported_as);

}  // namespace onward
