// SPDX-License-Identifier: Apache-2.0
//
// What the tests of tags in codec flex share: types that are written with tags, and read without.
#pragma once

#include <flatbuffers/flexbuffers.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "onward/flex/flex_codec.h"
#include "onward/testing/value_generator.h"
#include "onward/value.h"
#include "onward/value_dynamic.h"

namespace tags {

struct Match {
  std::string file;
  std::uint8_t line = 0;

  bool operator==(const Match&) const = default;
};
ONWARD_MEMBERS(Match, file, line)

// Written with so many tags.
template <class T, int kTags = 1>
struct Tagged {
  T value{};
};

}  // namespace tags

namespace onward {

template <class T, int kTags>
struct Value<tags::Tagged<T, kTags>> {
  static void encode(Encoder& encoder, const tags::Tagged<T, kTags>& tagged) {
    for (int i = 0; i < kTags; ++i) encoder.begin_tagged("tag" + std::to_string(i));
    encode_value(encoder, tagged.value);
    for (int i = 0; i < kTags; ++i) encoder.end_tagged();
  }
  static void describe(std::string& out) { describe_value<T>(out); }
};

namespace test {

using namespace testing_support;
using tags::Match;
using tags::Tagged;

class FlexTags : public testing::Test {
 protected:
  template <class T>
  Payload written(const T& value) {
    Payload payload;
    const Status status = encode(*codec_, value, payload);
    EXPECT_TRUE(status.ok()) << status.to_string();
    return payload;
  }
  template <class T>
  Status read(std::span<const std::byte> body, const std::vector<Buffer>& segments, T& out) {
    Delivery delivery(body, segments);
    return decode(*codec_, delivery.message(), out);
  }
  Status read_with(const Payload& payload, FunctionRef<void(Decoder&)> reader) {
    Delivery delivery(payload);
    InboundMessage message = delivery.message();
    return codec_->decode(message, reader);
  }
  // `written_as` is read as a T that equals `value`.
  template <class From, class T>
  void expect_reads_as(const From& written_as, const T& value) {
    T back{};
    const Payload payload = written(written_as);
    const Status status = read(payload.body.bytes(), payload.segments, back);
    EXPECT_TRUE(status.ok()) << status.to_string();
    EXPECT_EQ(back, value);
  }
  // The same alone, between others, and with several tags; and as a value whose type nobody knows.
  template <class T>
  void expect_seen_through(const T& value) {
    SCOPED_TRACE(type_name_of<T>());
    expect_reads_as(Tagged<T>{value}, value);
    expect_reads_as(Tagged<T, 7>{value}, value);
    expect_reads_as(std::tuple(1, Tagged<T>{value}, Tagged<T, 2>{value}, 2), std::tuple(1, value, value, 2));
    expect_reads_as(Tagged<std::tuple<Tagged<T>, T>>{{{value}, value}}, std::tuple(value, value));
    expect_reads_as(std::map<std::string, Tagged<T>>{{"a", {value}}, {"b", {value}}},
                    std::map<std::string, T>{{"a", value}, {"b", value}});
    expect_reads_as(Tagged<T>{value}, std::optional<T>(value));
    DynamicValue plain;
    const Payload payload = written(value);
    ASSERT_TRUE(read(payload.body.bytes(), payload.segments, plain).ok());
    DynamicValue tagged;
    const Payload with_tags = written(Tagged<T, 2>{value});
    ASSERT_TRUE(read(with_tags.body.bytes(), with_tags.segments, tagged).ok());
    EXPECT_TRUE(tagged == plain);
  }
  // The error of writing so; OK is none.
  Status writing(FunctionRef<void(Encoder&)> write) {
    Payload payload;
    return codec_->encode(write, payload);
  }
  // The error of reading `builder`'s value as whatever it is.
  std::string refusal(flexbuffers::Builder& builder) {
    builder.Finish();
    return refusal(std::as_bytes(std::span(builder.GetBuffer())), {});
  }
  std::string refusal(std::span<const std::byte> body, const std::vector<Buffer>& segments) {
    DynamicValue value;
    const Status status = read(body, segments, value);
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << status.to_string();
    return status.message();
  }
  template <class T>
  static std::string type_name_of() {
    std::string name;
    describe_value<T>(name);
    return name;
  }

  std::unique_ptr<Codec> codec_ = make_flex_codec();
};

}  // namespace test
}  // namespace onward
