// SPDX-License-Identifier: Apache-2.0
//
// What codec flex promises beyond the conformance suite: sharing, segments, and messages made to harm.
#include <flatbuffers/flexbuffers.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "onward/flex/flex_codec.h"
#include "onward/testing/value_generator.h"
#include "onward/value.h"
#include "onward/value_dynamic.h"

namespace demo {

struct Match {
  std::string file;
  std::int32_t line = 0;
  std::string text;

  bool operator==(const Match&) const = default;
};
ONWARD_MEMBERS(Match, file, line, text)

struct Flags {
  bool a_member_whose_name_is_as_long_as_a_key_that_is_written_once_1 = true;
  bool a_member_whose_name_is_as_long_as_a_key_that_is_written_once_2 = true;
  bool a_member_whose_name_is_as_long_as_a_key_that_is_written_once_3 = true;
};
ONWARD_MEMBERS(Flags, a_member_whose_name_is_as_long_as_a_key_that_is_written_once_1,
               a_member_whose_name_is_as_long_as_a_key_that_is_written_once_2,
               a_member_whose_name_is_as_long_as_a_key_that_is_written_once_3)

}  // namespace demo

namespace onward::test {

using namespace testing_support;
namespace {

class Flex : public testing::Test {
 protected:
  static std::span<const std::byte> bytes_of(const flexbuffers::Builder& builder) {
    return std::as_bytes(std::span(builder.GetBuffer()));
  }
  template <class T>
  Status read(std::span<const std::byte> body, const std::vector<Buffer>& segments, T& out) {
    Delivery delivery(body, segments);
    return decode(*codec_, delivery.message(), out);
  }
  // The error of reading `body` as whatever it is.
  std::string refusal(std::span<const std::byte> body, const std::vector<Buffer>& segments = {}) {
    DynamicValue value;
    const Status status = read(body, segments, value);
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << status.to_string();
    return status.message();
  }
  std::string refusal(std::initializer_list<int> body) {
    std::vector<std::byte> bytes;
    for (const int value : body) bytes.push_back(static_cast<std::byte>(value));
    return refusal(bytes);
  }
  template <class T>
  Payload written(const T& value) {
    Payload payload;
    const Status status = encode(*codec_, value, payload);
    EXPECT_TRUE(status.ok()) << status.to_string();
    return payload;
  }
  static bool verifies(const Payload& payload) {
    return flexbuffers::VerifyBuffer(reinterpret_cast<const std::uint8_t*>(payload.body.data()), payload.body.size());
  }

  std::unique_ptr<Codec> codec_ = make_flex_codec();
};

constexpr int packed(flexbuffers::Type type, int width = 0) { return type << 2 | width; }

TEST_F(Flex, IsCodecOne) {
  EXPECT_EQ(codec_->id(), 1);
  EXPECT_EQ(codec_->name(), "flex");
}

TEST_F(Flex, SmallMessagesAreSmall) {
  EXPECT_EQ(written(std::tuple(1, 2)).body.size(), 8U);
  EXPECT_EQ(written(std::tuple(std::vector<std::byte>(64))).body.size(), 71U);
  EXPECT_EQ(written(std::tuple<>()).body.size(), 4U);
  EXPECT_EQ(written(std::monostate()).body.size(), 3U);
}

TEST_F(Flex, EqualStructsShareTheirKeys) {
  const std::vector<demo::Match> hits(100, demo::Match{"a.txt", 7, "text"});
  const Payload payload = written(hits);
  EXPECT_TRUE(verifies(payload));
  const std::string_view body = payload.body.text();
  EXPECT_EQ(body.find("file", body.find("file") + 1), std::string_view::npos);
  // Two strings of 7 and 6 bytes, a map of 3 + 3 words and 3 types, and its place in the list.
  EXPECT_LT(payload.body.size(), 100 * 32U);
  std::vector<demo::Match> back;
  ASSERT_TRUE(read(payload.body.bytes(), {}, back).ok());
  EXPECT_EQ(back, hits);
}

TEST_F(Flex, LongListsKeepTheirKeysNear) {
  const std::vector<demo::Match> hits(5000, demo::Match{"a.txt", 7, std::string(100, 't')});
  const Payload payload = written(hits);
  EXPECT_TRUE(verifies(payload));
  // Words of two bytes at most: a key vector that is too far away is written again.
  EXPECT_LT(payload.body.size(), 5000 * 135U);
  std::vector<demo::Match> back;
  ASSERT_TRUE(read(payload.body.bytes(), {}, back).ok());
  EXPECT_EQ(back, hits);
}

TEST_F(Flex, OurOwnSharingStaysBelowOurOwnBound) {
  const Payload payload = written(std::vector<demo::Flags>(20'000));
  std::vector<demo::Flags> back;
  const Status status = read(payload.body.bytes(), {}, back);
  EXPECT_TRUE(status.ok()) << status.to_string();
  EXPECT_EQ(back.size(), 20'000U);
}

TEST_F(Flex, LongKeysAreNotShared) {
  std::map<std::string, bool> map;
  for (char letter = 'a'; letter < 'i'; ++letter) map[std::string(300, letter)] = true;
  const std::vector<std::map<std::string, bool>> maps(5000, map);
  std::vector<std::map<std::string, bool>> back;
  const Status status = read(written(maps).body.bytes(), {}, back);
  EXPECT_TRUE(status.ok()) << status.to_string();
  EXPECT_EQ(back, maps);
}

TEST_F(Flex, EveryDistanceFitsItsWord) {
  for (const std::size_t middle : {256U, 65'536U}) {
    for (std::size_t size = middle - 24; size < middle + 8; ++size) {
      const auto value = std::tuple(std::vector<std::byte>(size, std::byte{'x'}), std::string("y"), 3);
      const Payload payload = written(value);
      EXPECT_TRUE(verifies(payload)) << size;
      std::tuple<std::vector<std::byte>, std::string, int> back;
      EXPECT_TRUE(read(payload.body.bytes(), {}, back).ok()) << size;
      EXPECT_EQ(back, value) << size;
    }
  }
}

TEST_F(Flex, ManyKindsOfMapsInOneMessage) {
  std::vector<std::map<std::string, std::int32_t>> maps;
  for (int i = 0; i < 200; ++i) {
    auto& map = maps.emplace_back();
    for (int j = 0; j < i % 7; ++j) map[std::string(1, static_cast<char>('a' + (i * j) % 26))] = i;
  }
  const Payload payload = written(maps);
  EXPECT_TRUE(verifies(payload));
  std::vector<std::map<std::string, std::int32_t>> back;
  ASSERT_TRUE(read(payload.body.bytes(), {}, back).ok());
  EXPECT_EQ(back, maps);
}

TEST_F(Flex, SegmentsAreReferredToExactlyOnce) {
  const Buffer first = Buffer::allocate(kSegmentThresholdBytes);
  const Buffer second = Buffer::allocate(kSegmentThresholdBytes + 1);
  const Payload payload = written(std::tuple(first, second));
  ASSERT_EQ(payload.segments.size(), 2U);
  const std::span<const std::byte> body = payload.body.bytes();
  EXPECT_NE(refusal(body, {first}).find("segment 1 of 1"), std::string::npos);
  EXPECT_NE(refusal(body, {second, first}).find("with another size"), std::string::npos);
  EXPECT_NE(refusal(body, {first, second, first}).find("nothing refers to segment 2"), std::string::npos);
  EXPECT_NE(refusal(body).find("segment 0 of 0"), std::string::npos);

  flexbuffers::Builder builder;
  builder.Vector([&] {
    for (int i = 0; i < 2; ++i) {
      builder.Vector([&] {
        builder.Key("segment");
        builder.UInt(0);
        builder.UInt(kSegmentThresholdBytes);
      });
    }
  });
  builder.Finish();
  EXPECT_NE(refusal(bytes_of(builder), {first}).find("segment 0 twice"), std::string::npos);
  std::tuple<std::span<const std::byte>, std::span<const std::byte>> views;
  EXPECT_EQ(read(bytes_of(builder), {first}, views).code(), StatusCode::kInvalidArgument);
}

TEST_F(Flex, MalformedExtendedValuesAreRefused) {
  const auto extended = [](const char* name, auto... rest) {
    flexbuffers::Builder builder;
    builder.Vector([&] {
      builder.Key(name);
      (builder.Add(rest), ...);
    });
    builder.Finish();
    return builder.GetBuffer();
  };
  const auto refused = [&](const std::vector<std::uint8_t>& body) { return refusal(std::as_bytes(std::span(body))); };
  refused(extended("segment"));
  refused(extended("segment", "x", 4096));
  refused(extended("tensor", 99, std::vector<std::uint64_t>{1}, "x"));
  refused(extended("tensor", 5, std::vector<std::uint64_t>{2}, "x"));
  refused(extended("tensor", 5, std::vector<std::uint64_t>(40, 1), "x"));
  refused(extended("tensor", 5, std::vector<std::uint64_t>{1}));
  refused(extended("tensor", 5, "shape", "x"));
  refused(extended("table", "demo.T"));
  refused(extended("table", 1, "x"));
  refused(extended("numbers", 2, "odd"));
  refused(extended("numbers", 200, "x"));
  refused(extended("numbers", 5));
  DynamicValue plain;
  const std::vector<std::uint8_t> other = extended("other", 1, 2);
  EXPECT_TRUE(read(std::as_bytes(std::span(other)), {}, plain).ok());
  EXPECT_EQ(plain.kind(), ValueKind::kSequence) << "another first key means nothing";
}

TEST_F(Flex, TablesAreNamed) {
  const Payload payload = written(DynamicValue{DynamicValue::Table{"demo.Point", Buffer::allocate(16)}});
  Delivery delivery(payload);
  InboundMessage message = delivery.message();
  const Status status = codec_->decode(message, [](Decoder& decoder) { (void)decoder.table("demo.Line"); });
  EXPECT_EQ(status.message(), "expected a table demo.Line, found a table demo.Point");
}

TEST_F(Flex, BytesReferredToOftenAreRefused) {
  flexbuffers::Builder builder;
  const std::size_t outer = builder.StartVector();
  builder.String(std::string(1000, 'x'));
  for (int level = 0; level < 12; ++level) {
    const auto value = builder.LastValue();
    const std::size_t start = builder.StartVector();
    for (int i = 0; i < 10; ++i) builder.ReuseValue(value);
    builder.EndVector(start, false, false);
  }
  builder.EndVector(outer, false, false);
  builder.Finish();
  EXPECT_NE(refusal(bytes_of(builder)).find("too often"), std::string::npos);
}

TEST_F(Flex, LongKeysReferredToOftenAreRefused) {
  flexbuffers::Builder builder;
  const std::string key(100'000, 'k');
  builder.Vector([&] {
    for (int i = 0; i < 2000; ++i) builder.Map([&] { builder.Null(key.c_str()); });
  });
  builder.Finish();
  EXPECT_NE(refusal(bytes_of(builder)).find("too often"), std::string::npos);
}

TEST_F(Flex, DeepMessagesAreRefused) {
  for (const int depth : {64, 65, 3000}) {
    flexbuffers::Builder builder;
    std::vector<std::size_t> starts;
    for (int i = 0; i < depth; ++i) starts.push_back(builder.StartVector());
    for (; !starts.empty(); starts.pop_back()) builder.EndVector(starts.back(), false, false);
    builder.Finish();
    if (depth > 64) {
      EXPECT_NE(refusal(bytes_of(builder)).find("deeper than 64"), std::string::npos);
    } else {
      DynamicValue value;
      EXPECT_TRUE(read(bytes_of(builder), {}, value).ok());
    }
  }
}

// {"x": [itself]} behind enough bytes to pay for a very deep walk.
TEST_F(Flex, PassingOverDeepValuesIsRefused) {
  using enum flexbuffers::Type;
  std::vector<std::byte> body(8'000'000);
  for (const int value :
       {1, 0, packed(FBT_VECTOR), int{'x'}, 0, 1, 3, 1, 1, 1, 9, packed(FBT_VECTOR), 2, packed(FBT_MAP), 1}) {
    body.push_back(static_cast<std::byte>(value));
  }
  demo::Match knows_no_x;
  const Status status = read(body, {Buffer::allocate(8)}, knows_no_x);
  EXPECT_NE(status.message().find("too deeply"), std::string::npos) << status.to_string();
}

TEST_F(Flex, ValuesLeftUnreadAreAnError) {
  const Payload payload = written(std::tuple(1, std::tuple("a", "b")));
  Delivery delivery(payload);
  InboundMessage message = delivery.message();
  const Status status = codec_->decode(message, [](Decoder& decoder) {
    decoder.begin_sequence();
    (void)decoder.integer();
    decoder.begin_sequence();
    (void)decoder.string();
    decoder.end_sequence();
  });
  EXPECT_EQ(status.message(), "at [1][0]: 1 value more than was expected");
}

TEST_F(Flex, MalformedMessagesAreRefused) {
  using enum flexbuffers::Type;
  EXPECT_NE(refusal({}).find("root"), std::string::npos);
  EXPECT_NE(refusal({0, 1}).find("root"), std::string::npos);
  EXPECT_NE(refusal({0, 0, 3}).find("root"), std::string::npos) << "a width of 3";
  EXPECT_NE(refusal({0, packed(FBT_INT), 8}).find("root"), std::string::npos)
      << "a root that begins before the message";
  EXPECT_NE(refusal({9, packed(FBT_STRING), 1}).find("offset"), std::string::npos);
  EXPECT_NE(refusal({0, packed(FBT_STRING), 1}).find("do not fit"), std::string::npos) << "no length in front";
  EXPECT_NE(refusal({200, 'x', 1, packed(FBT_BLOB), 1}).find("do not fit"), std::string::npos);
  EXPECT_NE(refusal({1, 0, packed(FBT_VECTOR), 2, packed(FBT_VECTOR), 1}).find("deeper"), std::string::npos)
      << "holds itself";
  EXPECT_NE(refusal({0, packed(FBT_VECTOR, 3), 1}).find("does not fit"), std::string::npos);
  EXPECT_NE(refusal({0, 0, 1, packed(FBT_MAP), 1}).find("keys"), std::string::npos);
  EXPECT_NE(refusal({0, 1, 1, 0, 1, packed(FBT_MAP), 1}).find("keys"), std::string::npos) << "more values than keys";
  EXPECT_NE(refusal({0, packed(FBT_FLOAT), 1}).find("32 bits"), std::string::npos);
  EXPECT_NE(refusal({1, 0, 1, packed(FBT_VECTOR_FLOAT), 1}).find("32 bits"), std::string::npos);
  EXPECT_NE(refusal({0, 0, 2, packed(FBT_VECTOR_FLOAT2), 1}).find("fixed length"), std::string::npos);
  EXPECT_NE(refusal({0, packed(FBT_VECTOR_INT4, 3), 1}).find("fixed length"), std::string::npos);
  EXPECT_NE(refusal({0, packed(FBT_INDIRECT_INT, 3), 1}).find("does not fit"), std::string::npos);
  EXPECT_NE(refusal({0, 30 << 2, 1}).find("unknown type 30"), std::string::npos);
  EXPECT_NE(refusal({0, 63 << 2, 1}).find("unknown type 63"), std::string::npos);
}

TEST_F(Flex, KeysEndWithinTheMessage) {
  using enum flexbuffers::Type;
  EXPECT_NE(refusal({'a', 'b', 2, packed(FBT_KEY), 1}).find("key does not end"), std::string::npos);
  // [key at the last bytes of the message, …]: too short for the name of an extended value.
  DynamicValue value;
  EXPECT_EQ(read(std::as_bytes(std::span("s\0\1\3\x10\2\x28\1", 8)), {}, value).code(), StatusCode::kOk);
}

TEST_F(Flex, KeyVectorsEndWithinTheMessage) {
  std::vector<int> body(34, 0);
  body[0] = body[10] = 10;  // so many keys of eight bytes, and values of one
  body[9] = 8;
  body[31] = 20;
  body[32] = packed(flexbuffers::FBT_MAP);
  body[33] = 1;
  std::vector<std::byte> bytes;
  for (const int value : body) bytes.push_back(static_cast<std::byte>(value));
  EXPECT_NE(refusal(bytes).find("keys"), std::string::npos);
}

TEST_F(Flex, ErrorsDoNotTrustKeysThatWereNotRead) {
  using enum flexbuffers::Type;
  // {<a key far in front of the message>: true}
  std::vector<std::byte> body;
  for (const int value : {1, 200, 1, 1, 1, 1, packed(FBT_BOOL), 2, packed(FBT_MAP), 1})
    body.push_back(static_cast<std::byte>(value));
  Delivery delivery(body, {});
  InboundMessage message = delivery.message();
  const Status status = codec_->decode(message, [](Decoder& decoder) {
    EXPECT_EQ(decoder.begin_map(), 1U);
    (void)decoder.integer();
  });
  EXPECT_EQ(status.message(), "expected an integer, found a boolean");
}

TEST_F(Flex, BooleansAreZeroOrOne) {
  using enum flexbuffers::Type;
  std::vector<std::byte> body;
  for (const int value : {2, 0, 200, 2, packed(FBT_VECTOR_BOOL), 1}) body.push_back(static_cast<std::byte>(value));
  std::vector<bool> bits;
  ASSERT_TRUE(read(body, {}, bits).ok());
  EXPECT_EQ(bits, (std::vector<bool>{false, true}));
  DynamicValue value;
  ASSERT_TRUE(read(body, {}, value).ok());
  EXPECT_EQ(std::get<DynamicValue::Numbers>(value.value).data.text(), std::string_view("\0\1", 2));
}

TEST_F(Flex, TypedReadersSurviveMutations) {
  using Arguments =
      std::tuple<std::vector<demo::Match>, std::map<std::int32_t, std::string>, Tensor, std::vector<float>,
                 std::optional<std::string_view>, Buffer, std::vector<bool>, std::chrono::milliseconds>;
  const Arguments arguments{{{"a.txt", 1, "x"}, {"b.txt", 2, "y"}},
                            {{1, "one"}},
                            Tensor::of<float>({2}, {1, 2}),
                            {1, 2, 3},
                            "view",
                            Buffer::allocate(5000),
                            {true, false},
                            std::chrono::milliseconds(5)};
  const Payload payload = written(arguments);
  std::size_t accepted = 0;
  for (std::uint64_t n = 0; n < 40'000; ++n) {
    Random random(n);
    std::vector<std::byte> body(payload.body.bytes().begin(), payload.body.bytes().end());
    for (std::size_t flips = 1 + random.below(2); flips > 0; --flips) {
      body[random.below(body.size())] = static_cast<std::byte>(random.next());
    }
    Arguments back;
    const Status status = read(body, payload.segments, back);
    ASSERT_TRUE(status.ok() || status.code() == StatusCode::kInvalidArgument) << n << ": " << status.to_string();
    accepted += status.ok() ? 1 : 0;
  }
  EXPECT_GT(accepted, 1000U);
}

}  // namespace
}  // namespace onward::test
