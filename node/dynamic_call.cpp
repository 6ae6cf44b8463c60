// SPDX-License-Identifier: Apache-2.0
#include "dynamic_call.h"

#include <utility>

namespace onward {

Future<DynamicValue> rpc_dynamic(Node& node, const Destination& to, std::string_view function,
                                 const DynamicValue::Sequence& arguments) {
  static const Signature signature("(any...) -> any");
  const FunctionName& name = FunctionName::intern(function);
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
    future.try_fail(encoded.with_message("the arguments of " + name.name + " cannot be sent: " + encoded.message()));
    return future;
  }
  message.header.codec = (*codec)->id();
  message.header.function_id = name.id;
  node.start_call(*pool_new<detail::TypedOutgoingCall<DynamicValue>>(name, signature, future), to, std::move(message));
  return future;
}

}  // namespace onward
