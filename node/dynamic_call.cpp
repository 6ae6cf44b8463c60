// SPDX-License-Identifier: Apache-2.0
#include "dynamic_call.h"

#include <utility>

namespace onward {

Future<DynamicValue> rpc_dynamic(Node& node, const Destination& to, std::string_view function,
                                 const DynamicValue::Sequence& arguments) {
  return rpc_dynamic(node, to, function, arguments, FunctionName::intern(function));
}

Future<DynamicValue> rpc_dynamic(Node& node, const Destination& to, std::string_view function,
                                 const DynamicValue::Sequence& arguments, const FunctionName& reported_as) {
  static const Signature signature("(any...) -> any");
  Future<DynamicValue> future(&node.loop());
  const Result<const Codec*> codec = node.codec(to.options().codec);
  if (!codec) {
    future.try_fail(codec.error());
    return future;
  }
  Message message;
  const Status encoded = (*codec)->encode(
      [&](Encoder& encoder) {
        encoder.begin_sequence(arguments.size());
        for (const DynamicValue& argument : arguments) encode_value(encoder, argument);
        encoder.end_sequence();
      },
      message.payload);
  if (!encoded.ok()) {
    future.try_fail(
        encoded.with_message("the arguments of " + reported_as.name + " cannot be sent: " + encoded.message()));
    return future;
  }
  message.header.codec = (*codec)->id();
  message.header.function_id = function_id(function);
  node.start_call(*pool_new<detail::TypedOutgoingCall<DynamicValue>>(reported_as, signature, future), to,
                  std::move(message));
  return future;
}

}  // namespace onward
