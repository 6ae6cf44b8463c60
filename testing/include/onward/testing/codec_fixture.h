// SPDX-License-Identifier: Apache-2.0
//
// Conformance of codecs: what is tested, and what the cases share.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "onward/codec.h"
#include "onward/testing/value_generator.h"
#include "onward/value.h"
#include "onward/value_dynamic.h"

namespace onward::testing_support {

// What a codec can carry, as a value of its own and as the only argument.
enum class Carries { kEverything, kBytes, kTable };

struct CodecCase {
  std::unique_ptr<Codec> (*make)();
  Carries carries;
};

class CodecConformance : public testing::TestWithParam<CodecCase> {
 protected:
  void SetUp() override {
    const char* given = std::getenv("ONWARD_SEED");
    seed_ = given != nullptr ? std::strtoull(given, nullptr, 10) : 20'240'607;
  }

  [[nodiscard]] bool everything() const { return GetParam().carries == Carries::kEverything; }

  // The n-th message of this seed.
  DynamicValue generate(std::uint64_t n) const {
    Random random(seed_ + n);
    if (everything()) return ValueGenerator(random).value(1 + random.below(5));
    const std::size_t bytes = random.one_in(4) ? random.below(10'000) : random.below(100);
    return single(random.below(4), random.bytes(bytes + (GetParam().carries == Carries::kTable ? 8 : 0)));
  }

  // The same as it is sent, every other one with tags.
  Payload message(std::uint64_t n) const {
    const DynamicValue value = generate(n);
    Payload payload;
    Random random(seed_ + n);
    const auto tagged = [&](Encoder& encoder) { TaggedWriter(random, encoder).value(value); };
    const Status status = n % 2 == 0 ? encode(*codec_, value, payload) : codec_->encode(tagged, payload);
    EXPECT_TRUE(status.ok()) << status.to_string();
    return payload;
  }

  // The forms of a codec's only value: as a result, as an argument, no result, no arguments.
  [[nodiscard]] DynamicValue single(std::size_t form, Buffer bytes) const {
    DynamicValue value{bytes};
    if (GetParam().carries == Carries::kTable) value.value = DynamicValue::Table{{}, std::move(bytes)};
    if (form == 0) return value;
    if (form == 1) return {DynamicValue::Sequence{std::move(value)}};
    if (form == 2) return {std::monostate()};
    return {DynamicValue::Sequence{}};
  }

  // `bytes` as a value that the codec carries.
  [[nodiscard]] DynamicValue carried(Buffer bytes) const { return single(0, std::move(bytes)); }

  // A codec without structure cannot say on the wire that its value is a list of one.
  Status decode_as(const DynamicValue& like, InboundMessage message, DynamicValue& out) const {
    if (everything() || like.kind() != ValueKind::kSequence) return decode(*codec_, message, out);
    return codec_->decode(
        message, [&](Decoder& decoder) { decode_value(decoder, out.value.emplace<DynamicValue::Sequence>()); });
  }

  void expect_round_trip(const DynamicValue& value) const {
    Payload payload;
    const Status encoded = encode(*codec_, value, payload);
    ASSERT_TRUE(encoded.ok()) << encoded.to_string();
    Delivery delivery(payload);
    DynamicValue back;
    const Status decoded = decode_as(value, delivery.message(), back);
    ASSERT_TRUE(decoded.ok()) << decoded.to_string();
    EXPECT_TRUE(back == value);
  }

  // Bytes from anywhere: a value, in proportion to the bytes, or INVALID_ARGUMENT.
  void expect_harmless(std::span<const std::byte> body, const std::vector<Buffer>& segments) const {
    std::size_t bytes = body.size();
    for (const Buffer& segment : segments) bytes += segment.size();
    Delivery delivery(body, segments);
    DynamicValue value;
    const Status status = decode(*codec_, delivery.message(), value);
    if (status.ok()) {
      EXPECT_LE(weight(value), 64 * bytes + 8192);
      Payload again;
      const Status encoded = encode(*codec_, value, again);
      EXPECT_TRUE(encoded.ok() || encoded.code() == StatusCode::kInvalidArgument) << encoded.to_string();
    } else {
      EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << status.to_string();
      EXPECT_FALSE(status.message().empty());
    }
  }

  std::uint64_t seed_ = 0;
  std::unique_ptr<Codec> codec_ = GetParam().make();
};

// For codecs that carry everything, and for those that carry a single value.
class StructuredCodecConformance : public CodecConformance {};
class SingleValueCodecConformance : public CodecConformance {};

inline std::vector<CodecCase> cases_if(bool wanted, CodecCase codec) {
  return wanted ? std::vector<CodecCase>{codec} : std::vector<CodecCase>();
}

}  // namespace onward::testing_support
