// SPDX-License-Identifier: Apache-2.0
//
// Tags in codec flex: misuse, limits, and messages made to harm.
#include <flatbuffers/flexbuffers.h>
#include <gtest/gtest.h>

#include <string>
#include <tuple>
#include <vector>

#include "flex_tags_fixture.h"

namespace onward::test {
namespace {

// [key "tagged", "x", …], as many as `count`, around a null.
void nest_tags(flexbuffers::Builder& builder, int count) {
  if (count == 0) return builder.Null();
  builder.Vector([&] {
    builder.Key("tagged");
    builder.String("x");
    nest_tags(builder, count - 1);
  });
}

TEST_F(FlexTags, WhatIsLeftOrMissingBehindThemIsFound) {
  const Payload payload = written(Tagged<std::tuple<Tagged<std::tuple<>>, std::int32_t>>{{Tagged<std::tuple<>>(), 1}});
  const auto reading = [&](FunctionRef<void(Decoder&)> behind) {
    return read_with(payload,
                     [&](Decoder& decoder) {
                       decoder.begin_sequence();
                       decoder.begin_sequence();
                       decoder.end_sequence();
                       behind(decoder);
                     })
        .message();
  };
  EXPECT_EQ(reading([](Decoder& decoder) { decoder.end_sequence(); }), "at [0]: 1 value more than was expected");
  EXPECT_NE(reading([](Decoder& decoder) { (void)decoder.key(); }).find("a key where there is none"),
            std::string::npos);
  EXPECT_EQ(reading([](Decoder& decoder) {
              decoder.skip();
              decoder.skip();
            }),
            "at [1]: expected more than 2 values");
  EXPECT_NE(reading([](Decoder& decoder) {
              decoder.skip();
              decoder.end_sequence();
              decoder.end_sequence();
            }).find("the end of no container"),
            std::string::npos);
}

TEST_F(FlexTags, MisuseOfTheEncoderIsFound) {
  const auto message = [&](FunctionRef<void(Encoder&)> write) {
    const Status status = writing(write);
    EXPECT_EQ(status.code(), StatusCode::kInternal);
    return status.message();
  };
  const auto around = [&](FunctionRef<void(Encoder&)> write) {
    return message([&](Encoder& encoder) {
      encoder.begin_tagged("x");
      write(encoder);
      encoder.end_tagged();
    });
  };
  EXPECT_NE(around([](Encoder&) {}).find("1 values announced, 0 written"), std::string::npos);
  EXPECT_NE(around([](Encoder& encoder) { encoder.key("k"); }).find("a key where a value must come"),
            std::string::npos);
  EXPECT_NE(around([](Encoder& encoder) { encoder.end_sequence(); }).find("another container"), std::string::npos);
  EXPECT_NE(around([](Encoder& encoder) { encoder.begin_sequence(0); }).find("another container"), std::string::npos);
  EXPECT_NE(around([](Encoder& encoder) {
              encoder.null();
              encoder.null();
            }).find("a second value behind a tag"),
            std::string::npos);
  EXPECT_NE(around([](Encoder& encoder) {
              encoder.null();
              encoder.key("k");
            }).find("1 values announced, 2 written"),
            std::string::npos);
  EXPECT_NE(message([](Encoder& encoder) { encoder.end_tagged(); }).find("the end of no container"), std::string::npos);
  EXPECT_NE(message([](Encoder& encoder) {
              encoder.begin_tagged("x");
              encoder.null();
            }).find("one value must be written"),
            std::string::npos);
  EXPECT_NE(message([](Encoder& encoder) {
              encoder.begin_map(1);
              encoder.begin_tagged("x");
            }).find("without a key"),
            std::string::npos);
}

// Sequences and tags in turn: a tag is a level for what is in it, and its name another.
TEST_F(FlexTags, NestToTheLimitAndNotBeyond) {
  const auto nest = [](Encoder& encoder, std::size_t levels, auto&& self) -> void {
    if (levels == 0) return encoder.null();
    if (levels % 2 == 0) encoder.begin_tagged("x");
    if (levels % 2 == 1) encoder.begin_sequence(1);
    self(encoder, levels - 1, self);
    if (levels % 2 == 0) encoder.end_tagged();
    if (levels % 2 == 1) encoder.end_sequence();
  };
  Payload payload;
  const auto write = [&](std::size_t levels) {
    return codec_->encode([&](Encoder& encoder) { nest(encoder, levels, nest); }, payload);
  };
  const auto verifies = [&] {
    return flexbuffers::VerifyBuffer(reinterpret_cast<const std::uint8_t*>(payload.body.data()), payload.body.size());
  };
  EXPECT_NE(write(kMaxValueDepth + 1).message().find("64"), std::string::npos);
  ASSERT_TRUE(write(kMaxValueDepth).ok());
  EXPECT_TRUE(verifies());
  DynamicValue value;
  EXPECT_TRUE(read(payload.body.bytes(), {}, value).ok());
  const auto tag_inside = [&](std::size_t levels) {
    return codec_->encode(
        [&](Encoder& encoder) {
          for (std::size_t i = 0; i < levels; ++i) encoder.begin_sequence(1);
          encoder.begin_tagged("x");
          encoder.null();
          encoder.end_tagged();
          for (std::size_t i = 0; i < levels; ++i) encoder.end_sequence();
        },
        payload);
  };
  EXPECT_EQ(tag_inside(kMaxValueDepth - 1).code(), StatusCode::kInvalidArgument);
  EXPECT_TRUE(tag_inside(kMaxValueDepth - 2).ok());
  EXPECT_TRUE(verifies());
}

TEST_F(FlexTags, DeepTagsAreRefused) {
  for (const int depth : {64, 65, 3000}) {
    flexbuffers::Builder builder;
    nest_tags(builder, depth);
    if (depth > 64) {
      EXPECT_NE(refusal(builder).find("deeper than 64"), std::string::npos);
    } else {
      builder.Finish();
      DynamicValue value;
      EXPECT_TRUE(read(std::as_bytes(std::span(builder.GetBuffer())), {}, value).ok());
    }
  }
  flexbuffers::Builder builder;  // a container and a tag in turn, 33 times
  std::vector<std::size_t> starts;
  for (int i = 0; i < 66; ++i) {
    starts.push_back(builder.StartVector());
    if (i % 2 == 0) continue;
    builder.Key("tagged");
    builder.String("x");
  }
  builder.Null();
  for (; !starts.empty(); starts.pop_back()) builder.EndVector(starts.back(), false, false);
  EXPECT_NE(refusal(builder).find("deeper than 64"), std::string::npos);
}

TEST_F(FlexTags, MalformedOnesAreRefused) {
  const auto refused = [&](auto... rest) {
    flexbuffers::Builder builder;
    builder.Vector([&] {
      builder.Key("tagged");
      (builder.Add(rest), ...);
    });
    return refusal(builder);
  };
  const std::string wanted = "malformed FlexBuffers message: a tagged value is not [key, type name, value]";
  EXPECT_EQ(refused(), wanted);
  EXPECT_EQ(refused("x"), wanted);
  EXPECT_EQ(refused("x", 1, 2), wanted);
  EXPECT_EQ(refused(1, 2), wanted);
  flexbuffers::Builder builder;
  builder.Vector([&] {
    builder.Key("tagged");
    builder.Key("x");
    builder.Null();
  });
  EXPECT_EQ(refusal(builder), wanted);
}

// [key "tagged", "x", itself]
TEST_F(FlexTags, OneThatHoldsItselfIsRefused) {
  using enum flexbuffers::Type;
  std::vector<std::byte> body;
  for (const int value : {int{'t'},
                          int{'a'},
                          int{'g'},
                          int{'g'},
                          int{'e'},
                          int{'d'},
                          0,
                          1,
                          int{'x'},
                          0,
                          3,
                          11,
                          4,
                          2,
                          FBT_KEY << 2,
                          FBT_STRING << 2,
                          FBT_VECTOR << 2,
                          6,
                          FBT_VECTOR << 2,
                          1}) {
    body.push_back(static_cast<std::byte>(value));
  }
  EXPECT_NE(refusal(body, {}).find("deeper than 64"), std::string::npos);
  Delivery delivery(body, {});
  InboundMessage message = delivery.message();
  const Status status = codec_->decode(message, [](Decoder& decoder) {
    EXPECT_EQ(decoder.tag(), "x");
    (void)decoder.begin_map();
  });
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
}

TEST_F(FlexTags, ManyReferencesToTheSameTagsAreRefused) {
  flexbuffers::Builder builder;
  builder.Vector([&] {
    nest_tags(builder, 60);
    const auto tagged = builder.LastValue();
    for (int i = 0; i < 20'000; ++i) builder.ReuseValue(tagged);
  });
  EXPECT_NE(refusal(builder).find("too often"), std::string::npos);
}

TEST_F(FlexTags, LongNamesReferredToOftenAreRefused) {
  flexbuffers::Builder builder(256, flexbuffers::BUILDER_FLAG_SHARE_KEYS_AND_STRINGS);
  const std::string name(100'000, 'x');
  builder.Vector([&] {
    for (int i = 0; i < 2000; ++i) {
      builder.Vector([&] {
        builder.Key("tagged");
        builder.String(name);
        builder.Null();
      });
    }
  });
  builder.Finish();
  const std::span<const std::byte> body = std::as_bytes(std::span(builder.GetBuffer()));
  DynamicValue value;
  EXPECT_TRUE(read(body, {}, value).ok()) << "nobody asks for them";
  Delivery delivery(body, {});
  InboundMessage message = delivery.message();
  const Status status = codec_->decode(message, [](Decoder& decoder) {
    const std::size_t count = decoder.begin_sequence();
    for (std::size_t i = 0; i < count && decoder.ok(); ++i) {
      static_cast<void>(decoder.tag());
      decoder.skip();
    }
  });
  EXPECT_NE(status.message().find("too often"), std::string::npos) << status.to_string();
}

TEST_F(FlexTags, ManyTaggedValuesAreWithinTheBound) {
  const std::vector<Tagged<std::tuple<>>> values(50'000);
  const auto reader = [](Decoder& decoder) {
    const std::size_t count = decoder.begin_sequence();
    for (std::size_t i = 0; i < count && decoder.ok(); ++i) {
      EXPECT_EQ(decoder.tag(), "tag0");
      EXPECT_EQ(decoder.peek(), ValueKind::kSequence);
      decoder.begin_sequence();
      decoder.end_sequence();
    }
    decoder.end_sequence();
  };
  const Status status = read_with(written(values), reader);
  EXPECT_TRUE(status.ok()) << status.to_string();
}

// Asks for the tag of everything.
void ask(Decoder& decoder) {
  static_cast<void>(decoder.tag());
  std::size_t count = 0;
  switch (decoder.peek()) {
    case ValueKind::kSequence:
      count = decoder.begin_sequence();
      for (std::size_t i = 0; i < count && decoder.ok(); ++i) ask(decoder);
      return decoder.end_sequence();
    case ValueKind::kMap:
      count = decoder.begin_map();
      for (std::size_t i = 0; i < count && decoder.ok(); ++i) {
        static_cast<void>(decoder.key());
        ask(decoder);
      }
      return decoder.end_map();
    default:
      static_cast<void>(decode_value<DynamicValue>(decoder));
  }
}

TEST_F(FlexTags, AskingSurvivesMutations) {
  const auto value = Tagged<std::tuple<Tagged<std::vector<Tagged<Match, 2>>>, Tagged<Buffer>, Tagged<std::string>>>{
      {{{{{"a.txt", 1}}, {{"b.txt", 2}}}}, {Buffer::allocate(5000)}, {"text"}}};
  const Payload payload = written(value);
  std::size_t accepted = 0;
  for (std::uint64_t n = 0; n < 40'000; ++n) {
    Random random(n);
    std::vector<std::byte> body(payload.body.bytes().begin(), payload.body.bytes().end());
    for (std::size_t flips = 1 + random.below(2); flips > 0; --flips) {
      body[random.below(body.size())] = static_cast<std::byte>(random.next());
    }
    Delivery delivery(body, payload.segments);
    InboundMessage message = delivery.message();
    const Status status = codec_->decode(message, [](Decoder& decoder) { ask(decoder); });
    ASSERT_TRUE(status.ok() || status.code() == StatusCode::kInvalidArgument) << n << ": " << status.to_string();
    accepted += status.ok() ? 1 : 0;
  }
  EXPECT_GT(accepted, 1000U);
}

}  // namespace
}  // namespace onward::test
