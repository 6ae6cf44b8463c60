// SPDX-License-Identifier: Apache-2.0
#include "onward/stream/frame.h"

#include <cstddef>

namespace onward {
namespace {

constexpr std::size_t kShownBytes = 32;

Status invalid(std::string message) { return {StatusCode::kInvalidArgument, std::move(message)}; }

std::string escaped(std::span<const std::byte> bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text = "\"";
  for (const std::byte byte : bytes.first(std::min(bytes.size(), kShownBytes))) {
    const auto c = std::to_integer<unsigned char>(byte);
    if (c == '"' || c == '\\') {
      text += {'\\', static_cast<char>(c)};
    } else if (c >= ' ' && c <= '~') {
      text += static_cast<char>(c);
    } else {
      text += {'\\', 'x', kDigits[c >> 4U], kDigits[c & 15U]};
    }
  }
  return text + (bytes.size() > kShownBytes ? "\"..." : "\"");
}

// Records of TLS, none of which can be the beginning of a HELLO: its length would be too large.
Status check_for_tls(std::span<const std::byte> bytes) {
  constexpr std::byte kAlert{0x15};
  constexpr std::byte kHandshake{0x16};
  constexpr std::byte kMajorVersion{3};
  constexpr std::byte kLastMinorVersion{4};
  if (bytes.size() < 3 || bytes[1] != kMajorVersion || bytes[2] == std::byte{0} || bytes[2] > kLastMinorVersion) {
    return {};
  }
  // Who listens refuses; who connects begins a handshake.
  if (bytes[0] == kAlert) {
    return {StatusCode::kFailedPrecondition, "it speaks TLS: write tls:// in its URL, in place of this scheme"};
  }
  if (bytes[0] == kHandshake) {
    return {
        StatusCode::kFailedPrecondition,
        "it speaks TLS, which is not spoken here: it should write tcp:// in the URL, or this node listen on tls://"};
  }
  return {};
}

template <class Field>
bool differs(std::span<const std::byte> bytes, std::size_t offset, Field wanted) {
  if (bytes.size() < offset + sizeof(Field)) return false;
  return std::memcmp(bytes.data() + offset, &wanted, sizeof(Field)) != 0;
}

}  // namespace

std::size_t frame_bytes_at(const std::byte* from) noexcept {
  const MessageHeader header = load_header(from);
  std::size_t bytes = kHeaderBytes + header.segment_count * kSegmentLengthBytes + header.body_bytes;
  for (std::size_t i = 0; i < header.segment_count; ++i) {
    std::uint64_t length = 0;
    std::memcpy(&length, from + kHeaderBytes + i * kSegmentLengthBytes, kSegmentLengthBytes);
    bytes += (length & kInPayloadArea) != 0 ? kPlaceBytes : length;
  }
  return padded(bytes);
}

Status check_header(const MessageHeader& header, const MessageLimits& limits) {
  if (!is_known(header.kind)) {
    return invalid("it sent a message of kind " + std::to_string(static_cast<unsigned>(header.kind)) +
                   "; kinds 1 to 8 are known");
  }
  if (header.flags != 0 && !has_known_flags(header)) {
    return invalid("it sent a message with flags " + std::to_string(header.flags) +
                   "; known is 1, of a request with a segment");
  }
  if (header.body_bytes > limits.max_body_bytes) {
    return invalid("it sent a message whose body has " + std::to_string(header.body_bytes) + " bytes; at most " +
                   std::to_string(limits.max_body_bytes) +
                   " are accepted: send large values as segments, or raise the limit");
  }
  return {};
}

Status check_first_bytes(std::span<const std::byte> bytes) {
  if (Status tls = check_for_tls(bytes); !tls.ok()) return tls;
  if (differs(bytes, offsetof(MessageHeader, kind), MessageKind::kHello) ||
      differs(bytes, offsetof(MessageHeader, segment_count), std::uint8_t{0}) ||
      differs(bytes, offsetof(MessageHeader, flags), std::uint8_t{0}) ||
      differs(bytes, offsetof(MessageHeader, function_id), MessageHeader::kMagic)) {
    return invalid("it does not speak this protocol: its first bytes are " + escaped(bytes) +
                   ", where a HELLO was expected");
  }
  std::uint32_t body_bytes = 0;
  if (bytes.size() >= sizeof body_bytes) std::memcpy(&body_bytes, bytes.data(), sizeof body_bytes);
  // Not before the kind has arrived: garbage is better shown as what it is.
  if (bytes.size() >= kHeaderBytes && body_bytes > kMaxHelloBytes) {
    return invalid("its HELLO has " + std::to_string(body_bytes) + " bytes; at most " + std::to_string(kMaxHelloBytes) +
                   " are accepted");
  }
  return {};
}

Status check_message_bytes(std::uint64_t bytes, const MessageLimits& limits) {
  if (bytes <= limits.max_message_bytes) return {};
  return invalid("it sent a message of " + std::to_string(bytes) + " bytes, body and segments together; at most " +
                 std::to_string(limits.max_message_bytes) + " are accepted");
}

}  // namespace onward
