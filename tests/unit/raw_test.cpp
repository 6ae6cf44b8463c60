// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>

#include "onward/raw/raw_codec.h"
#include "onward/testing/value_generator.h"
#include "onward/value.h"

namespace onward::test {

using namespace testing_support;
namespace {

class Raw : public testing::Test {
 protected:
  std::unique_ptr<Codec> codec_ = make_raw_codec();
  Payload payload_;
};

TEST_F(Raw, BodyIsTheBytes) {
  EXPECT_EQ(codec_->id(), 3);
  EXPECT_EQ(codec_->name(), "raw");
  ASSERT_TRUE(encode(*codec_, std::tuple(Buffer::copy_of(std::string_view("hello"))), payload_).ok());
  EXPECT_EQ(payload_.body.text(), "hello");
  EXPECT_TRUE(payload_.segments.empty());
  EXPECT_GE(payload_.body.header_room(), Buffer::kHeaderRoom);
}

TEST_F(Raw, ReadsInPlace) {
  const Buffer storage = Buffer::copy_of(std::string_view("..hello.."));
  InboundMessage message{.header = {}, .body = storage.bytes().subspan(2, 5), .storage = &storage};
  Buffer kept;
  ASSERT_TRUE(decode(*codec_, message, kept).ok());
  EXPECT_EQ(kept.data(), storage.data() + 2);
  std::tuple<std::span<const std::byte>> view;
  ASSERT_TRUE(decode(*codec_, message, view).ok());
  EXPECT_EQ(std::get<0>(view).data(), storage.data() + 2);
}

TEST_F(Raw, EmptyBytesAreAnEmptySegment) {
  ASSERT_TRUE(encode(*codec_, Buffer(), payload_).ok());
  EXPECT_TRUE(payload_.body.empty());
  EXPECT_EQ(payload_.segments.size(), 1U);
  std::optional<std::vector<std::byte>> back;
  ASSERT_TRUE(round_trip(*codec_, std::vector<std::byte>(), back).ok());
  EXPECT_TRUE(back.has_value());
  ASSERT_TRUE(round_trip(*codec_, std::monostate(), back).ok());
  EXPECT_FALSE(back.has_value());
}

TEST_F(Raw, CountsAreChecked) {
  const auto code = [&](const auto& from, auto to) { return round_trip(*codec_, from, to).code(); };
  const std::tuple<Buffer> one(Buffer::copy_of(std::string_view("x")));
  EXPECT_EQ(code(one, std::tuple<Buffer>()), StatusCode::kOk);
  EXPECT_EQ(code(one, std::tuple<>()), StatusCode::kInvalidArgument);
  EXPECT_EQ(code(std::tuple<>(), std::tuple<>()), StatusCode::kOk);
  EXPECT_EQ(code(std::tuple<>(), std::tuple<Buffer>()), StatusCode::kInvalidArgument);
  EXPECT_EQ(code(std::get<0>(one), std::monostate()), StatusCode::kInvalidArgument);
  EXPECT_EQ(code(std::monostate(), Buffer()), StatusCode::kInvalidArgument);
}

TEST_F(Raw, BytesLeftUnreadAreAnError) {
  ASSERT_TRUE(encode(*codec_, Buffer::copy_of(std::string_view("x")), payload_).ok());
  Delivery delivery(payload_);
  InboundMessage message = delivery.message();
  const Status status = codec_->decode(message, [](Decoder& decoder) {
    EXPECT_EQ(decoder.begin_sequence(), 1U);
    decoder.end_sequence();
  });
  EXPECT_EQ(status.message(), "found bytes, expected nothing");
}

TEST_F(Raw, SaysWhatItCanCarry) {
  const Status encoded = encode(*codec_, std::string("text"), payload_);
  EXPECT_EQ(encoded.message(),
            "codec raw carries one value, bytes, or none, and nothing else; this has a string: use codec flex");
  std::string text;
  const Status decoded = round_trip(*codec_, Buffer::copy_of(std::string_view("x")), text);
  EXPECT_EQ(decoded.message(), "expected a string, found bytes: codec raw carries one value, bytes, or none");
}

}  // namespace
}  // namespace onward::test
