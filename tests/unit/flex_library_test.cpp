// SPDX-License-Identifier: Apache-2.0
//
// Codec flex against the FlatBuffers library's own FlexBuffers: what either writes, the other reads, with
// the same content.
#include <flatbuffers/flexbuffers.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "onward/flex/flex_codec.h"
#include "onward/testing/value_generator.h"
#include "onward/value.h"
#include "onward/value_dynamic.h"

namespace onward::test {

using namespace testing_support;
namespace {

using flexbuffers::Reference;

// Whether `found` is what the library reads at `reference`; what FlexBuffers has no type for is compared
// in the form that flex_format.h describes.
class Comparison {
 public:
  explicit Comparison(const std::vector<Buffer>& segments) : segments_(segments) {}

  bool same(const DynamicValue& found, Reference reference) const {
    return std::visit([&](const auto& content) { return equal(content, reference); }, found.value);
  }

 private:
  bool equal(std::monostate, Reference r) const { return r.IsNull(); }
  bool equal(bool value, Reference r) const { return r.IsBool() && r.AsBool() == value; }
  bool equal(std::int64_t value, Reference r) const { return r.IsInt() && r.AsInt64() == value; }
  bool equal(std::uint64_t value, Reference r) const { return r.IsUInt() && r.AsUInt64() == value; }
  bool equal(double value, Reference r) const { return r.IsFloat() && detail::same(r.AsDouble(), value); }
  bool equal(const std::string& value, Reference r) const {
    return r.IsKey() ? value == r.AsKey() : r.IsString() && value == r.AsString().str();
  }
  bool equal(const Buffer& value, Reference r) const {
    if (extended(r, "segment", 3)) {
      const Buffer& segment = segments_.at(r.AsVector()[1].AsUInt64());
      return segment.text() == value.text() && r.AsVector()[2].AsUInt64() == segment.size();
    }
    return r.IsBlob() &&
           value.text() == std::string_view(reinterpret_cast<const char*>(r.AsBlob().data()), r.AsBlob().size());
  }
  bool equal(const DynamicValue::Sequence& values, Reference r) const {
    const auto all = [&](auto vector) {
      if (vector.size() != values.size()) return false;
      for (std::size_t i = 0; i < values.size(); ++i) {
        if (!same(values[i], vector[i])) return false;
      }
      return true;
    };
    return r.IsUntypedVector() ? all(r.AsVector()) : r.IsTypedVector() && all(r.AsTypedVector());
  }
  bool equal(const DynamicValue::Map& map, Reference r) const {
    if (!r.IsMap() || r.AsMap().size() != map.size() || r.AsMap().Keys().size() != map.size()) return false;
    for (std::size_t i = 0; i < map.size(); ++i) {
      if (map[i].key != r.AsMap().Keys()[i].AsKey() || !same(map[i].value, r.AsMap().Values()[i])) return false;
    }
    return true;
  }
  bool equal(const DynamicValue::Numbers& numbers, Reference r) const {
    if (extended(r, "numbers", 3)) {
      return r.AsVector()[1].AsUInt64() == static_cast<std::uint64_t>(numbers.type) &&
             equal(numbers.data, r.AsVector()[2]);
    }
    const auto all = [&](auto vector) {
      if (vector.size() != numbers.count()) return false;
      for (std::size_t i = 0; i < vector.size(); ++i) {
        if (!number(numbers, i, vector[i])) return false;
      }
      return true;
    };
    return r.IsFixedTypedVector() ? all(r.AsFixedTypedVector()) : r.IsTypedVector() && all(r.AsTypedVector());
  }
  bool equal(const TensorValue& tensor, Reference r) const {
    if (!extended(r, "tensor", 4) || r.AsVector()[1].AsUInt64() != static_cast<std::uint64_t>(tensor.type))
      return false;
    const auto shape = r.AsVector()[2].AsTypedVector();
    if (shape.size() != tensor.shape.size()) return false;
    for (std::size_t i = 0; i < shape.size(); ++i) {
      if (shape[i].AsUInt64() != tensor.shape[i]) return false;
    }
    return equal(tensor.data, r.AsVector()[3]);
  }
  bool equal(const DynamicValue::Table& table, Reference r) const {
    return extended(r, "table", 3) && equal(table.type_name, r.AsVector()[1]) && equal(table.data, r.AsVector()[2]);
  }

  static bool extended(Reference r, std::string_view name, std::size_t count) {
    return r.IsUntypedVector() && r.AsVector().size() == count && r.AsVector()[0].IsKey() &&
           name == r.AsVector()[0].AsKey();
  }
  static bool number(const DynamicValue::Numbers& numbers, std::size_t i, Reference r) {
    const std::byte* at = numbers.data.data() + i * size_of(numbers.type);
    const auto load = [at]<class T>(T value) {
      std::memcpy(&value, at, sizeof value);
      return value;
    };
    switch (numbers.type) {
      case NumberType::kBool:
        return r.IsBool() && r.AsBool() == (*at != std::byte{0});
      case NumberType::kInt8:
        return r.IsInt() && r.AsInt64() == load(std::int8_t{});
      case NumberType::kInt16:
        return r.IsInt() && r.AsInt64() == load(std::int16_t{});
      case NumberType::kInt32:
        return r.IsInt() && r.AsInt64() == load(std::int32_t{});
      case NumberType::kInt64:
        return r.IsInt() && r.AsInt64() == load(std::int64_t{});
      case NumberType::kUint8:
        return r.IsUInt() && r.AsUInt64() == load(std::uint8_t{});
      case NumberType::kUint16:
        return r.IsUInt() && r.AsUInt64() == load(std::uint16_t{});
      case NumberType::kUint32:
        return r.IsUInt() && r.AsUInt64() == load(std::uint32_t{});
      case NumberType::kUint64:
        return r.IsUInt() && r.AsUInt64() == load(std::uint64_t{});
      case NumberType::kFloat32:
        return r.IsFloat() && detail::same(r.AsDouble(), static_cast<double>(load(float{})));
      case NumberType::kFloat64:
        return r.IsFloat() && detail::same(r.AsDouble(), load(double{}));
      default:
        return false;
    }
  }

  const std::vector<Buffer>& segments_;
};

// Writes with everything that the library's Builder can do.
class BuilderGenerator {
 public:
  BuilderGenerator(Random& random, flexbuffers::Builder& builder) : random_(random), builder_(builder) {}

  void message() {
    builder_.Clear();
    builder_.ForceMinimumBitWidth(static_cast<flexbuffers::BitWidth>(random_.one_in(3) ? random_.below(4) : 0));
    value(1 + random_.below(4));
    builder_.Finish();
  }

 private:
  void value(std::size_t depth) {
    switch (random_.below(depth > 0 ? 16 : 12)) {
      case 0:
        return builder_.Null();
      case 1:
        return builder_.Int(integer());
      case 2:
        return builder_.UInt(random_.number());
      case 3:
        return builder_.Float(static_cast<float>(random_.below(1000)) / 3);
      case 4:
        return builder_.Double(static_cast<double>(random_.below(1000)) / 3);
      case 5:
        return builder_.Bool(random_.one_in(2));
      case 6:
        return builder_.IndirectInt(integer());
      case 7:
        return builder_.IndirectUInt(random_.number());
      case 8:
        return random_.one_in(2) ? builder_.IndirectFloat(0.3F) : builder_.IndirectDouble(0.3);
      case 9:
        builder_.String(random_.text(random_.one_in(8) ? 400 : 10));
        return;
      case 10:
        builder_.Key(key());
        return;
      case 11: {
        const Buffer bytes = random_.bytes(random_.below(random_.one_in(8) ? 70'000 : 300));
        builder_.Blob(bytes.data(), bytes.size());
        return;
      }
      case 12:
        return typed();
      case 13:
        return packed();
      case 14:
        return map(depth);
      default:
        return vector(depth);
    }
  }
  std::int64_t integer() { return static_cast<std::int64_t>(random_.one_in(2) ? random_.number() : ~random_.number()); }
  std::string key() { return "k" + std::to_string(random_.below(20)); }

  void vector(std::size_t depth) {
    const std::size_t start = builder_.StartVector();
    for (std::size_t count = random_.below(random_.one_in(10) ? 400 : 6); count > 0; --count) {
      value(count > 10 ? 0 : depth - 1);
      if (random_.one_in(10)) builder_.ReuseValue(builder_.LastValue());
    }
    builder_.EndVector(start, false, false);
  }
  void map(std::size_t depth) {
    const std::size_t start = builder_.StartMap();
    for (std::size_t i = 0; i < 20; ++i) {
      if (!random_.one_in(4)) continue;
      builder_.Key("k" + std::to_string((7 * i) % 20));
      value(depth - 1);
    }
    builder_.EndMap(start);
  }
  void typed() {
    const std::size_t type = random_.below(6);
    const std::size_t start = builder_.StartVector();
    const bool fixed = type < 3 && random_.one_in(3);
    for (std::size_t count = fixed ? 2 + random_.below(3) : random_.below(300); count > 0; --count) {
      if (type == 0) builder_.Int(integer());
      if (type == 1) builder_.UInt(random_.number());
      if (type == 2) builder_.Double(static_cast<double>(random_.below(99)) / 3);
      if (type == 3) builder_.Bool(random_.one_in(2));
      if (type == 4) builder_.Key(key());
      if (type == 5) builder_.String(random_.one_in(2) ? "deprecated" : "");
    }
    builder_.EndVector(start, true, fixed);
  }
  void packed() {
    const std::vector<std::int16_t> numbers(random_.below(300), -7);
    static constexpr float kThree[] = {1, 2, 3};
    if (random_.one_in(2)) {
      builder_.Vector(numbers);
    } else {
      builder_.FixedTypedVector(kThree, 3);
    }
  }

  Random& random_;
  flexbuffers::Builder& builder_;
};

std::uint64_t seed() {
  const char* given = std::getenv("ONWARD_SEED");
  return given != nullptr ? std::strtoull(given, nullptr, 10) : 9'000'001;
}

class FlexLibrary : public testing::Test {
 protected:
  // Reads `body` as the codec does; where it can, the library must agree on all of it.
  Status compare(std::span<const std::byte> body, const std::vector<Buffer>& segments) {
    Delivery delivery(body, segments);
    DynamicValue value;
    Status status = decode(*codec_, delivery.message(), value);
    if (status.ok()) {
      const auto root = flexbuffers::GetRoot(reinterpret_cast<const std::uint8_t*>(body.data()), body.size());
      EXPECT_TRUE(Comparison(segments).same(value, root));
    }
    return status;
  }

  std::unique_ptr<Codec> codec_ = make_flex_codec();
};

TEST_F(FlexLibrary, ReadsAndVerifiesWhatWeWrite) {
  for (std::uint64_t n = 0; n < 3000; ++n) {
    SCOPED_TRACE("ONWARD_SEED=" + std::to_string(seed() + n));
    Random random(seed() + n);
    const DynamicValue value = ValueGenerator(random).value(1 + random.below(5));
    Payload payload;
    ASSERT_TRUE(encode(*codec_, value, payload).ok());
    const auto* body = reinterpret_cast<const std::uint8_t*>(payload.body.data());
    ASSERT_TRUE(flexbuffers::VerifyBuffer(body, payload.body.size()));
    ASSERT_TRUE(Comparison(payload.segments).same(value, flexbuffers::GetRoot(body, payload.body.size())));
  }
}

TEST_F(FlexLibrary, VerifiesTheDeepestThatWeWrite) {
  for (std::size_t depth = 0; depth <= kMaxValueDepth + 2; ++depth) {
    DynamicValue value{Buffer::allocate(5000)};
    for (std::size_t i = 0; i < depth; ++i) value = {DynamicValue::Sequence{{std::string("leaf")}, std::move(value)}};
    Payload payload;
    const Status status = encode(*codec_, value, payload);
    EXPECT_EQ(status.ok(), depth < kMaxValueDepth) << depth;
    if (!status.ok()) continue;
    EXPECT_TRUE(
        flexbuffers::VerifyBuffer(reinterpret_cast<const std::uint8_t*>(payload.body.data()), payload.body.size()));
  }
}

TEST_F(FlexLibrary, WritesWhatWeRead) {
  static constexpr flexbuffers::BuilderFlag kFlags[] = {flexbuffers::BUILDER_FLAG_NONE,
                                                        flexbuffers::BUILDER_FLAG_SHARE_KEYS,
                                                        flexbuffers::BUILDER_FLAG_SHARE_KEYS_AND_STRINGS};
  for (std::uint64_t n = 0; n < 3000; ++n) {
    SCOPED_TRACE("ONWARD_SEED=" + std::to_string(seed() + n));
    Random random(seed() + n);
    flexbuffers::Builder builder(256, kFlags[n % 3]);
    BuilderGenerator(random, builder).message();
    const Status status = compare(std::as_bytes(std::span(builder.GetBuffer())), {});
    ASSERT_TRUE(status.ok()) << status.to_string();
    ASSERT_FALSE(HasFailure());
  }
}

TEST_F(FlexLibrary, AgreesOnWhatWeAcceptOfMutatedMessages) {
  std::size_t accepted = 0;
  static constexpr std::size_t kMessages = 30'000;
  for (std::uint64_t n = 0; n < kMessages; ++n) {
    SCOPED_TRACE("ONWARD_SEED=" + std::to_string(seed() + n));
    Random random(seed() + n);
    flexbuffers::Builder builder;
    BuilderGenerator(random, builder).message();
    std::vector<std::uint8_t> body = builder.GetBuffer();
    for (std::size_t flips = 1 + random.below(3); flips > 0; --flips) {
      const std::size_t reach = random.one_in(2) ? std::min<std::size_t>(body.size(), 24) : body.size();
      body[body.size() - 1 - random.below(reach)] = static_cast<std::uint8_t>(random.next());
    }
    const Status status = compare(std::as_bytes(std::span(body)), {});
    ASSERT_TRUE(status.ok() || status.code() == StatusCode::kInvalidArgument) << status.to_string();
    ASSERT_FALSE(HasFailure());
    accepted += status.ok() ? 1 : 0;
  }
  EXPECT_GT(accepted, kMessages / 20);
  EXPECT_LT(accepted, kMessages * 19 / 20);
}

// Without maps, whose keys we share in another way, the bytes are the same.
TEST_F(FlexLibrary, MakesTheSameBytes) {
  flexbuffers::Builder builder;
  const std::vector<std::int32_t> packed(100, -5);
  const std::string text(300, 'x');
  const std::vector<std::byte> blob(70'000, std::byte{3});
  const std::size_t outer = builder.StartVector();
  builder.Int(-1);
  builder.UInt(70'000);
  builder.String("short");
  builder.Vector(packed);
  const std::size_t inner = builder.StartVector();
  builder.Double(0.1);
  builder.Float(0.5F);
  builder.Bool(true);
  builder.Null();
  builder.String(text);
  builder.EndVector(inner, false, false);
  builder.Blob(blob.data(), blob.size());
  builder.Int(1LL << 40U);
  builder.EndVector(outer, false, false);
  builder.Finish();
  const std::vector<std::uint8_t>& theirs = builder.GetBuffer();

  Payload payload;
  const auto value =
      std::tuple(-1, 70'000U, "short", packed, std::tuple(0.1, 0.5F, true, std::monostate(), text), blob, 1LL << 40U);
  ASSERT_TRUE(encode(*codec_, value, payload).ok());
  EXPECT_EQ(payload.body.text(), std::string_view(reinterpret_cast<const char*>(theirs.data()), theirs.size()));
}

TEST_F(FlexLibrary, FindsKeysInOurMaps) {
  std::unordered_map<std::string, std::uint64_t> map;
  for (std::uint64_t i = 0; i < 1000; ++i) map["key" + std::to_string(i * 7919 % 1000)] = i;
  Payload payload;
  ASSERT_TRUE(encode(*codec_, map, payload).ok());
  const auto root =
      flexbuffers::GetRoot(reinterpret_cast<const std::uint8_t*>(payload.body.data()), payload.body.size()).AsMap();
  for (const auto& [key, value] : map) ASSERT_EQ(root[key].AsUInt64(), value) << key;
}

}  // namespace
}  // namespace onward::test
