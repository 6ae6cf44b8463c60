// SPDX-License-Identifier: Apache-2.0
//
// The check of arguments agrees with the node: for many types and random values, it takes what reading the value with
// codec flex as that type takes, and, where a signature says all about a type, nothing else.
#include <gtest/gtest.h>

#include <set>

#include "argument_check.h"
#include "onward/flex/flex_codec.h"
#include "onward/function.h"
#include "onward/testing/value_generator.h"
#include "onward/value.h"

namespace onward::test {

using namespace testing_support;

enum class Shade : std::uint8_t { kDark, kLight };

struct Row {
  std::string name;
  std::int16_t count = 0;
  std::vector<float> cells;
  std::optional<bool> open;
};
ONWARD_MEMBERS(Row, name, count, cells, open)

struct Tree {
  std::int8_t value = 0;
  std::vector<Tree> children;
  std::map<std::string, Row> rows;
};
ONWARD_MEMBERS(Tree, value, children, rows)

namespace {

using Kind = SignatureType::Kind;

// Whether the signature says all about how a type is read.
enum class Known { kAll, kSome };

// Values that a type takes mostly, and others now and then.
class Shaper {
 public:
  Shaper(Random& random, const FunctionSignature& signature) : random_(random), signature_(signature), any_(random) {}

  DynamicValue value(const SignatureType& type, std::size_t depth) {
    if (random_.one_in(20)) return any_.value(2);
    switch (type.kind) {
      case Kind::kNumber:
        return number(type.number);
      case Kind::kString:
        return {random_.text(8)};
      case Kind::kBytes:
      case Kind::kByteArray:
        return bytes(type.kind == Kind::kByteArray ? type.count : random_.below(6));
      case Kind::kDuration:
        return {static_cast<std::int64_t>(random_.number())};
      case Kind::kNull:
        return {};
      case Kind::kTensor:
        return tensor();
      case Kind::kAny:
        return any_.value(2);
      case Kind::kList:
      case Kind::kSet:
      case Kind::kArray:
        return list(type, depth);
      case Kind::kOptional:
        return random_.one_in(2) ? DynamicValue() : value(type.parts[0], depth);
      case Kind::kTuple:
        return tuple(type.parts, depth);
      case Kind::kMap:
        return map(type, depth);
      case Kind::kTable:
        return {DynamicValue::Table{type.name, random_.bytes(8)}};
      case Kind::kNamed:
        return named(type, depth);
    }
    return {};
  }

 private:
  DynamicValue number(NumberType type) {
    if (type == NumberType::kBool && !random_.one_in(6)) return {random_.one_in(2)};
    if (type >= NumberType::kFloat16 && random_.one_in(2)) {
      return {random_.one_in(4) ? std::bit_cast<double>(random_.next()) : static_cast<double>(random_.below(99)) / 4};
    }
    // One bit less than the type has, mostly: signed or not, it fits.
    const std::size_t unused =
        random_.one_in(10) ? random_.below(64) : 65 - 8 * std::min<std::size_t>(size_of(type), 8);
    const std::uint64_t wide = random_.next() >> std::min<std::size_t>(unused, 63);
    const bool is_unsigned = type >= NumberType::kUint8 && type <= NumberType::kUint64;
    if (random_.one_in(3)) return {wide};
    return {static_cast<std::int64_t>(random_.one_in(is_unsigned ? 20 : 3) ? ~wide : wide)};
  }
  DynamicValue bytes(std::size_t count) {
    count += random_.one_in(8) ? 1 : 0;
    if (random_.one_in(2)) return {random_.bytes(count)};
    return {std::string(count, 'x')};
  }
  DynamicValue tensor() {
    if (random_.one_in(2)) {
      return {TensorValue{.type = NumberType::kInt16, .shape = {3}, .data = random_.bytes(6)}};
    }
    DynamicValue::Sequence values;
    for (std::size_t i = random_.below(4); i > 0; --i) values.push_back(number(NumberType::kFloat64));
    return {std::move(values)};
  }
  DynamicValue list(const SignatureType& type, std::size_t depth) {
    std::size_t count = random_.below(depth > 0 ? 4 : 1);
    if (type.kind == Kind::kArray) count = type.count + (random_.one_in(8) ? 1 : 0);
    if (type.parts[0].kind == Kind::kNumber && random_.one_in(3)) return numbers(count);
    DynamicValue::Sequence values;
    for (std::size_t i = 0; i < count; ++i) values.push_back(value(type.parts[0], depth > 0 ? depth - 1 : 0));
    return {std::move(values)};
  }
  DynamicValue numbers(std::size_t count) {
    if (random_.one_in(4)) return {random_.bytes(random_.one_in(8) ? kSegmentThresholdBytes : count)};
    const auto type = static_cast<NumberType>(random_.below(kNumberTypes));
    // Large ones, which lie in the message otherwise.
    if (random_.one_in(10)) count += 300;
    Buffer data = random_.bytes(count * size_of(type));
    const bool small = random_.one_in(2);
    for (std::size_t i = 0; i < data.size(); ++i) {
      if (type == NumberType::kBool) data.mutable_data()[i] &= std::byte{1};
      // Of each number, one byte alone: many types hold it.
      else if (small && i % size_of(type) != 0)
        data.mutable_data()[i] = std::byte{0};
    }
    return {DynamicValue::Numbers{type, std::move(data)}};
  }
  DynamicValue tuple(const std::vector<SignatureType>& parts, std::size_t depth) {
    DynamicValue::Sequence values;
    for (const SignatureType& part : parts) values.push_back(value(part, depth));
    if (random_.one_in(12)) values.emplace_back();
    return {std::move(values)};
  }
  DynamicValue map(const SignatureType& type, std::size_t depth) {
    const bool named =
        type.parts[0].kind == Kind::kString || (type.parts[0].kind == Kind::kNumber && random_.one_in(2));
    DynamicValue::Sequence pairs;
    std::map<std::string, DynamicValue> members;
    for (std::size_t i = random_.below(3); i > 0; --i) {
      pairs.push_back(tuple(type.parts, depth));
      const std::string key = type.parts[0].kind == Kind::kString ? "k" + std::to_string(i)
                              : random_.one_in(8)                 ? "k"
                              : random_.one_in(4)                 ? "-" + std::to_string(random_.below(200))
                                                                  : std::to_string(random_.below(40'000));
      members[key] = value(type.parts[1], depth);
    }
    return named ? map_of(members) : DynamicValue{std::move(pairs)};
  }
  DynamicValue named(const SignatureType& type, std::size_t depth) {
    const auto known = signature_.structs.find(type.text);
    if (known == signature_.structs.end()) return any_.value(1);
    std::map<std::string, DynamicValue> members;
    for (const auto& [name, member] : known->second) {
      if (depth > 0 && !random_.one_in(4)) members[name] = value(member, depth - 1);
    }
    if (random_.one_in(6)) members["other"] = any_.value(1);
    return map_of(members);
  }
  static DynamicValue map_of(std::map<std::string, DynamicValue>& members) {
    DynamicValue::Map map;
    for (auto& [name, member] : members) map.push_back({name, std::move(member)});
    return {std::move(map)};
  }

  Random& random_;
  const FunctionSignature& signature_;
  ValueGenerator any_;
};

class ArgumentAgreement : public testing::Test {
 protected:
  static constexpr int kValues = 500;

  template <class T>
  void agrees(Known known = Known::kAll) {
    std::vector<std::string> structs;
    list_structs<T>(structs);
    const auto signature = parse_signature("(" + type_name<T>() + ") -> void", structs);
    ASSERT_TRUE(signature) << type_name<T>();
    Random random(function_id(type_name<T>()));
    Shaper shaper(random, *signature);
    int taken = 0;
    int refused = 0;
    for (int i = 0; i < kValues; ++i) {
      const DynamicValue value = shaper.value(signature->parameters[0], 3);
      T read{};
      Payload payload;
      if (!encode(*codec_, value, payload).ok()) continue;
      Delivery delivery(payload);
      const Status decoded = decode(*codec_, delivery.message(), read);
      const auto mismatch = check(*signature, value);
      if (decoded.ok() || known == Known::kAll) {
        EXPECT_EQ(!mismatch, decoded.ok())
            << type_name<T>() << ": " << describe(value, mismatch) << decoded.to_string();
      }
      ++(decoded.ok() ? taken : refused);
      if (decoded.ok()) takes_as_written(*signature, read);
    }
    EXPECT_GT(taken, kValues / 6) << type_name<T>();
    // A type that takes everything refuses nothing.
    EXPECT_GT(refused, (std::is_same_v<T, DynamicValue> ? -1 : kValues / 40)) << type_name<T>();
  }

 private:
  static std::optional<ArgumentMismatch> check(const FunctionSignature& signature, const DynamicValue& value) {
    ArgumentNotes notes;
    return check_arguments(signature, {value}, notes);
  }
  static std::string describe(const DynamicValue& value, const std::optional<ArgumentMismatch>& mismatch) {
    const std::string kind(to_string(value.kind()));
    return mismatch
               ? kind + " at " + mismatch->path + " must be " + mismatch->expected + ", not " + mismatch->found + "; "
               : kind + " was taken; ";
  }
  // What a typed caller sends.
  template <class T>
  void takes_as_written(const FunctionSignature& signature, const T& value) {
    DynamicValue written;
    ASSERT_TRUE(round_trip(*codec_, value, written).ok());
    const auto mismatch = check(signature, written);
    EXPECT_FALSE(mismatch) << type_name<T>() << ": " << describe(written, mismatch);
  }

  std::unique_ptr<Codec> codec_ = make_flex_codec();
};

TEST_F(ArgumentAgreement, Scalars) {
  agrees<bool>();
  agrees<std::int8_t>();
  agrees<std::int16_t>();
  agrees<std::int32_t>();
  agrees<std::int64_t>();
  agrees<std::uint8_t>();
  agrees<std::uint16_t>();
  agrees<std::uint32_t>();
  agrees<std::uint64_t>();
  agrees<float>();
  agrees<double>();
  agrees<Shade>();
  agrees<std::monostate>();
  agrees<std::chrono::milliseconds>();
  agrees<std::chrono::duration<std::int8_t>>(Known::kSome);
}

TEST_F(ArgumentAgreement, StringsAndBytes) {
  agrees<std::string>();
  agrees<Buffer>();
  agrees<std::vector<std::byte>>();
  agrees<std::array<std::byte, 3>>();
}

TEST_F(ArgumentAgreement, ListsOfNumbers) {
  agrees<std::vector<bool>>();
  agrees<std::vector<std::int8_t>>();
  agrees<std::vector<std::int32_t>>();
  agrees<std::vector<std::uint8_t>>();
  agrees<std::vector<std::uint64_t>>();
  agrees<std::vector<float>>();
  agrees<std::vector<double>>();
  agrees<std::array<std::int16_t, 3>>();
  agrees<std::array<bool, 2>>();
  agrees<std::array<double, 2>>();
  agrees<std::set<std::int32_t>>();
  agrees<std::vector<Shade>>(Known::kSome);
  agrees<std::vector<std::optional<std::int32_t>>>();
  agrees<std::vector<std::vector<std::int16_t>>>();
}

TEST_F(ArgumentAgreement, OtherLists) {
  agrees<std::vector<std::string>>();
  agrees<std::array<std::string, 2>>();
  agrees<std::set<std::string>>();
  agrees<std::vector<std::vector<std::string>>>();
  agrees<std::tuple<>>();
  agrees<std::tuple<std::int32_t>>();
  agrees<std::tuple<std::string, bool, double>>();
  agrees<std::pair<std::int8_t, std::vector<std::uint8_t>>>();
  agrees<std::vector<std::pair<std::string, std::int32_t>>>();
}

TEST_F(ArgumentAgreement, Maps) {
  agrees<std::map<std::string, std::int32_t>>();
  agrees<std::unordered_map<std::string, std::vector<double>>>();
  agrees<std::map<std::int8_t, std::string>>();
  agrees<std::map<std::uint16_t, bool>>();
  agrees<std::map<std::uint64_t, bool>>();
  agrees<std::map<bool, std::int32_t>>();
  agrees<std::map<Shade, bool>>(Known::kSome);
  agrees<std::map<std::pair<std::int32_t, bool>, std::string>>();
  agrees<std::map<std::string, std::map<std::int32_t, std::string>>>();
}

TEST_F(ArgumentAgreement, OptionalsAndWhateverElse) {
  agrees<std::optional<std::string>>();
  agrees<std::optional<std::vector<std::int32_t>>>();
  agrees<Tensor>();
  agrees<std::vector<Tensor>>();
  agrees<DynamicValue>();
  agrees<std::map<std::string, DynamicValue>>();
}

TEST_F(ArgumentAgreement, Structs) {
  agrees<Row>();
  agrees<Tree>();
  agrees<std::vector<Row>>();
  agrees<std::optional<Row>>();
  agrees<std::tuple<Row, Tree>>();
}

}  // namespace
}  // namespace onward::test
