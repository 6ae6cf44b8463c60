// SPDX-License-Identifier: Apache-2.0
//
// Control messages as a peer may send them: right, from another version, cut off, or made to harm.
#include "wire.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "wire_generated.h"

namespace onward::wire {
namespace {

namespace fb = ::flatbuffers;
using ::testing::HasSubstr;

std::span<const std::byte> bytes_of(const fb::FlatBufferBuilder& builder) {
  return std::as_bytes(std::span(builder.GetBufferPointer(), builder.GetSize()));
}

Hello full_hello() {
  return {.protocol_min = 1,
          .protocol_max = 3,
          .node = "shard1",
          .software = "onward 9.9",
          .features = 0xFFFF'FFFF'0000'0001,
          .max_body_bytes = 1234,
          .max_message_bytes = std::uint64_t{1} << 40,
          .codecs = {{1, "flex"}, {255, "own"}}};
}

Status long_status(std::size_t hops) {
  Status status = Status(StatusCode::kNotFound, "gone").with_type("demo::Gone");
  for (std::size_t i = 0; i < hops; ++i) status = status.with_hop({"n" + std::to_string(i), "f", "m"});
  return status;
}

TEST(Wire, HelloComesBack) {
  const Message message = encode_hello(full_hello());
  EXPECT_EQ(message.header.kind, MessageKind::kHello);
  EXPECT_EQ(message.header.function_id, MessageHeader::kMagic);
  const auto hello = decode_hello(message.payload.body.bytes());
  ASSERT_TRUE(hello);
  EXPECT_EQ(hello->protocol_min, 1);
  EXPECT_EQ(hello->protocol_max, 3);
  EXPECT_EQ(hello->node, "shard1");
  EXPECT_EQ(hello->software, "onward 9.9");
  EXPECT_EQ(hello->features, 0xFFFF'FFFF'0000'0001);
  EXPECT_EQ(hello->max_body_bytes, 1234U);
  EXPECT_EQ(hello->max_message_bytes, std::uint64_t{1} << 40);
  ASSERT_EQ(hello->codecs.size(), 2U);
  EXPECT_EQ(hello->codecs[1].id, 255);
  EXPECT_EQ(hello->codecs[1].name, "own");
}

TEST(Wire, GoawayComesBack) {
  const auto reason = decode_goaway(encode_goaway(Status(StatusCode::kUnavailable, "bye")).payload.body.bytes());
  ASSERT_TRUE(reason);
  EXPECT_EQ(reason->to_string(), "UNAVAILABLE: bye");
}

TEST(Wire, ErrorsComeBackWithTypeTrailAndSignature) {
  const Status status = long_status(3);
  const Message message = encode_error(77, status, "(int32) -> int32");
  EXPECT_EQ(message.header.kind, MessageKind::kError);
  EXPECT_EQ(message.header.call_id, 77U);
  const auto error = decode_error(message.payload.body.bytes());
  ASSERT_TRUE(error);
  EXPECT_EQ(error->status.to_string(), status.to_string());
  EXPECT_EQ(error->signature, "(int32) -> int32");
  EXPECT_EQ(decode_error(encode_error(1, status).payload.body.bytes())->signature, "");
}

TEST(Wire, EveryCodeComesBack) {
  for (std::uint8_t code = 1; code <= 16; ++code) {
    const auto error = decode_error(encode_error(1, Status(static_cast<StatusCode>(code), "x")).payload.body.bytes());
    ASSERT_TRUE(error);
    EXPECT_EQ(error->status.code(), static_cast<StatusCode>(code));
  }
}

TEST(Wire, TextMayHoldAnyBytes) {
  const std::string text("\0\xFF\n\"\xC3", 5);
  const auto error =
      decode_error(encode_error(1, Status(StatusCode::kInternal, text).with_type(text)).payload.body.bytes());
  ASSERT_TRUE(error);
  EXPECT_EQ(error->status.message(), text);
  EXPECT_EQ(error->status.type(), text);
}

TEST(Wire, BareMessagesHaveNoBody) {
  const Message message = bare(MessageKind::kPong, 9);
  EXPECT_EQ(message.header.kind, MessageKind::kPong);
  EXPECT_EQ(message.header.call_id, 9U);
  EXPECT_TRUE(message.payload.body.empty());
}

// ---- From other versions.

TEST(Wire, CodesThatAreNotKnownAreUnknownErrors) {
  for (const std::uint8_t code : {std::uint8_t{0}, std::uint8_t{17}, std::uint8_t{255}}) {
    fb::FlatBufferBuilder builder;
    builder.Finish(table::CreateError(builder, code, builder.CreateString("new")));
    const auto error = decode_error(bytes_of(builder));
    ASSERT_TRUE(error);
    EXPECT_EQ(error->status.to_string(), "UNKNOWN: new") << int{code};
    fb::FlatBufferBuilder other;
    other.Finish(table::CreateGoaway(other, code, other.CreateString("new")));
    EXPECT_EQ(decode_goaway(bytes_of(other))->code(), StatusCode::kUnknown);
  }
}

TEST(Wire, TablesWithNothingInThemAreReadAsDefaults) {
  const auto empty = [](auto create) {
    fb::FlatBufferBuilder builder;
    builder.Finish(create(builder));
    return std::vector<std::byte>(bytes_of(builder).begin(), bytes_of(builder).end());
  };
  const auto hello = decode_hello(empty([](auto& b) { return table::CreateHello(b); }));
  ASSERT_TRUE(hello);
  EXPECT_EQ(hello->node, "");
  EXPECT_TRUE(hello->codecs.empty());
  const auto error = decode_error(empty([](auto& b) { return table::CreateError(b); }));
  ASSERT_TRUE(error);
  EXPECT_FALSE(error->status.ok());
  EXPECT_EQ(error->status.type(), "");
  EXPECT_FALSE(decode_goaway(empty([](auto& b) { return table::CreateGoaway(b); }))->ok());
}

TEST(Wire, HopsAndCodecsWithNothingInThem) {
  fb::FlatBufferBuilder builder;
  const auto hop = table::CreateHop(builder);
  const auto trail = builder.CreateVector(std::vector(3, hop));
  builder.Finish(table::CreateError(builder, 5, 0, 0, trail));
  const auto error = decode_error(bytes_of(builder));
  ASSERT_TRUE(error);
  EXPECT_EQ(error->status.trail(), std::vector<Hop>(3));
}

// ---- Bounds.

TEST(Wire, LongTextIsCut) {
  const std::string longer(kMaxTextBytes + 1000, 'x');
  const auto sent = decode_error(encode_error(1, Status(StatusCode::kInternal, longer)).payload.body.bytes());
  ASSERT_TRUE(sent);
  EXPECT_EQ(sent->status.message().size(), kMaxTextBytes);
  fb::FlatBufferBuilder builder;
  const auto text = builder.CreateString(longer);
  builder.Finish(table::CreateError(builder, 5, text, text, 0, text));
  const auto received = decode_error(bytes_of(builder));
  ASSERT_TRUE(received);
  EXPECT_EQ(received->status.message().size(), kMaxTextBytes);
  EXPECT_EQ(received->status.type().size(), kMaxTextBytes);
  EXPECT_EQ(received->signature.size(), kMaxTextBytes);
}

TEST(Wire, LongDetailsAreLeftOutWithANote) {
  fb::FlatBufferBuilder builder;
  const auto text = builder.CreateString(std::string(kMaxTextBytes, 'x'));
  const auto detail = builder.CreateVector(std::vector<std::uint8_t>(Status::kMaxDetailBytes + 1));
  builder.Finish(table::CreateError(builder, 5, text, 0, 0, 0, text, detail));
  const auto error = decode_error(bytes_of(builder));
  ASSERT_TRUE(error);
  EXPECT_TRUE(error->status.detail_bytes().empty());
  EXPECT_THAT(error->status.message(), HasSubstr("65537 bytes are more than the 65536"));
  const auto again = decode_error(encode_error(1, error->status).payload.body.bytes());
  ASSERT_TRUE(again);
  EXPECT_EQ(again->status.to_string(), error->status.to_string());
}

TEST(Wire, LongTrailsAreCutOrRefused) {
  const auto trail_of = [](std::size_t hops) {
    fb::FlatBufferBuilder builder;
    std::vector<fb::Offset<table::Hop>> trail;
    for (std::size_t i = 0; i < hops; ++i) {
      trail.push_back(table::CreateHop(builder, builder.CreateString("n" + std::to_string(i))));
    }
    builder.Finish(table::CreateError(builder, 5, 0, 0, builder.CreateVector(trail)));
    return decode_error(bytes_of(builder));
  };
  const auto fits = trail_of(Status::kMaxHops);
  ASSERT_TRUE(fits);
  EXPECT_EQ(fits->status.trail().size(), Status::kMaxHops);
  const auto longer = trail_of(500);
  ASSERT_TRUE(longer);
  ASSERT_EQ(longer->status.trail().size(), Status::kMaxHops);
  EXPECT_EQ(longer->status.trail().back().node, "n63");
  const auto hostile = trail_of(100'000);
  ASSERT_FALSE(hostile);
  EXPECT_EQ(hostile.error().code(), StatusCode::kInvalidArgument);
}

TEST(Wire, AFullTrailSurvivesEachHop) {
  const Status status = long_status(Status::kMaxHops);
  const auto once = decode_error(encode_error(1, status).payload.body.bytes());
  ASSERT_TRUE(once);
  const auto twice = decode_error(encode_error(1, once->status.with_hop({"late", "", ""})).payload.body.bytes());
  ASSERT_TRUE(twice);
  EXPECT_EQ(twice->status.to_string(), status.to_string());
}

TEST(Wire, TextsSharedByManyTablesDoNotMultiply) {
  // One long text, to which each of the hops refers three times: small on the wire, not in memory.
  fb::FlatBufferBuilder builder;
  const auto text = builder.CreateString(std::string(kMaxTextBytes, 'x'));
  const auto hop = table::CreateHop(builder, text, text, text);
  builder.Finish(table::CreateError(builder, 5, text, text, builder.CreateVector(std::vector(900, hop))));
  const auto error = decode_error(bytes_of(builder));
  if (!error) return;  // refusing it is as good
  std::size_t bytes = error->status.message().size() + error->status.type().size();
  for (const Hop& each : error->status.trail()) bytes += each.node.size() + each.function.size() + each.message.size();
  EXPECT_LE(bytes, (3 * Status::kMaxHops + 2) * kMaxTextBytes);
}

// ---- Hostile bytes.

template <class Decode>
void expect_survives(const Buffer& body, Decode decode) {
  const auto whole = body.bytes();
  ASSERT_TRUE(decode(whole));
  for (std::size_t cut = 0; cut < whole.size(); ++cut) {
    // In memory of its own, so that a sanitizer sees a read behind the end.
    const std::vector<std::byte> part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(cut));
    const auto result = decode(part);
    if (!result) {
      ASSERT_EQ(result.error().code(), StatusCode::kInvalidArgument) << cut;
      ASSERT_THAT(result.error().message(), HasSubstr("malformed")) << cut;
    }
    if (cut < 8) {
      ASSERT_FALSE(result) << cut;
    }
  }
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::independent_bits_engine<std::mt19937, 32, std::uint32_t> random(seed);
  for (int round = 0; round < 20'000; ++round) {
    std::vector<std::byte> broken(whole.begin(), whole.end());
    for (std::uint32_t flips = 1 + random() % 4; flips > 0; --flips) {
      const std::size_t at = random() % broken.size();
      broken[at] = random() % 4 == 0 ? std::byte{0xFF} : static_cast<std::byte>(random());
    }
    static_cast<void>(decode(broken));  // whatever it says, it lives
  }
}

TEST(Wire, BrokenHellosAreRefused) { expect_survives(encode_hello(full_hello()).payload.body, &decode_hello); }
TEST(Wire, BrokenGoawaysAreRefused) {
  expect_survives(encode_goaway(Status(StatusCode::kUnavailable, "bye")).payload.body, &decode_goaway);
}
TEST(Wire, BrokenErrorsAreRefused) {
  expect_survives(encode_error(1, long_status(3), "() -> void").payload.body, &decode_error);
}

TEST(Wire, UnalignedBodiesAreRead) {
  const Message message = encode_error(1, long_status(3));
  const auto body = message.payload.body.bytes();
  for (std::size_t shift = 0; shift < 8; ++shift) {
    std::vector<std::byte> shifted(shift);
    shifted.insert(shifted.end(), body.begin(), body.end());
    ASSERT_TRUE(decode_error(std::span(shifted).subspan(shift)));
  }
}

}  // namespace
}  // namespace onward::wire
