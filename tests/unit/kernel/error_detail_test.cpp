// SPDX-License-Identifier: Apache-2.0
#include "onward/error_detail.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>
#include <vector>

#include "onward/flex/flex_codec.h"
#include "onward/value.h"
#include "wire.h"

namespace onward {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

struct Seats {
  std::vector<std::string> rows;
  std::int32_t left = 0;

  friend bool operator==(const Seats&, const Seats&) = default;
};
ONWARD_MEMBERS(Seats, rows, left)

// What another version of the program calls by the same name.
namespace newer {
struct Seats {
  std::int32_t left = 0;
  std::string hall = "main";
};
ONWARD_MEMBERS(Seats, left, hall)
}  // namespace newer

Status taken() { return {StatusCode::kFailedPrecondition, "not enough seats"}; }

Status over_the_wire(const Status& status) {
  const Result<wire::RemoteError> error = wire::decode_error(wire::encode_error(1, status).payload.body.bytes());
  return error ? error->status : error.error();
}

template <class T>
void expect_comes_back(const T& value, const std::string& type) {
  const Status status = taken().with_detail(value);
  EXPECT_EQ(status.detail_type(), type);
  const std::optional<T> read = over_the_wire(over_the_wire(status)).template detail<T>();
  ASSERT_TRUE(read) << type;
  EXPECT_EQ(*read, value) << type;
}

TEST(ErrorDetail, OfAnyTypeComesBack) {
  expect_comes_back(Seats{{"A", "B"}, 2}, "Seats");
  expect_comes_back(std::int64_t{-7}, "int64");
  expect_comes_back(2.5, "float64");
  expect_comes_back(true, "bool");
  expect_comes_back(std::string("a text"), "string");
  expect_comes_back(std::vector<std::int32_t>{1, 2, 3}, "list<int32>");
  expect_comes_back(std::map<std::string, Seats>{{"hall", {{"C"}, 1}}}, "map<string, Seats>");
  expect_comes_back(std::tuple(1, std::string("x")), "(int32, string)");
  expect_comes_back(std::optional<int>(), "optional<int32>");
}

TEST(ErrorDetail, LargeBytesAreInOnePieceAndNotInSegments) {
  Buffer bytes = Buffer::allocate(3 * kSegmentThresholdBytes);
  std::fill_n(bytes.mutable_data(), bytes.size(), std::byte{7});
  const Status status = over_the_wire(taken().with_detail(bytes));
  const auto read = status.detail<Buffer>();
  ASSERT_TRUE(read) << status.to_string();
  EXPECT_EQ(read->text(), bytes.text());
}

TEST(ErrorDetail, IsReadOnlyAsWhatItIs) {
  const Status status = taken().with_detail(Seats{{"A"}, 2});
  EXPECT_FALSE(status.detail<int>());
  EXPECT_FALSE(status.detail<std::string>());
  EXPECT_FALSE(taken().detail<Seats>());
  EXPECT_FALSE(Status().detail<Seats>());
  EXPECT_TRUE(Status().with_detail(1).ok());
  const auto other_version = status.detail<newer::Seats>();
  ASSERT_TRUE(other_version);
  EXPECT_EQ(other_version->left, 2);
  EXPECT_EQ(other_version->hall, "main");
}

TEST(ErrorDetail, IsReadAsADynamicValueToo) {
  const auto value = taken().with_detail(Seats{{"A"}, 2}).detail<DynamicValue>();
  ASSERT_TRUE(value);
  const auto& map = std::get<DynamicValue::Map>(value->value);
  ASSERT_EQ(map.size(), 2U);
  EXPECT_EQ(map[0].key, "left");
  EXPECT_EQ(std::get<std::int64_t>(map[0].value.value), 2);
}

TEST(ErrorDetail, CopiesAndChangesKeepIt) {
  const Status status = taken().with_detail(7);
  for (const Status& changed : {status.with_message("other"), status.with_type("T"), status.with_hop({"a", "f", ""}),
                                status.with_hop_message("x")}) {
    EXPECT_EQ(changed.detail<int>(), 7);
  }
  EXPECT_EQ(status.with_detail(std::string("later")).detail<std::string>(), "later");
  EXPECT_FALSE(taken().detail<int>());
}

TEST(ErrorDetail, OneThatIsTooLargeIsLeftOutWithANote) {
  const Status status = taken().with_detail(std::string(Status::kMaxDetailBytes, 'x'));
  EXPECT_EQ(status.detail_type(), "");
  EXPECT_TRUE(status.detail_bytes().empty());
  EXPECT_THAT(status.message(), AllOf(HasSubstr("not enough seats (its detail string was left out: "),
                                      HasSubstr(" bytes are more than the 65536 that an error carries)")));
  const std::string fits(Status::kMaxDetailBytes - 64, 'x');
  EXPECT_EQ(over_the_wire(taken().with_detail(fits)).detail<std::string>(), fits);
}

struct Unwritable {};

}  // namespace

template <>
struct Value<Unwritable> {
  static void encode(Encoder&, const Unwritable&) { throw std::domain_error("cannot be written"); }
  static void decode(Decoder&, Unwritable&) {}
  static void describe(std::string& out) { out += "unwritable"; }
};

namespace {

TEST(ErrorDetail, OneThatCannotBeWrittenIsLeftOutWithANote) {
  const Status status = taken().with_detail(Unwritable());
  EXPECT_EQ(status.message(), "not enough seats (its detail unwritable was left out: cannot be written)");
}

TEST(ErrorDetail, TravelsUnchangedByteForByte) {
  // Not as Onward would write it: an INT of eight bytes where one is enough.
  const std::string bytes("\x07\0\0\0\0\0\0\0\x07\x08", 10);
  const Status status = taken().with_encoded_detail("int32", Buffer::copy_of(bytes));
  EXPECT_EQ(over_the_wire(over_the_wire(status)).detail_bytes().text(), bytes);
  const std::string garbage("\xFF\xFE no FlexBuffers \0\x01", 20);
  EXPECT_EQ(over_the_wire(taken().with_encoded_detail("demo.Own", Buffer::copy_of(garbage))).detail_bytes().text(),
            garbage);
}

TEST(ErrorDetail, HostileBytesAreNotRead) {
  const Status good = taken().with_detail(Seats{{"A", "B"}, 2});
  const std::string bytes(good.detail_bytes().text());
  std::mt19937 random(1);
  for (int round = 0; round < 20'000; ++round) {
    std::string broken = bytes.substr(0, round % 4 == 0 ? random() % bytes.size() : bytes.size());
    for (std::size_t flips = random() % 4; flips > 0 && !broken.empty(); --flips) {
      broken[random() % broken.size()] = static_cast<char>(random());
    }
    const Status status = taken().with_encoded_detail("Seats", Buffer::copy_of(broken));
    static_cast<void>(status.detail<Seats>());
    static_cast<void>(status.detail<DynamicValue>());
    EXPECT_LT(status.to_string().size(), 2000U);
  }
}

TEST(ErrorDetail, OneThatRefersToASegmentIsNotRead) {
  Buffer bytes = Buffer::allocate(2 * kSegmentThresholdBytes);
  std::fill_n(bytes.mutable_data(), bytes.size(), std::byte{7});
  Payload payload;
  const auto write = [&](Encoder& encoder) { encode_value(encoder, bytes); };
  ASSERT_TRUE(make_flex_codec()->encode(write, payload).ok());
  ASSERT_EQ(payload.segments.size(), 1U);
  const Status status = taken().with_encoded_detail("bytes", payload.body);
  EXPECT_FALSE(status.detail<Buffer>());
  EXPECT_THAT(status.to_string(), HasSubstr("that cannot be read: "));
}

TEST(ErrorDetail, IsPrinted) {
  EXPECT_EQ(taken().with_detail(Seats{{"A", "B\n\""}, 2}).with_hop({"c", "book", ""}).to_string(),
            "FAILED_PRECONDITION: not enough seats\n"
            "    detail Seats: {\"left\": 2, \"rows\": [\"A\", \"B\\x0a\\\"\"]}\n"
            "    at node c, function book");
  const auto text_of = [](const auto& value) {
    const std::string text = taken().with_detail(value).to_string();
    return text.substr(text.find("detail ") + 7);
  };
  EXPECT_EQ(text_of(std::vector<std::int8_t>{1, -2}), "list<int8>: [1, -2]");
  EXPECT_EQ(text_of(std::vector<std::uint64_t>{~std::uint64_t{0}}), "list<uint64>: [18446744073709551615]");
  EXPECT_EQ(text_of(std::vector<double>{0.5}), "list<float64>: [0.5]");
  EXPECT_EQ(text_of(std::optional<int>()), "optional<int32>: null");
  EXPECT_EQ(text_of(Buffer::copy_of("abc")), "bytes: <3 bytes>");
  EXPECT_EQ(text_of(std::tuple(true, 1.5F)), "(bool, float32): [true, 1.5]");
  const std::string cut = text_of(std::vector<int>(10'000, 7));
  EXPECT_LT(cut.size(), 600U);
  EXPECT_TRUE(cut.ends_with("…"));
  EXPECT_THAT(taken().with_encoded_detail("demo.Own", Buffer::copy_of("\xFF")).to_string(),
              HasSubstr("detail demo.Own: 1 bytes that cannot be read: "));
}

// ---- The words that a node adds.

TEST(HopMessage, BecomesThatOfTheNextHop) {
  const Status status = taken().with_hop_message("while reserving");
  EXPECT_EQ(status.hop_message(), "while reserving");
  EXPECT_THAT(status.to_string(), HasSubstr("\n    here: while reserving"));
  const Status passed = status.with_hop({"b", "book", status.hop_message()});
  EXPECT_EQ(passed.hop_message(), "");
  EXPECT_EQ(passed.trail().back(), (Hop{"b", "book", "while reserving"}));
  EXPECT_EQ(passed.with_hop_message("x").with_hop_message("y").hop_message(), "y: x");
  EXPECT_TRUE(Status().with_hop_message("x").ok());
}

}  // namespace
}  // namespace onward
