// SPDX-License-Identifier: Apache-2.0
#include "argument_check.h"

#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "json_value.h"
#include "nearest.h"

namespace onward {
namespace {

using Kind = SignatureType::Kind;

bool is_signed(NumberType type) { return type >= NumberType::kInt8 && type <= NumberType::kInt64; }
bool is_unsigned(NumberType type) { return type >= NumberType::kUint8 && type <= NumberType::kUint64; }

std::int64_t lowest(NumberType type) {
  return is_signed(type) ? std::numeric_limits<std::int64_t>::min() >> (64 - 8 * size_of(type)) : 0;
}
std::uint64_t highest(NumberType type) {
  const std::uint64_t all = std::numeric_limits<std::uint64_t>::max() >> (64 - 8 * size_of(type));
  return is_signed(type) ? all >> 1U : all;
}

bool fits(std::int64_t value, NumberType type) {
  return value < 0 ? value >= lowest(type) : static_cast<std::uint64_t>(value) <= highest(type);
}
bool fits(std::uint64_t value, NumberType type) { return value <= highest(type); }

bool is_number(const DynamicValue& value, NumberType type) {
  if (type == NumberType::kBool) return value.kind() == ValueKind::kBoolean;
  const bool integral = is_signed(type) || is_unsigned(type);
  if (const auto* number = std::get_if<std::int64_t>(&value.value)) return !integral || fits(*number, type);
  if (const auto* number = std::get_if<std::uint64_t>(&value.value)) return !integral || fits(*number, type);
  const auto* real = std::get_if<double>(&value.value);
  if (real == nullptr || integral) return false;
  return type != NumberType::kFloat32 || std::abs(*real) <= std::numeric_limits<float>::max() || !std::isfinite(*real);
}

bool is_key(std::string_view text, NumberType type) {
  const auto parse = [&](auto number) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    return error == std::errc() && end == text.data() + text.size() && fits(number, type);
  };
  return is_signed(type) ? parse(std::int64_t{}) : parse(std::uint64_t{});
}

template <class T>
T load(const Buffer& data, std::size_t index) {
  T value;
  std::memcpy(&value, data.data() + index * sizeof(T), sizeof(T));
  return value;
}

// One of packed numbers, as a value of its own. Not of 16-bit reals.
DynamicValue element_of(const DynamicValue::Numbers& numbers, std::size_t index) {
  const Buffer& data = numbers.data;
  switch (numbers.type) {
    case NumberType::kBool:
      return {load<std::uint8_t>(data, index) != 0};
    case NumberType::kInt8:
      return {std::int64_t{load<std::int8_t>(data, index)}};
    case NumberType::kInt16:
      return {std::int64_t{load<std::int16_t>(data, index)}};
    case NumberType::kInt32:
      return {std::int64_t{load<std::int32_t>(data, index)}};
    case NumberType::kInt64:
      return {load<std::int64_t>(data, index)};
    case NumberType::kUint8:
      return {std::uint64_t{load<std::uint8_t>(data, index)}};
    case NumberType::kUint16:
      return {std::uint64_t{load<std::uint16_t>(data, index)}};
    case NumberType::kUint32:
      return {std::uint64_t{load<std::uint32_t>(data, index)}};
    case NumberType::kUint64:
      return {load<std::uint64_t>(data, index)};
    case NumberType::kFloat32:
      return {double{load<float>(data, index)}};
    case NumberType::kFloat64:
      return {load<double>(data, index)};
    case NumberType::kFloat16:
    case NumberType::kBfloat16:
      break;
  }
  return {};
}

// The elements of what a node reads as a sequence: sequences, packed numbers, and, where the elements are numbers, also
// bytes that travel within the message. Null for anything else.
const DynamicValue::Sequence* elements_of(const DynamicValue& value, bool of_numbers, DynamicValue::Sequence& storage) {
  if (const auto* sequence = std::get_if<DynamicValue::Sequence>(&value.value)) return sequence;
  DynamicValue::Numbers numbers;
  if (const auto* packed = std::get_if<DynamicValue::Numbers>(&value.value)) {
    numbers = *packed;
  } else if (const auto* bytes = std::get_if<Buffer>(&value.value);
             of_numbers && bytes != nullptr && bytes->size() < kSegmentThresholdBytes) {
    numbers = {NumberType::kUint8, *bytes};
  } else {
    return nullptr;
  }
  const bool half = numbers.type == NumberType::kFloat16 || numbers.type == NumberType::kBfloat16;
  if (half && (numbers.count() > 0 || !of_numbers)) return nullptr;
  for (std::size_t i = 0; i < numbers.count(); ++i) storage.push_back(element_of(numbers, i));
  return &storage;
}

std::string describe_type(const SignatureType& type) {
  switch (type.kind) {
    case Kind::kNull:
      return "null";
    case Kind::kBytes:
    case Kind::kByteArray:
      return (type.kind == Kind::kBytes ? "bytes" : std::to_string(type.count) + " bytes") +
             R"(, {"bytes": BASE64} or a string)";
    case Kind::kDuration:
      return "a duration, an integer number of nanoseconds";
    case Kind::kTensor:
      return R"(a tensor, {"dtype": …, "shape": […], "data": […]}, or an array of numbers)";
    case Kind::kTable:
      return "a " + type.text + R"(, {"table": NAME, "bytes": BASE64})";
    case Kind::kTuple:
      return "an array of " + type.text;
    case Kind::kNumber:
      if (is_signed(type.number) || is_unsigned(type.number)) {
        return (is_signed(type.number) ? "an " : "a ") + type.text;
      }
      break;
    default:
      break;
  }
  const bool vowel = type.kind == Kind::kArray || type.kind == Kind::kOptional;
  return (vowel ? "an " : "a ") + type.text;
}

std::string describe_found(const DynamicValue& value) {
  constexpr std::size_t kLongest = 60;
  std::string text = to_json(value);
  if (text.size() > kLongest) {
    std::size_t cut = kLongest;
    while (cut > 0 && (static_cast<unsigned char>(text[cut]) & 0xC0U) == 0x80U) --cut;
    text = text.substr(0, cut) + "…";
  }
  switch (value.kind()) {
    case ValueKind::kNull:
    case ValueKind::kBoolean:
      return text;
    case ValueKind::kReal:
      return "the real " + text;
    case ValueKind::kInteger:
    case ValueKind::kUnsigned:
      return "the integer " + text;
    case ValueKind::kString:
      return "the string " + text;
    case ValueKind::kSequence:
    case ValueKind::kNumbers:
      return "the array " + text;
    case ValueKind::kMap:
      return "the object " + text;
    case ValueKind::kBytes:
    case ValueKind::kTensor:
    case ValueKind::kTable:
      return std::string(to_string(value.kind())) + ", " + text;
  }
  return text;
}

class Checker {
 public:
  Checker(const FunctionSignature& signature, ArgumentNotes& notes) : signature_(signature), notes_(notes) {}

  std::optional<ArgumentMismatch> check(std::size_t index, const SignatureType& type, const DynamicValue& value) {
    mismatch_ = {.index = index};
    if (accepts(type, value)) return std::nullopt;
    mismatch_.path = path_.starts_with('.') ? path_.substr(1) : path_;
    const SignatureType& inner = type.kind == Kind::kOptional ? type.parts[0] : type;
    mismatch_.string_wanted = path_.empty() && inner.kind == Kind::kString;
    return std::move(mismatch_);
  }

 private:
  bool refuse(const SignatureType& type, const DynamicValue& value) {
    mismatch_.expected = describe_type(type);
    mismatch_.found = describe_found(value);
    return false;
  }
  // With what is wrong about a value of the right kind.
  bool refuse(const SignatureType& type, const std::string& expected, std::string found) {
    mismatch_.expected = describe_type(type) + expected;
    mismatch_.found = std::move(found);
    return false;
  }

  // False, and path_ is where, and mismatch_ what is wrong. path_ is as it was otherwise.
  bool accepts(const SignatureType& type, const DynamicValue& value) {
    // A struct may have the name of another type.
    if (type.kind != Kind::kNamed && signature_.structs.contains(type.text)) return true;
    switch (type.kind) {
      case Kind::kNumber:
        return accepts_number(type, value);
      case Kind::kString:
        return value.kind() == ValueKind::kString || refuse(type, value);
      case Kind::kBytes:
      case Kind::kByteArray:
        return accepts_bytes(type, value);
      case Kind::kDuration:
        return is_number(value, NumberType::kInt64) || refuse(type, value);
      case Kind::kNull:
        return value.kind() == ValueKind::kNull || refuse(type, value);
      case Kind::kTensor:
        return accepts_tensor(type, value);
      case Kind::kAny:
        return true;
      case Kind::kList:
      case Kind::kSet:
      case Kind::kArray:
        return accepts_list(type, value);
      case Kind::kOptional:
        return value.kind() == ValueKind::kNull || accepts(type.parts[0], value);
      case Kind::kMap:
        return accepts_map(type, value);
      case Kind::kTuple:
        return accepts_tuple(type, value);
      case Kind::kTable: {
        const auto* table = std::get_if<DynamicValue::Table>(&value.value);
        return (table != nullptr && (type.name.empty() || type.name == table->type_name)) || refuse(type, value);
      }
      case Kind::kNamed:
        return accepts_named(type, value);
    }
    return true;
  }

  bool accepts_number(const SignatureType& type, const DynamicValue& value) {
    if (is_number(value, type.number)) return true;
    const bool integer = value.kind() == ValueKind::kInteger || value.kind() == ValueKind::kUnsigned;
    if (!integer || !(is_signed(type.number) || is_unsigned(type.number))) return refuse(type, value);
    return refuse(type,
                  " (" + std::to_string(lowest(type.number)) + " to " + std::to_string(highest(type.number)) + ")",
                  to_json(value));
  }

  bool accepts_bytes(const SignatureType& type, const DynamicValue& value) {
    std::optional<std::size_t> size;
    if (const auto* text = std::get_if<std::string>(&value.value)) size = text->size();
    if (const auto* bytes = std::get_if<Buffer>(&value.value)) size = bytes->size();
    if (!size) return refuse(type, value);
    if (type.kind == Kind::kBytes || *size == type.count) return true;
    return refuse(type, "", std::to_string(*size) + " bytes");
  }

  bool accepts_tensor(const SignatureType& type, const DynamicValue& value) {
    if (value.kind() == ValueKind::kTensor || value.kind() == ValueKind::kNumbers) return true;
    const auto* sequence = std::get_if<DynamicValue::Sequence>(&value.value);
    if (sequence == nullptr) return refuse(type, value);
    static const SignatureType element{.kind = Kind::kNumber, .text = "float64", .number = NumberType::kFloat64};
    return accepts_each(*sequence, [](std::size_t) -> const SignatureType& { return element; });
  }

  bool accepts_list(const SignatureType& type, const DynamicValue& value) {
    const SignatureType& element = type.parts[0];
    DynamicValue::Sequence storage;
    const bool packed = element.kind == Kind::kNumber && type.kind != Kind::kSet;
    const auto* elements = elements_of(value, packed, storage);
    if (elements == nullptr) return refuse(type, value);
    if (type.kind == Kind::kArray && elements->size() != type.count) {
      return refuse(type, "", "one of " + std::to_string(elements->size()));
    }
    return accepts_each(*elements, [&](std::size_t) -> const SignatureType& { return element; });
  }

  bool accepts_tuple(const SignatureType& type, const DynamicValue& value) {
    DynamicValue::Sequence storage;
    const auto* elements = elements_of(value, false, storage);
    if (elements == nullptr) return refuse(type, value);
    if (elements->size() != type.parts.size()) {
      return refuse(type, "", "one of " + std::to_string(elements->size()));
    }
    return accepts_each(*elements, [&](std::size_t i) -> const SignatureType& { return type.parts[i]; });
  }

  template <class TypeOf>
  bool accepts_each(const DynamicValue::Sequence& values, const TypeOf& type_of) {
    const std::size_t outer = path_.size();
    for (std::size_t i = 0; i < values.size(); ++i) {
      path_ += '[' + std::to_string(i) + ']';
      if (!accepts(type_of(i), values[i])) return false;
      path_.resize(outer);
    }
    return true;
  }

  // By name, where keys are strings or integers in decimal; else, and for integers also, a sequence of pairs.
  bool accepts_map(const SignatureType& type, const DynamicValue& value) {
    const SignatureType& key = type.parts[0];
    const bool integer = key.kind == Kind::kNumber && (is_signed(key.number) || is_unsigned(key.number));
    const auto* map = std::get_if<DynamicValue::Map>(&value.value);
    if (key.kind != Kind::kString && (!integer || map == nullptr)) {
      DynamicValue::Sequence storage;
      const auto* pairs = elements_of(value, false, storage);
      if (pairs == nullptr) return refuse(type, ", an array of [key, value]", describe_found(value));
      const SignatureType pair{
          .kind = Kind::kTuple, .text = "(" + key.text + ", " + type.parts[1].text + ")", .parts = type.parts};
      return accepts_each(*pairs, [&](std::size_t) -> const SignatureType& { return pair; });
    }
    if (map == nullptr) return refuse(type, value);
    const std::size_t outer = path_.size();
    for (const auto& [name, member] : *map) {
      path_ += '.' + name;
      if (integer && !is_key(name, key.number)) {
        return refuse(key, ", in decimal, as keys of a " + type.text + " are", "\"" + name + "\"");
      }
      if (!accepts(type.parts[1], member)) return false;
      path_.resize(outer);
    }
    return true;
  }

  bool accepts_named(const SignatureType& type, const DynamicValue& value) {
    const auto known = signature_.structs.find(type.text);
    if (known == signature_.structs.end()) return true;
    const auto* map = std::get_if<DynamicValue::Map>(&value.value);
    if (map == nullptr) return refuse(type, ", an object", describe_found(value));
    const std::size_t outer = path_.size();
    for (const auto& [name, member] : *map) {
      const SignatureType* wanted = nullptr;
      for (const auto& [member_name, member_type] : known->second) {
        if (member_name == name) wanted = &member_type;
      }
      if (wanted == nullptr) {
        note_unknown(type, name, known->second);
        continue;
      }
      path_ += '.' + name;
      if (!accepts(*wanted, member)) return false;
      path_.resize(outer);
    }
    return true;
  }

  void note_unknown(const SignatureType& type, const std::string& name, const FunctionSignature::Members& members) {
    std::vector<std::string> names;
    for (const auto& [member, unused] : members) names.push_back(member);
    const std::string near = nearest(name, names);
    const std::string where = path_.empty() ? "" : ", at " + path_.substr(path_.starts_with('.') ? 1 : 0) + ",";
    notes_.push_back("argument " + std::to_string(mismatch_.index + 1) + where + " has a member \"" + name +
                     "\", which " + type.text + " has not, and which is passed over" +
                     (near.empty() ? "" : "; did you mean \"" + near + "\"?"));
  }

  const FunctionSignature& signature_;
  ArgumentNotes& notes_;
  ArgumentMismatch mismatch_;
  std::string path_;
};

}  // namespace

std::optional<ArgumentMismatch> check_arguments(const FunctionSignature& signature,
                                                const DynamicValue::Sequence& arguments, ArgumentNotes& notes) {
  Checker checker(signature, notes);
  for (std::size_t i = 0; i < std::min(arguments.size(), signature.parameters.size()); ++i) {
    if (auto mismatch = checker.check(i, signature.parameters[i], arguments[i])) return mismatch;
  }
  return std::nullopt;
}

}  // namespace onward
