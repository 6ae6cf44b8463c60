// SPDX-License-Identifier: Apache-2.0
//
// C++ types to the model and back, through codec flex.
#include "onward/value.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <memory>

#include "onward/flex/flex_codec.h"
#include "onward/value_dynamic.h"

namespace demo {

struct Hit {
  std::string file;
  std::int32_t line = 0;
  std::string text = "none";

  bool operator==(const Hit&) const = default;
};
ONWARD_MEMBERS(Hit, file, line, text)

struct HitV2 {
  std::string file;
  std::int32_t line = 0;
  double score = 0.5;
  onward::Buffer preview;
  std::vector<std::string> context;
};
ONWARD_MEMBERS(HitV2, file, line, score, preview, context)

class Account {
 public:
  explicit Account(std::int64_t cents = 0) : cents_(cents) {}
  [[nodiscard]] std::int64_t cents() const { return cents_; }

 private:
  std::int64_t cents_;

 public:
  static constexpr auto onward_members = onward::members("Account", onward::member("cents", &Account::cents_));
};

struct Empty {
  bool operator==(const Empty&) const = default;
};
ONWARD_MEMBERS(Empty)

struct Tree {
  std::int32_t value = 0;
  std::vector<Tree> children;

  bool operator==(const Tree&) const = default;
};
ONWARD_MEMBERS(Tree, value, children)

// Many members, of which some sort before others: 40 of the 64 that the macro allows.
struct Wide {
  int a0 = 0, a1 = 1, a2 = 2, a3 = 3, a4 = 4, a5 = 5, a6 = 6, a7 = 7, a8 = 8, a9 = 9;
  int b0 = 0, b1 = 1, b2 = 2, b3 = 3, b4 = 4, b5 = 5, b6 = 6, b7 = 7, b8 = 8, b9 = 9;
  int c0 = 0, c1 = 1, c2 = 2, c3 = 3, c4 = 4, c5 = 5, c6 = 6, c7 = 7, c8 = 8, c9 = 9;
  int d0 = 0, d1 = 1, d2 = 2, d3 = 3, d4 = 4, d5 = 5, d6 = 6, d7 = 7, d8 = 8, d9 = 9;

  bool operator==(const Wide&) const = default;
};
ONWARD_MEMBERS(Wide, d0, d1, d2, d3, d4, d5, d6, d7, d8, d9, a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, b0, b1, b2, b3, b4,
               b5, b6, b7, b8, b9, c0, c1, c2, c3, c4, c5, c6, c7, c8, c9)

enum class Colour : std::uint8_t { kRed = 1, kBlue = 200 };

}  // namespace demo

namespace onward {
namespace {

class ValueTest : public testing::Test {
 protected:
  template <class T>
  void send(const T& value) {
    payload_ = {};
    const Status status = codec_->encode([&](Encoder& encoder) { encode_value(encoder, value); }, payload_);
    ASSERT_TRUE(status.ok()) << status.to_string();
  }
  template <class T>
  Status receive(T& value) {
    InboundMessage message{
        .header = {}, .body = payload_.body.bytes(), .storage = &payload_.body, .segments = payload_.segments};
    return codec_->decode(message, [&](Decoder& decoder) { decode_value(decoder, value); });
  }
  template <class To, class From>
  To convert(const From& from) {
    send(from);
    To to{};
    const Status status = receive(to);
    EXPECT_TRUE(status.ok()) << status.to_string();
    return to;
  }
  template <class T>
  void expect_same(const T& value) {
    EXPECT_EQ(convert<T>(value), value) << type_name<T>();
  }
  // The error of reading `from` as To.
  template <class To, class From>
  std::string failure(const From& from) {
    send(from);
    To to{};
    const Status status = receive(to);
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << status.to_string();
    return status.message();
  }

  std::unique_ptr<Codec> codec_ = make_flex_codec();
  Payload payload_;
};

TEST_F(ValueTest, Scalars) {
  expect_same(true);
  expect_same(false);
  expect_same(std::int8_t{-128});
  expect_same(std::uint8_t{255});
  expect_same(std::numeric_limits<std::int16_t>::min());
  expect_same(std::numeric_limits<std::uint16_t>::max());
  expect_same(std::numeric_limits<std::int32_t>::min());
  expect_same(std::numeric_limits<std::uint32_t>::max());
  expect_same(std::numeric_limits<std::int64_t>::min());
  expect_same(std::numeric_limits<std::int64_t>::max());
  expect_same(std::numeric_limits<std::uint64_t>::max());
  expect_same(1LL << 40U);
  expect_same(0.1F);
  expect_same(0.1);
  expect_same(std::numeric_limits<double>::infinity());
  expect_same(-0.0);
  EXPECT_TRUE(std::isnan(convert<double>(std::nan(""))));
  EXPECT_TRUE(std::isinf(convert<float>(std::numeric_limits<double>::infinity())));
  expect_same(std::monostate());
  expect_same(demo::Colour::kBlue);
}

TEST_F(ValueTest, StringsAndBytes) {
  expect_same(std::string("text with \0 inside", 18));
  expect_same(std::string());
  expect_same(std::vector<std::byte>{std::byte{1}, std::byte{0}});
  expect_same(std::vector<std::byte>());
  expect_same(std::array<std::byte, 3>{std::byte{1}, std::byte{2}, std::byte{3}});
  EXPECT_EQ(convert<std::string>("literal"), "literal");
  EXPECT_EQ(convert<Buffer>(std::string("text")).text(), "text") << "text is read as bytes";
}

TEST_F(ValueTest, ViewsPointIntoTheMessage) {
  const auto inside = [this](const void* at) {
    const auto* byte = static_cast<const std::byte*>(at);
    return byte >= payload_.body.data() && byte < payload_.body.data() + payload_.body.size();
  };
  EXPECT_TRUE(inside(convert<std::string_view>(std::string("text")).data()));
  EXPECT_TRUE(inside(convert<std::span<const std::byte>>(Buffer::copy_of(std::string_view("bytes"))).data()));
  EXPECT_TRUE(inside(convert<Buffer>(Buffer::copy_of(std::string_view("bytes"))).data()));
}

TEST_F(ValueTest, LargeBuffersKeepTheirMemory) {
  const Buffer large = Buffer::allocate(1U << 20U);
  EXPECT_EQ(convert<Buffer>(large).data(), large.data());
  const auto view = convert<std::tuple<int, std::span<const std::byte>>>(std::tuple(1, large));
  EXPECT_EQ(std::get<1>(view).size(), large.size());
}

TEST_F(ValueTest, Containers) {
  expect_same(std::vector<std::int32_t>{1, -2, 3});
  expect_same(std::vector<std::uint8_t>(1000, 7));
  expect_same(std::vector<bool>{true, false, true});
  expect_same(std::vector<double>());
  expect_same(std::vector<std::string>{"a", "", "c"});
  expect_same(std::vector<std::vector<float>>{{1, 2}, {}, {3}});
  expect_same(std::vector<std::optional<std::int32_t>>{1, {}, 3});
  expect_same(std::array<std::uint16_t, 3>{1, 2, 65'535});
  expect_same(std::array<std::string, 2>{"x", "y"});
  expect_same(std::set<std::string>{"b", "a"});
  expect_same(std::map<std::string, std::int32_t>{{"b", 1}, {"", 2}, {"a", 3}});
  expect_same(std::unordered_map<std::string, std::vector<int>>{{"b", {1}}, {"a", {}}, {"longer", {2, 3}}});
  expect_same(std::map<std::int32_t, std::string>{{-1, "a"}, {70'000, "b"}});
  expect_same(std::map<std::pair<int, int>, bool>{{{1, 2}, true}, {{1, 3}, false}});
  expect_same(std::unordered_map<demo::Colour, int>{});
  expect_same(std::optional<std::string>("x"));
  expect_same(std::optional<std::string>());
  expect_same(std::tuple<std::int32_t, std::string, std::vector<int>>{1, "b", {3}});
  expect_same(std::tuple<>());
  expect_same(std::pair<std::int8_t, float>{-1, 0.5F});
}

TEST_F(ValueTest, NumbersConvertWhereTheyFit) {
  EXPECT_EQ(convert<std::uint8_t>(std::int64_t{255}), 255);
  EXPECT_EQ(convert<std::int16_t>(std::uint64_t{300}), 300);
  EXPECT_EQ(convert<double>(std::int32_t{-3}), -3.0);
  EXPECT_EQ((convert<std::vector<std::uint8_t>>(std::vector<std::int64_t>{1, 255})),
            (std::vector<std::uint8_t>{1, 255}));
  EXPECT_EQ((convert<std::vector<double>>(std::vector<std::int16_t>{1, -2})), (std::vector<double>{1, -2}));
  EXPECT_EQ((convert<std::vector<float>>(std::tuple<int, double>{1, 2.5})), (std::vector<float>{1, 2.5F}));
  EXPECT_EQ((convert<std::vector<bool>>(std::tuple<bool, bool>{true, false})), (std::vector<bool>{true, false}));
  EXPECT_EQ((convert<std::tuple<std::int64_t, std::int64_t>>(std::vector<std::int8_t>{1, -2})), (std::tuple(1, -2)));
  EXPECT_EQ((convert<std::vector<std::uint8_t>>(Buffer::copy_of(std::string_view("ab")))),
            (std::vector<std::uint8_t>{'a', 'b'}));
}

TEST_F(ValueTest, NumbersThatDoNotFitAreNamed) {
  EXPECT_EQ(failure<std::uint8_t>(256), "256 does not fit uint8");
  EXPECT_EQ(failure<std::int8_t>(-129), "-129 does not fit int8");
  EXPECT_EQ(failure<std::uint32_t>(-1), "-1 does not fit an unsigned integer");
  EXPECT_EQ(failure<std::int64_t>(std::numeric_limits<std::uint64_t>::max()),
            "18446744073709551615 does not fit int64");
  EXPECT_EQ(failure<std::int32_t>(1.0), "expected an integer, found a real");
  EXPECT_EQ(failure<bool>(1), "expected a boolean, found an integer");
  EXPECT_EQ(failure<double>(true), "expected a real, found a boolean");
  EXPECT_NE(failure<float>(1e300).find("does not fit float32"), std::string::npos);
  EXPECT_EQ(failure<demo::Colour>(300), "300 does not fit uint8");
  EXPECT_EQ((failure<std::vector<std::uint8_t>>(std::vector<int>{1, 300})), "300 does not fit uint8");
  EXPECT_EQ((failure<std::vector<std::int32_t>>(std::vector<float>{1})), "expected an integer, found a real");
  EXPECT_EQ((failure<std::vector<bool>>(std::vector<std::uint8_t>{1})),
            "expected a boolean, found an unsigned integer");
}

TEST_F(ValueTest, ErrorsSayWhere) {
  using Nested = std::tuple<int, std::vector<demo::Hit>>;
  const DynamicValue bad{DynamicValue::Sequence{
      {std::int64_t{1}},
      {DynamicValue::Sequence{{DynamicValue::Map{}}, {DynamicValue::Map{{"line", {std::string("x")}}}}}},
  }};
  EXPECT_EQ(failure<Nested>(bad), "at [1][1].line: expected an integer, found a string");
  EXPECT_EQ((failure<std::tuple<int, std::string>>(std::tuple(1))), "expected 2 values for (int32, string), found 1");
  EXPECT_EQ((failure<std::tuple<int, std::tuple<>>>(std::tuple(1, std::tuple(2)))),
            "at [1]: expected 0 values for (), found 1");
  EXPECT_EQ((failure<std::array<int, 3>>(std::vector<int>{1, 2})), "expected 3 values for array<int32, 3>, found 2");
  EXPECT_EQ((failure<std::array<std::string, 1>>(std::vector<std::string>{})),
            "expected 1 value for array<string, 1>, found 0");
  EXPECT_EQ((failure<std::vector<std::string>>(std::map<std::string, int>{})), "expected a sequence, found a map");
  EXPECT_EQ((failure<demo::Hit>(std::vector<int>{})), "expected a map, found packed numbers");
  EXPECT_EQ((failure<std::tuple<std::vector<std::string>>>(std::tuple(std::vector<int>{1}))),
            "at [0][0]: expected a string, found an integer");
}

TEST_F(ValueTest, StructsEvolve) {
  expect_same(demo::Hit{"a.txt", 3, "text"});
  expect_same(demo::Empty());
  expect_same(demo::Wide());
  expect_same(demo::Tree{1, {{2, {}}, {3, {{4, {}}}}}});
  EXPECT_EQ(convert<demo::Account>(demo::Account(250)).cents(), 250);

  const demo::HitV2 newer{"a.txt", 3, 0.25, Buffer::allocate(2 * kSegmentThresholdBytes), {"before", "after"}};
  EXPECT_EQ(convert<demo::Hit>(newer), (demo::Hit{"a.txt", 3, "none"}))
      << "unknown members are passed over, segments too";
  const auto older = convert<demo::HitV2>(demo::Hit{"b.txt", 4, "text"});
  EXPECT_EQ(older.file, "b.txt");
  EXPECT_EQ(older.score, 0.5) << "missing members keep their default";
}

TEST_F(ValueTest, StructsAreMapsByMemberName) {
  const auto map = convert<DynamicValue>(demo::Hit{"a.txt", 3, "text"});
  const DynamicValue expected{DynamicValue::Map{
      {"file", {std::string("a.txt")}}, {"line", {std::int64_t{3}}}, {"text", {std::string("text")}}}};
  EXPECT_TRUE(map == expected);
}

TEST_F(ValueTest, IntegerKeysAreReadFromTextToo) {
  using Names = std::map<std::int32_t, std::string>;
  const std::map<std::string, std::string> json{{"1", "one"}, {"-20", "minus twenty"}};
  EXPECT_EQ(convert<Names>(json), (Names{{1, "one"}, {-20, "minus twenty"}}));
  EXPECT_EQ((failure<Names>(std::map<std::string, std::string>{{"1x", ""}})), "\"1x\" does not fit int32");
  EXPECT_EQ((failure<std::map<std::uint8_t, std::string>>(std::map<std::string, std::string>{{"256", ""}})),
            "\"256\" does not fit uint8");
}

TEST_F(ValueTest, Durations) {
  using namespace std::chrono_literals;
  expect_same(1500ms);
  EXPECT_EQ(convert<std::chrono::seconds>(1500ms), 1s) << "cut to the reader's unit";
  EXPECT_EQ(convert<std::chrono::duration<double>>(1500ms).count(), 1.5);
  EXPECT_EQ(convert<std::int64_t>(2us), 2000) << "nanoseconds on the wire";
  EXPECT_NE((failure<std::chrono::duration<std::int8_t, std::milli>>(1h).find("does not fit")), std::string::npos);
  Payload payload;
  EXPECT_EQ(codec_->encode([](Encoder& encoder) { encode_value(encoder, std::chrono::hours::max()); }, payload).code(),
            StatusCode::kInvalidArgument);
}

TEST_F(ValueTest, Names) {
  EXPECT_EQ(type_name<bool>(), "bool");
  EXPECT_EQ(type_name<std::uint16_t>(), "uint16");
  EXPECT_EQ(type_name<long long>(), "int64");
  EXPECT_EQ(type_name<unsigned long>(), "uint64");
  EXPECT_EQ(type_name<float>(), "float32");
  EXPECT_EQ(type_name<demo::Colour>(), "uint8");
  EXPECT_EQ(type_name<std::string_view>(), "string");
  EXPECT_EQ(type_name<std::span<const std::byte>>(), "bytes");
  EXPECT_EQ(type_name<Buffer>(), "bytes");
  EXPECT_EQ((type_name<std::vector<std::vector<double>>>()), "list<list<float64>>");
  EXPECT_EQ((type_name<std::unordered_map<std::string, double>>()), "map<string, float64>");
  EXPECT_EQ((type_name<std::tuple<int, std::string>>()), "(int32, string)");
  EXPECT_EQ((type_name<std::pair<int, std::optional<bool>>>()), "(int32, optional<bool>)");
  EXPECT_EQ(type_name<std::tuple<>>(), "()");
  EXPECT_EQ((type_name<std::array<float, 3>>()), "array<float32, 3>");
  EXPECT_EQ(type_name<std::set<int>>(), "set<int32>");
  EXPECT_EQ(type_name<std::chrono::milliseconds>(), "duration");
  EXPECT_EQ(type_name<Tensor>(), "tensor");
  EXPECT_EQ(type_name<demo::Hit>(), "Hit");
  EXPECT_EQ(type_name<std::monostate>(), "null");
  EXPECT_EQ(type_name<DynamicValue>(), "any");
  static_assert(!Carried<char> && !Carried<void*> && !Carried<std::unique_ptr<int>> && Carried<demo::Tree>);
}

template <class T>
std::vector<std::string> structs_of() {
  std::vector<std::string> found;
  list_structs<T>(found);
  return found;
}

TEST_F(ValueTest, StructsAreListedOnceEachWithTheirMembers) {
  using ::testing::ElementsAre;
  const std::string hit = "Hit{file: string, line: int32, text: string}";
  EXPECT_THAT(structs_of<demo::Hit>(), ElementsAre(hit));
  EXPECT_THAT(structs_of<std::vector<demo::Hit>>(), ElementsAre(hit));
  EXPECT_THAT((structs_of<std::array<demo::Hit, 2>>()), ElementsAre(hit));
  EXPECT_THAT((structs_of<std::map<std::string, std::optional<demo::Hit>>>()), ElementsAre(hit));
  EXPECT_THAT((structs_of<std::tuple<demo::Hit, int, std::pair<demo::Hit, demo::Empty>>>()),
              ElementsAre(hit, "Empty{}"));
  EXPECT_THAT(structs_of<demo::Tree>(), ElementsAre("Tree{value: int32, children: list<Tree>}"));
  EXPECT_THAT(structs_of<demo::Account>(), ElementsAre("Account{cents: int64}"));
  EXPECT_THAT(structs_of<std::vector<int>>(), ::testing::IsEmpty());
}

TEST_F(ValueTest, DecodingHostileCountsFailsBeforeItAllocates) {
  // A list that claims more elements than the message has bytes.
  payload_.body = Buffer::copy_of(std::string_view("\xff\xff\xff\x7f\x01\x04\x01", 7));
  std::vector<demo::Hit> hits;
  EXPECT_EQ(receive(hits).code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace onward
