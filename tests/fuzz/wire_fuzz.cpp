// SPDX-License-Identifier: Apache-2.0
//
// Control messages from a peer: whatever is decoded is encoded and decoded again, and comes out as it was. Details of
// errors are read, too.
//
//   byte 0     0 HELLO, 1 GOAWAY, else ERROR
//   the rest   the body
#include <string>

#include "fuzz_input.h"
#include "onward/error_detail.h"
#include "wire.h"

namespace onward::fuzz {
namespace {

constexpr const char* kAgain = "a control message that was decoded comes out of encoding and decoding as it was";

std::string text(const wire::Hello& hello) {
  std::string text = hello.node + '\0' + hello.software + '\0' + std::to_string(hello.features);
  for (const std::uint64_t number : {std::uint64_t{hello.protocol_min}, std::uint64_t{hello.protocol_max},
                                     std::uint64_t{hello.max_body_bytes}, hello.max_message_bytes}) {
    text += ' ' + std::to_string(number);
  }
  for (const auto& [id, name] : hello.codecs) text += ' ' + std::to_string(id) + name + '\0';
  return text;
}

// Of its body alone.
template <auto decode, class Encode, class Text>
void check(std::span<const std::byte> body, const Encode& encode, const Text& text_of) {
  const auto decoded = decode(body);
  if (!decoded) {
    require(!decoded.error().ok(), "a control message is refused with an error");
    return;
  }
  const Message message = encode(*decoded);
  const auto again = decode(message.payload.body.bytes());
  require(again.has_value() && text_of(*again) == text_of(*decoded), kAgain);
}

}  // namespace
}  // namespace onward::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t bytes) {
  using namespace onward;
  fuzz::FuzzInput input(data, bytes);
  const std::uint8_t kind = input.byte();
  const Buffer body = Buffer::copy_of(input.rest());  // as aligned as in a frame
  if (kind == 0) {
    fuzz::check<wire::decode_hello>(body.bytes(), wire::encode_hello, fuzz::text);
  } else if (kind == 1) {
    const auto text_of = [](const Status& reason) { return reason.to_string(); };
    fuzz::check<wire::decode_goaway>(body.bytes(), wire::encode_goaway, text_of);
  } else {
    const auto encode = [](const wire::RemoteError& error) {
      return wire::encode_error(1, error.status, error.signature);
    };
    const auto text_of = [](const wire::RemoteError& error) {
      static_cast<void>(error.status.detail<DynamicValue>());
      return error.status.to_string() + error.signature + error.status.detail_type() +
             std::string(error.status.detail_bytes().text());
    };
    fuzz::check<wire::decode_error>(body.bytes(), encode, text_of);
  }
  return 0;
}
