// SPDX-License-Identifier: Apache-2.0
#include "node_description.h"

#include "dynamic_call.h"
#include "json_value.h"
#include "onward/flex/flex_codec.h"

namespace onward {

Future<DynamicValue> ask_for_description(Node& node, const Destination& to, std::string_view function,
                                         const FunctionName& reported_as) {
  return rpc_dynamic(node, to, "onward.describe", {{std::string(function)}}, reported_as);
}

Result<NodeDescription> read_description(const DynamicValue& answer) {
  const auto codec = make_flex_codec();
  Payload payload;
  NodeDescription description;
  Status status = codec->encode([&](Encoder& encoder) { encode_value(encoder, answer); }, payload);
  if (status.ok()) {
    InboundMessage message{
        .header = {}, .body = payload.body.bytes(), .storage = &payload.body, .segments = payload.segments};
    status = codec->decode(message, [&](Decoder& decoder) { decode_value(decoder, description); });
  }
  if (status.ok()) return description;
  return fail(StatusCode::kInvalidArgument, "what onward.describe answered cannot be read: " + status.message());
}

std::string printable(std::string_view text) { return to_text({std::string(text)}, 0); }

std::string prototype(const FunctionDescription& function) { return printable(function.name + function.signature); }

std::string indented(std::string_view text, std::size_t indent) {
  const std::string clean = printable(text);
  std::string lines;
  for (std::size_t at = 0; at < clean.size();) {
    const std::size_t end = std::min(clean.find('\n', at), clean.size());
    lines.append(indent, ' ').append(clean, at, end - at).append("\n");
    at = end + 1;
  }
  return lines;
}

}  // namespace onward
