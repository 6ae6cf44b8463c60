// SPDX-License-Identifier: Apache-2.0
//
// The messages that the .hex files beside this hold. A change here is a change of the protocol.
#include "golden_frames.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <tuple>
#include <vector>

#include "onward/codec.h"
#include "onward/error_detail.h"
#include "onward/flex/flex_codec.h"
#include "onward/function.h"
#include "onward/typed_function.h"
#include "onward/value.h"
#include "wire.h"

namespace onward::testing_support {
namespace {

constexpr std::uint64_t kCallId = 0x0000'0001'0000'0002;  // slot 2, second generation
constexpr std::size_t kSegmentBytes = 4099;               // above the threshold, and needs padding

const Codec& flex() {
  static const auto codec = make_flex_codec();
  return *codec;
}

Message carrying(MessageKind kind, FunctionRef<void(Encoder&)> write) {
  Message message;
  const Status encoded = flex().encode(write, message.payload);
  EXPECT_TRUE(encoded.ok()) << encoded.to_string();
  message.header.kind = kind;
  message.header.codec = flex().id();
  message.header.call_id = kCallId;
  return message;
}

template <class T>
Message carrying(MessageKind kind, const T& value) {
  const auto write = [&](Encoder& encoder) { encode_value(encoder, value); };
  return carrying(kind, FunctionRef<void(Encoder&)>(write));
}

template <class R, class... Args>
Message request(std::string_view function, std::uint32_t timeout_ms, const Args&... args) {
  Message message = carrying(MessageKind::kRequest, std::tuple<Args...>(args...));
  message.header.function_id = function_id(function);
  message.header.timeout_ms = timeout_ms;
  message.header.signature = detail::signature_of<R, Args...>().hash;
  return message;
}

template <class T>
T read(InboundMessage& message) {
  T value{};
  const Status decoded = flex().decode(message, [&](Decoder& decoder) { decode_value(decoder, value); });
  EXPECT_TRUE(decoded.ok()) << decoded.to_string();
  return value;
}

Buffer segment() {
  Buffer bytes = Buffer::allocate(kSegmentBytes);
  std::fill_n(bytes.mutable_data(), kSegmentBytes, std::byte{0xAB});
  return bytes;
}

wire::Hello hello() {
  return {.node = "a",
          .software = "onward 0.1.0",
          .features = 0,
          .max_body_bytes = 64U << 20,
          .max_message_bytes = std::uint64_t{1} << 30,
          .codecs = {{1, "flex"}, {2, "flatbuffers"}, {3, "raw"}}};
}

CallMetadata context() {
  CallMetadata metadata{.trace = TraceContext::parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
                        .baggage = {}};
  EXPECT_TRUE(metadata.baggage.set("tenant", "blue").ok());
  return metadata;
}

void check_hello(InboundMessage& message) {
  EXPECT_EQ(message.header.kind, MessageKind::kHello);
  EXPECT_EQ(message.header.function_id, MessageHeader::kMagic);
  const Result<wire::Hello> read_back = wire::decode_hello(message.body);
  ASSERT_TRUE(read_back) << read_back.error().to_string();
  const wire::Hello wanted = hello();
  EXPECT_EQ(read_back->protocol_min, 1);
  EXPECT_EQ(read_back->protocol_max, 1);
  EXPECT_EQ(read_back->node, wanted.node);
  EXPECT_EQ(read_back->software, wanted.software);
  EXPECT_EQ(read_back->features, wanted.features);
  EXPECT_EQ(read_back->max_body_bytes, wanted.max_body_bytes);
  EXPECT_EQ(read_back->max_message_bytes, wanted.max_message_bytes);
  ASSERT_EQ(read_back->codecs.size(), wanted.codecs.size());
  for (std::size_t i = 0; i < wanted.codecs.size(); ++i) {
    EXPECT_EQ(read_back->codecs[i].id, wanted.codecs[i].id);
    EXPECT_EQ(read_back->codecs[i].name, wanted.codecs[i].name);
  }
}

void check_request(const InboundMessage& message, std::string_view function, std::uint32_t timeout_ms) {
  EXPECT_EQ(message.header.kind, MessageKind::kRequest);
  EXPECT_EQ(message.header.codec, 1);
  EXPECT_EQ(message.header.call_id, kCallId);
  EXPECT_EQ(message.header.function_id, function_id(function));
  EXPECT_EQ(message.header.timeout_ms, timeout_ms);
}

Status sample_error() {
  return Status(StatusCode::kUnknown, "vector::_M_range_check")
      .with_type("std::out_of_range")
      .with_hop({"b", "my_add_2", ""})
      .with_hop({"a", "my_add_3", "asked b"});
}

Status error_with_detail() {
  return Status(StatusCode::kFailedPrecondition, "not enough seats")
      .with_detail(std::vector<std::int32_t>{7, 9})
      .with_hop({"b", "book", ""});
}

void check_error(const InboundMessage& message, const Status& wanted, const std::string& signature) {
  EXPECT_EQ(message.header.kind, MessageKind::kError);
  EXPECT_EQ(message.header.call_id, kCallId);
  const Result<wire::RemoteError> error = wire::decode_error(message.body);
  ASSERT_TRUE(error) << error.error().to_string();
  EXPECT_EQ(error->status.to_string(), wanted.to_string());
  EXPECT_EQ(error->status.trail(), wanted.trail());
  EXPECT_EQ(error->status.detail_type(), wanted.detail_type());
  EXPECT_EQ(error->status.detail_bytes().text(), wanted.detail_bytes().text());
  EXPECT_EQ(error->signature, signature);
}

void check_bare(const InboundMessage& message, MessageKind kind) {
  EXPECT_EQ(message.header.kind, kind);
  EXPECT_EQ(message.header.call_id, kCallId);
  EXPECT_EQ(message.header.body_bytes, 0U);
}

GoldenFrame bare_frame(std::string name, std::string title, MessageKind kind) {
  return {.name = std::move(name),
          .title = std::move(title),
          .build = [kind] { return wire::bare(kind, kCallId); },
          .check = [kind](InboundMessage& message) { check_bare(message, kind); }};
}

std::vector<GoldenFrame> call_frames() {
  return {
      {.name = "request",
       .title = "# REQUEST: my_add_3(1, 2, 3), int32s, within 1000 ms, in codec flex.\n",
       .build = [] { return request<int>("my_add_3", 1000, 1, 2, 3); },
       .check =
           [](InboundMessage& message) {
             check_request(message, "my_add_3", 1000);
             EXPECT_EQ(message.header.signature, Signature("(int32, int32, int32) -> int32").hash);
             EXPECT_EQ((read<std::tuple<int, int, int>>(message)), std::tuple(1, 2, 3));
           }},
      {.name = "request_segment",
       .title = "# REQUEST: store(\"blob\", 4099 bytes), without a timeout, the bytes in a segment.\n",
       .build = [] { return request<void>("store", MessageHeader::kNoTimeout, std::string("blob"), segment()); },
       .check =
           [](InboundMessage& message) {
             check_request(message, "store", MessageHeader::kNoTimeout);
             EXPECT_EQ(message.header.signature, Signature("(string, bytes) -> void").hash);
             ASSERT_EQ(message.segments.size(), 1U);
             const auto [name, bytes] = read<std::tuple<std::string, Buffer>>(message);
             EXPECT_EQ(name, "blob");
             EXPECT_EQ(bytes.text(), segment().text());
           }},
      {.name = "request_context",
       .title =
           "# REQUEST: my_add_3(1, 2, 3) in a trace and with baggage: flag 1, and the context as its last segment.\n",
       .build =
           [] {
             Message message = request<int>("my_add_3", 1000, 1, 2, 3);
             message.header.flags = MessageHeader::kHasContext;
             message.payload.segments.push_back(wire::encode_context(context()));
             return message;
           },
       .check =
           [](InboundMessage& message) {
             check_request(message, "my_add_3", 1000);
             EXPECT_EQ(message.header.flags, MessageHeader::kHasContext);
             ASSERT_EQ(message.segments.size(), 1U);
             const Result<CallMetadata> read_back = wire::decode_context(message.segments[0].bytes());
             ASSERT_TRUE(read_back) << read_back.error().to_string();
             EXPECT_EQ(read_back->trace->trace_id, context().trace->trace_id);
             EXPECT_EQ(read_back->baggage.entries(), context().baggage.entries());
             message.segments = {};  // it is not the codec's
             EXPECT_EQ((read<std::tuple<int, int, int>>(message)), std::tuple(1, 2, 3));
           }},
      {.name = "response",
       .title = "# RESPONSE: 6, the result of my_add_3(1, 2, 3).\n",
       .build = [] { return carrying(MessageKind::kResponse, 6); },
       .check =
           [](InboundMessage& message) {
             EXPECT_EQ(message.header.kind, MessageKind::kResponse);
             EXPECT_EQ(message.header.codec, 1);
             EXPECT_EQ(message.header.call_id, kCallId);
             EXPECT_EQ(read<int>(message), 6);
           }},
      {.name = "response_void",
       .title = "# RESPONSE: of a function that returns nothing: null.\n",
       .build = [] { return carrying(MessageKind::kResponse, std::monostate()); },
       .check =
           [](InboundMessage& message) {
             EXPECT_EQ(message.header.kind, MessageKind::kResponse);
             EXPECT_EQ(read<std::monostate>(message), std::monostate());
           }},
  };
}

std::vector<GoldenFrame> tagged_frames() {
  const auto write = [](Encoder& encoder) {
    encoder.begin_tagged("demo.Pair");
    encode_value(encoder, std::tuple(1, 2));
    encoder.end_tagged();
  };
  return {{.name = "response_tagged",
           .title = "# RESPONSE: (1, 2) with the tag \"demo.Pair\".\n",
           .build = [write] { return carrying(MessageKind::kResponse, FunctionRef<void(Encoder&)>(write)); },
           .check =
               [](InboundMessage& message) {
                 EXPECT_EQ(message.header.kind, MessageKind::kResponse);
                 const Status asked = flex().decode(message, [](Decoder& decoder) {
                   EXPECT_EQ(decoder.tag(), "demo.Pair");
                   decoder.skip();
                 });
                 EXPECT_TRUE(asked.ok()) << asked.to_string();
                 EXPECT_EQ((read<std::tuple<int, int>>(message)), std::tuple(1, 2));
               }}};
}

std::vector<GoldenFrame> error_frames() {
  static const std::string kSignature = "(int32, int32) -> int32";
  static const Status kMismatch =
      Status(StatusCode::kInvalidArgument, "the signatures differ").with_hop({"b", "my_add_2", ""});
  return {
      {.name = "error",
       .title = "# ERROR: a std::out_of_range that has come from node b through node a.\n",
       .build = [] { return wire::encode_error(kCallId, sample_error()); },
       .check = [](InboundMessage& message) { check_error(message, sample_error(), ""); }},
      {.name = "error_detail",
       .title = "# ERROR: with a list<int32> as its detail, [7, 9].\n",
       .build = [] { return wire::encode_error(kCallId, error_with_detail()); },
       .check =
           [](InboundMessage& message) {
             check_error(message, error_with_detail(), "");
             EXPECT_EQ(error_with_detail().detail_type(), "list<int32>");
           }},
      {.name = "error_signature",
       .title = "# ERROR: the caller declares the function otherwise; the callee says how it is there.\n",
       .build = [] { return wire::encode_error(kCallId, kMismatch, kSignature); },
       .check = [](InboundMessage& message) { check_error(message, kMismatch, kSignature); }},
  };
}

std::vector<GoldenFrame> control_frames() {
  return {
      {.name = "hello",
       .title = "# HELLO: node a, with the codecs that are built in.\n",
       .build = [] { return wire::encode_hello(hello()); },
       .check = check_hello},
      {.name = "goaway",
       .title = "# GOAWAY: node a is shutting down.\n",
       .build = [] { return wire::encode_goaway(Status(StatusCode::kUnavailable, "node a is shutting down")); },
       .check =
           [](InboundMessage& message) {
             EXPECT_EQ(message.header.kind, MessageKind::kGoaway);
             const Result<Status> reason = wire::decode_goaway(message.body);
             ASSERT_TRUE(reason) << reason.error().to_string();
             EXPECT_EQ(reason->code(), StatusCode::kUnavailable);
             EXPECT_EQ(reason->message(), "node a is shutting down");
           }},
      bare_frame("ping", "# PING: call_id is any number.\n", MessageKind::kPing),
      bare_frame("pong", "# PONG: call_id is that of the PING.\n", MessageKind::kPong),
      bare_frame("cancel", "# CANCEL: the caller no longer waits for call_id.\n", MessageKind::kCancel),
  };
}

}  // namespace

std::vector<GoldenFrame> golden_frames() {
  std::vector<GoldenFrame> frames = control_frames();
  for (auto* more : {&call_frames, &tagged_frames, &error_frames}) {
    for (GoldenFrame& frame : (*more)()) frames.push_back(std::move(frame));
  }
  return frames;
}

}  // namespace onward::testing_support
