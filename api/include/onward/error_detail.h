// SPDX-License-Identifier: Apache-2.0
//
// Typed details of errors: any value that can be an argument, beside code and message.
//
//   throw RpcError(Status(StatusCode::kFailedPrecondition, "not enough seats").with_detail(SeatsTaken{.left = 2}));
//
//   if (const auto taken = error.status().detail<SeatsTaken>()) offer(taken->left);
//
// A detail is written once, as FlexBuffers, where with_detail() is called, and read where detail() is. In between it
// is bytes with the name of a type: nodes pass it on as it is, whatever codecs their calls use and whether or not
// they know the type. Members of structs may come and go, as in arguments.
#pragma once

#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "onward/codec.h"
#include "onward/status.h"
#include "onward/value_dynamic.h"
#include "onward/value_traits.h"

namespace onward {

template <class T>
Status Status::with_detail(const T& value) const {
  if (ok()) return {};
  std::string type;
  describe_value<std::decay_t<T>>(type);
  Payload payload;
  Status written;
  try {
    written =
        error_detail_codec().encode([&](Encoder& encoder) { encode_value<std::decay_t<T>>(encoder, value); }, payload);
  } catch (...) {
    written = status_from_current_exception();
  }
  return written.ok() ? with_encoded_detail(std::move(type), std::move(payload.body))
                      : without_detail(type, written.message());
}

template <class T>
std::optional<T> Status::detail() const {
  if (detail_bytes().empty()) return std::nullopt;
  if constexpr (!std::is_same_v<T, DynamicValue>) {
    std::string type;
    describe_value<T>(type);
    if (type != detail_type()) return std::nullopt;
  }
  const Buffer& bytes = detail_bytes();
  InboundMessage message{.header = {}, .body = bytes.bytes(), .storage = &bytes};
  std::optional<T> value(std::in_place);
  const Status read = error_detail_codec().decode(message, [&](Decoder& decoder) { decode_value(decoder, *value); });
  if (!read.ok()) value.reset();
  return value;
}

}  // namespace onward
