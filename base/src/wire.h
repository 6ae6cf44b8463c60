// SPDX-License-Identifier: Apache-2.0
//
// Control messages: kernel values to FlatBuffers tables (wire.fbs) and back, verified. docs/WIRE.md is the
// specification.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "onward/message.h"
#include "onward/status.h"
#include "onward/trace.h"

namespace onward::wire {

// The versions of the protocol that this build speaks.
inline constexpr std::uint16_t kProtocolMin = 1;
inline constexpr std::uint16_t kProtocolMax = 1;
// Features that a HELLO names.
inline constexpr std::uint64_t kFeatureContext = 1;  // requests may have MessageHeader::kHasContext

// Longest string of a control message that is kept; longer ones from a peer are cut.
inline constexpr std::size_t kMaxTextBytes = 64 << 10;

struct Hello {
  std::uint16_t protocol_min = kProtocolMin;
  std::uint16_t protocol_max = kProtocolMax;
  std::string node;
  std::string software;
  std::uint64_t features = 0;
  std::uint32_t max_body_bytes = 0;
  std::uint64_t max_message_bytes = 0;
  struct CodecName {
    std::uint8_t id = 0;
    std::string name;
  };
  std::vector<CodecName> codecs;
};

// An error as a callee reports it. `signature` is the callee's own, set when the caller's differs.
struct RemoteError {
  Status status;
  std::string signature;
};

[[nodiscard]] Message encode_hello(const Hello& hello);
[[nodiscard]] Result<Hello> decode_hello(std::span<const std::byte> body);

[[nodiscard]] Message encode_goaway(const Status& reason);
[[nodiscard]] Result<Status> decode_goaway(std::span<const std::byte> body);

// A request's last segment, where it has kHasContext. A receiver's span is a new one below the sender's.
[[nodiscard]] Buffer encode_context(const CallMetadata& metadata);
[[nodiscard]] Result<CallMetadata> decode_context(std::span<const std::byte> segment);

[[nodiscard]] Message encode_error(std::uint64_t call_id, const Status& status, const std::string& signature = {});
[[nodiscard]] Result<RemoteError> decode_error(std::span<const std::byte> body);

// A message without a body: ping, pong, cancel.
[[nodiscard]] Message bare(MessageKind kind, std::uint64_t call_id);

}  // namespace onward::wire
