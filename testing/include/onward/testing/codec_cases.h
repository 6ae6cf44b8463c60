// SPDX-License-Identifier: Apache-2.0
//
// Conformance of codecs: the cases.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "onward/testing/codec_fixture.h"

namespace onward::testing_support {

TEST_P(CodecConformance, HasAnIdAndAName) {
  EXPECT_NE(codec_->id(), 0);
  EXPECT_FALSE(codec_->name().empty());
}

TEST_P(CodecConformance, GeneratedValuesRoundTrip) {
  for (std::uint64_t n = 0; n < 2000; ++n) {
    SCOPED_TRACE("ONWARD_SEED=" + std::to_string(seed_ + n));
    expect_round_trip(generate(n));
    if (HasFailure()) break;
  }
}

// A codec carries tags, or writes the values alone.
TEST_P(CodecConformance, ValuesReadTheSameWithTagsAsWithout) {
  for (std::uint64_t n = 1; n < 2000; n += 2) {
    SCOPED_TRACE("ONWARD_SEED=" + std::to_string(seed_ + n));
    const DynamicValue value = generate(n);
    const Payload payload = message(n);
    Delivery delivery(payload);
    DynamicValue back;
    const Status decoded = decode_as(value, delivery.message(), back);
    EXPECT_TRUE(decoded.ok()) << decoded.to_string();
    EXPECT_TRUE(back == value);
    if (HasFailure()) break;
  }
}

TEST_P(CodecConformance, ATagIsTheOutermostOrIsDropped) {
  const DynamicValue value = carried(Buffer::copy_of(std::string_view("12345678")));
  for (const bool tagged : {false, true}) {
    Payload payload;
    const auto write = [&](Encoder& encoder) {
      if (tagged) encoder.begin_tagged("demo.Outer");
      if (tagged) encoder.begin_tagged("demo.Inner");
      encode_value(encoder, value);
      if (tagged) encoder.end_tagged();
      if (tagged) encoder.end_tagged();
    };
    ASSERT_TRUE(codec_->encode(write, payload).ok());
    Delivery delivery(payload);
    InboundMessage message = delivery.message();
    const Status decoded = codec_->decode(message, [&](Decoder& decoder) {
      const std::string tag(decoder.tag());
      EXPECT_TRUE(tag.empty() || (tagged && tag == "demo.Outer")) << tag;
      EXPECT_EQ(decoder.tag(), tag) << "asking consumes nothing";
      EXPECT_TRUE(decode_value<DynamicValue>(decoder) == value);
    });
    EXPECT_TRUE(decoded.ok()) << decoded.to_string();
  }
}

TEST_P(CodecConformance, BytesOfEverySizeRoundTrip) {
  Random random(seed_);
  static constexpr std::array<std::size_t, 17> kSizes = {
      1, 2, 15, 63, 64, 127, 255, 256, 257, 4094, 4095, 4096, 65'535, 65'536, 65'537, 500'000, 1U << 20U};
  for (const std::size_t size : kSizes) {
    SCOPED_TRACE(size);
    expect_round_trip(carried(random.bytes(size)));
    expect_round_trip(single(1, random.bytes(size)));
  }
}

TEST_P(CodecConformance, NothingDiffersFromEmptyBytes) {
  expect_round_trip({std::monostate()});
  expect_round_trip({DynamicValue::Sequence{}});
  expect_round_trip(carried(Buffer()));
  expect_round_trip(single(1, Buffer()));
}

TEST_P(CodecConformance, LargeBuffersAreSharedNotCopied) {
  Random random(seed_);
  const Buffer bytes = random.bytes(kSegmentThresholdBytes);
  Payload payload;
  ASSERT_TRUE(encode(*codec_, carried(bytes), payload).ok());
  ASSERT_EQ(payload.segments.size(), 1U);
  EXPECT_EQ(payload.segments.front().data(), bytes.data());
  EXPECT_LT(payload.body.size(), 64U);
}

TEST_P(CodecConformance, SmallBuffersStayInTheBody) {
  Random random(seed_);
  Payload payload;
  ASSERT_TRUE(encode(*codec_, carried(random.bytes(kSegmentThresholdBytes - 1)), payload).ok());
  EXPECT_TRUE(payload.segments.empty());
  EXPECT_GE(payload.body.header_room(), Buffer::kHeaderRoom);
}

TEST_P(CodecConformance, EveryTruncationIsHarmless) {
  for (std::uint64_t n = 0; n < 60; ++n) {
    SCOPED_TRACE("ONWARD_SEED=" + std::to_string(seed_ + n));
    const Payload payload = message(n);
    const std::size_t most = std::min<std::size_t>(payload.body.size(), 1500);
    for (std::size_t bytes = 0; bytes < most; ++bytes) {
      expect_harmless(payload.body.bytes().first(bytes), payload.segments);
      expect_harmless(payload.body.bytes().last(bytes), payload.segments);
    }
    if (HasFailure()) break;
  }
}

TEST_P(CodecConformance, MutationsAreHarmless) {
  for (std::uint64_t n = 0; n < 24'000; ++n) {
    SCOPED_TRACE("ONWARD_SEED=" + std::to_string(seed_ + n));
    Random random(seed_ + n);
    const Payload payload = message(n / 12);
    std::vector<std::byte> body(payload.body.bytes().begin(), payload.body.bytes().end());
    for (std::size_t flips = 1 + random.below(4); flips > 0 && !body.empty(); --flips) {
      // The end of a message says what the rest is: half of the flips go there.
      const std::size_t reach = random.one_in(2) ? std::min<std::size_t>(body.size(), 24) : body.size();
      std::byte& victim = body[body.size() - 1 - random.below(reach)];
      victim = random.one_in(2) ? static_cast<std::byte>(random.next())
                                : victim ^ static_cast<std::byte>(1U << random.below(8));
    }
    expect_harmless(body, payload.segments);
    if (HasFailure()) break;
  }
}

TEST_P(CodecConformance, GarbageIsHarmless) {
  Random random(seed_);
  for (int n = 0; n < 10'000; ++n) {
    expect_harmless(random.bytes(random.below(80)).bytes(), {});
    if (HasFailure()) break;
  }
}

TEST_P(CodecConformance, SegmentsThatDoNotBelongAreRefused) {
  Random random(seed_);
  Payload payload;
  ASSERT_TRUE(encode(*codec_, carried(random.bytes(100)), payload).ok());
  Delivery extra(payload.body.bytes(), {random.bytes(10)});
  DynamicValue value;
  EXPECT_EQ(decode(*codec_, extra.message(), value).code(), StatusCode::kInvalidArgument);

  ASSERT_TRUE(encode(*codec_, carried(random.bytes(5000)), payload).ok());
  Delivery twice(payload.body.bytes(), {payload.segments.front(), payload.segments.front()});
  EXPECT_EQ(decode(*codec_, twice.message(), value).code(), StatusCode::kInvalidArgument);
}

TEST_P(CodecConformance, FirstFailureSticksAndLeavesTheOutputAlone) {
  Payload payload;
  payload.body = Buffer::copy_of(std::string_view("before"));
  const Status status = codec_->encode(
      [](Encoder& encoder) {
        encoder.fail(Status(StatusCode::kInvalidArgument, "first"));
        encoder.fail(Status(StatusCode::kInternal, "second"));
        encoder.begin_sequence(2);
        encoder.null();
        encoder.end_map();
      },
      payload);
  EXPECT_EQ(status.message(), "first");
  EXPECT_EQ(payload.body.text(), "before");
}

TEST_P(CodecConformance, ReadersFailureIsTheResult) {
  Payload payload;
  ASSERT_TRUE(encode(*codec_, carried(Buffer::copy_of(std::string_view("12345678"))), payload).ok());
  Delivery delivery(payload);
  InboundMessage message = delivery.message();
  const Status status = codec_->decode(message, [](Decoder& decoder) {
    decoder.fail(Status(StatusCode::kInvalidArgument, "mine"));
    EXPECT_EQ(decoder.peek(), ValueKind::kNull);
    EXPECT_EQ(decoder.begin_sequence(), 0U);
    EXPECT_TRUE(decoder.bytes().empty());
    EXPECT_TRUE(decoder.bytes_view().empty());
    EXPECT_EQ(decoder.integer(), 0);
    decoder.skip();
    decoder.end_sequence();
  });
  EXPECT_EQ(status.message(), "mine");
}

TEST_P(CodecConformance, ExceptionsPassThrough) {
  Payload payload;
  EXPECT_THROW((void)codec_->encode([](Encoder&) { throw std::out_of_range("x"); }, payload), std::out_of_range);
  ASSERT_TRUE(encode(*codec_, carried(Buffer::copy_of(std::string_view("12345678"))), payload).ok());
  Delivery delivery(payload);
  InboundMessage message = delivery.message();
  EXPECT_THROW((void)codec_->decode(message, [](Decoder&) { throw std::out_of_range("x"); }), std::out_of_range);
}

TEST_P(CodecConformance, MisuseIsAnErrorNotACrash) {
  Payload payload;
  const auto code = [&](FunctionRef<void(Encoder&)> write) { return codec_->encode(write, payload).code(); };
  EXPECT_NE(code([](Encoder&) {}), StatusCode::kOk);
  EXPECT_NE(code([](Encoder& encoder) { encoder.end_map(); }), StatusCode::kOk);
  EXPECT_NE(code([](Encoder& encoder) { encoder.key("a"); }), StatusCode::kOk);
  EXPECT_NE(code([](Encoder& encoder) {
              encoder.null();
              encoder.null();
            }),
            StatusCode::kOk);
  ASSERT_TRUE(encode(*codec_, carried(Buffer::copy_of(std::string_view("12345678"))), payload).ok());
  Delivery delivery(payload);
  InboundMessage message = delivery.message();
  EXPECT_FALSE(codec_->decode(message, [](Decoder&) {}).ok());
}

TEST_P(CodecConformance, EncodesAndDecodesInsideItself) {
  const DynamicValue inner = generate(1);
  Payload payload;
  const Status status = codec_->encode(
      [&](Encoder& encoder) {
        expect_round_trip(inner);
        encoder.null();
      },
      payload);
  EXPECT_TRUE(status.ok());
}

TEST_P(CodecConformance, OneCodecServesManyThreads) {
  std::vector<std::thread> threads;
  for (std::uint64_t t = 0; t < 4; ++t) {
    threads.emplace_back([this, t] {
      for (std::uint64_t n = 0; n < 100; ++n) expect_round_trip(generate(1000 * t + n));
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_P(SingleValueCodecConformance, WhatItCannotCarryIsRefusedByName) {
  Payload payload;
  const DynamicValue values[] = {
      {true},
      {std::int64_t{1}},
      {1.5},
      {std::string("text")},
      {DynamicValue::Sequence{carried(Buffer()), carried(Buffer())}},
      {DynamicValue::Sequence{{DynamicValue::Sequence{}}}},
      {DynamicValue::Map{}},
      {DynamicValue::Numbers{}},
      {TensorValue{.type = NumberType::kFloat32, .shape = {0}, .data = {}}},
  };
  for (const DynamicValue& value : values) {
    const Status status = encode(*codec_, value, payload);
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
    EXPECT_NE(status.message().find(codec_->name()), std::string::npos) << status.message();
  }
}

TEST_P(StructuredCodecConformance, NestsToTheLimitAndNotBeyond) {
  DynamicValue value{std::int64_t{7}};
  for (std::size_t depth = 0; depth < kMaxValueDepth; ++depth) {
    if (depth % 2 == 0) {
      DynamicValue::Map map;
      map.emplace_back("k", std::move(value));
      value = {std::move(map)};
    } else {
      value = {DynamicValue::Sequence{std::move(value)}};
    }
  }
  expect_round_trip(value);
  Payload payload;
  const Status status = encode(*codec_, DynamicValue{DynamicValue::Sequence{value}}, payload);
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_NE(status.message().find("64"), std::string::npos);
}

TEST_P(StructuredCodecConformance, MoreLargeBuffersThanSegments) {
  Random random(seed_);
  DynamicValue::Sequence values;
  for (std::size_t i = 0; i < kMaxSegments + 20; ++i) values.push_back({random.bytes(kSegmentThresholdBytes)});
  const DynamicValue value{std::move(values)};
  Payload payload;
  ASSERT_TRUE(encode(*codec_, value, payload).ok());
  EXPECT_EQ(payload.segments.size(), kMaxSegments);
  expect_round_trip(value);
}

TEST_P(StructuredCodecConformance, BadMapsAndTensorsAreRefused) {
  Payload payload;
  const DynamicValue values[] = {
      {DynamicValue::Map{{"a", {}}, {"b", {}}, {"a", {}}}},
      {DynamicValue::Map{{std::string("a\0b", 3), {}}}},
      {TensorValue{.type = NumberType::kFloat32, .shape = {2}, .data = Buffer::allocate(4)}},
      {TensorValue{.type = NumberType::kInt8, .shape = {1ULL << 63U, 2, 3}, .data = {}}},
  };
  for (const DynamicValue& value : values) {
    EXPECT_EQ(encode(*codec_, value, payload).code(), StatusCode::kInvalidArgument);
  }
}

}  // namespace onward::testing_support
