// SPDX-License-Identifier: Apache-2.0
//
// Codec flex on any body: what decodes as a value is encoded and decoded again, and encodes to the same bytes.
//
//   byte 0     how many segments there are, up to 3; for each two bytes with its size
//   the rest   the body
#include <algorithm>
#include <vector>

#include "fuzz_input.h"
#include "onward/flex/flex_codec.h"
#include "onward/value_dynamic.h"

namespace onward::fuzz {
namespace {

constexpr std::uint8_t kSegments = 3;

Status decode(const Codec& codec, Payload& payload, DynamicValue& value) {
  InboundMessage message{.header = {},
                         .body = payload.body.bytes(),
                         .storage = payload.body.empty() ? nullptr : &payload.body,
                         .segments = payload.segments};
  return codec.decode(message, [&](Decoder& decoder) {
    static_cast<void>(decoder.tag());
    decode_value(decoder, value);
  });
}

Result<Payload> encode(const Codec& codec, const DynamicValue& value) {
  Payload payload;
  const Status encoded = codec.encode([&](Encoder& encoder) { encode_value(encoder, value); }, payload);
  if (!encoded.ok()) return std::unexpected(encoded);
  return payload;
}

Payload encode_again(const Codec& codec, const Payload& encoded) {
  Payload sent{.body = Buffer::copy_of(encoded.body.bytes()), .segments = encoded.segments};
  DynamicValue value;
  require(decode(codec, sent, value).ok(), "what was encoded can be decoded");
  Result<Payload> again = encode(codec, value);
  require(again.has_value(), "what was encoded and decoded can be encoded again");
  return *std::move(again);
}

bool same(const Buffer& a, const Buffer& b) { return std::ranges::equal(a.bytes(), b.bytes()); }

void check(Payload payload) {
  static const auto codec = make_flex_codec();
  DynamicValue value;
  if (!decode(*codec, payload, value).ok()) return;
  // From a foreign encoder, keys may come in another order than ours have: after one round, they are in ours.
  const Result<Payload> encoded = encode(*codec, value);
  if (!encoded) return;  // a foreign encoder may say what ours refuses to
  const Payload first = encode_again(*codec, *encoded);
  const Payload second = encode_again(*codec, first);
  require(same(first.body, second.body), "a value encodes to the same body again");
  require(std::ranges::equal(first.segments, second.segments, same), "a value encodes to the same segments again");
}

}  // namespace
}  // namespace onward::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t bytes) {
  using namespace onward;
  fuzz::FuzzInput input(data, bytes);
  Payload payload;
  payload.segments.resize(input.byte() & fuzz::kSegments);
  for (Buffer& segment : payload.segments) {
    segment = Buffer::allocate(input.number());
    std::ranges::fill(std::span(segment.mutable_data(), segment.size()), std::byte{'s'});
  }
  payload.body = Buffer::copy_of(input.rest());
  fuzz::check(std::move(payload));
  return 0;
}
