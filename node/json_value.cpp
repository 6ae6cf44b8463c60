// SPDX-License-Identifier: Apache-2.0
#include "json_value.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "base64.h"
#include "onward/value.h"

namespace onward {
namespace {

using Json = nlohmann::json;

[[noreturn]] void refuse(std::string why) { throw RpcError(StatusCode::kInvalidArgument, std::move(why)); }

bool has_keys(const Json& object, std::initializer_list<const char*> keys) {
  return object.size() == keys.size() &&
         std::ranges::all_of(keys, [&](const char* key) { return object.contains(key); });
}

// Calls `function(T{})` with the element type. For those that JSON has numbers for.
template <class F>
void with_type(NumberType type, const F& function) {
  switch (type) {
    case NumberType::kBool:
      return function(bool{});
    case NumberType::kInt8:
      return function(std::int8_t{});
    case NumberType::kInt16:
      return function(std::int16_t{});
    case NumberType::kInt32:
      return function(std::int32_t{});
    case NumberType::kInt64:
      return function(std::int64_t{});
    case NumberType::kUint8:
      return function(std::uint8_t{});
    case NumberType::kUint16:
      return function(std::uint16_t{});
    case NumberType::kUint32:
      return function(std::uint32_t{});
    case NumberType::kUint64:
      return function(std::uint64_t{});
    case NumberType::kFloat32:
      return function(float{});
    case NumberType::kFloat64:
      return function(double{});
    case NumberType::kFloat16:
    case NumberType::kBfloat16:
      return;
  }
}

bool has_numbers(NumberType type) { return type != NumberType::kFloat16 && type != NumberType::kBfloat16; }

// ---- From JSON ----

Buffer bytes_from(const Json& text) {
  const auto bytes = text.is_string() ? from_base64(text.get_ref<const std::string&>()) : std::nullopt;
  if (!bytes) refuse("\"bytes\" must be a string in base64");
  return Buffer::copy_of(*bytes);
}

double special_real(const Json& text) {
  const std::string name = text.is_string() ? text.get<std::string>() : std::string();
  if (name == "NaN") return std::numeric_limits<double>::quiet_NaN();
  if (name == "Infinity") return std::numeric_limits<double>::infinity();
  if (name == "-Infinity") return -std::numeric_limits<double>::infinity();
  refuse(R"("float" must be "NaN", "Infinity" or "-Infinity"; write other numbers as they are)");
}

template <class T>
T element_from(const Json& json, NumberType type) {
  const auto unfit = [&] { refuse("the tensor's element " + json.dump() + " is no " + std::string(to_string(type))); };
  if constexpr (std::is_same_v<T, bool>) {
    if (!json.is_boolean()) unfit();
    return json.get<bool>();
  } else if constexpr (std::is_floating_point_v<T>) {
    if (json.is_object() && has_keys(json, {"float"})) return static_cast<T>(special_real(json["float"]));
    if (!json.is_number()) unfit();
    const auto wide = json.get<double>();
    if (std::abs(wide) > static_cast<double>(std::numeric_limits<T>::max())) unfit();
    return static_cast<T>(wide);
  } else {
    if (json.is_number_unsigned()) {
      const auto wide = json.get<std::uint64_t>();
      if (!std::in_range<T>(wide)) unfit();
      return static_cast<T>(wide);
    }
    if (!json.is_number_integer() || !std::in_range<T>(json.get<std::int64_t>())) unfit();
    return static_cast<T>(json.get<std::int64_t>());
  }
}

NumberType number_type_from(const Json& json) {
  std::string known;
  for (std::uint8_t i = 0; i < kNumberTypes; ++i) {
    const auto type = static_cast<NumberType>(i);
    if (json.is_string() && json.get_ref<const std::string&>() == to_string(type)) return type;
    known += (i == 0 ? "" : ", ") + std::string(to_string(type));
  }
  refuse("the tensor's dtype is " + json.dump() + ", which is none of " + known);
}

Buffer tensor_data_from(const Json& json, NumberType type) {
  if (json.is_object() && has_keys(json, {"bytes"})) return bytes_from(json["bytes"]);
  if (!has_numbers(type))
    refuse("the data of a tensor of " + std::string(to_string(type)) + R"( must be {"bytes": BASE64})");
  if (!json.is_array())
    refuse(R"(the tensor's data must be an array of its elements, row by row, or {"bytes": BASE64})");
  Buffer data = Buffer::allocate(json.size() * size_of(type));
  with_type(type, [&](auto sample) {
    using T = decltype(sample);
    for (std::size_t i = 0; i < json.size(); ++i) {
      const T element = element_from<T>(json[i], type);
      std::memcpy(data.mutable_data() + i * sizeof(T), &element, sizeof(T));
    }
  });
  return data;
}

TensorValue tensor_from(const Json& json) {
  TensorValue tensor{.type = number_type_from(json["dtype"]), .shape = {}, .data = {}};
  const Json& shape = json["shape"];
  if (!shape.is_array() || !std::ranges::all_of(shape, [](const Json& size) { return size.is_number_unsigned(); })) {
    refuse("the tensor's shape must be an array of sizes, not " + shape.dump());
  }
  tensor.shape = shape.get<std::vector<std::uint64_t>>();
  tensor.data = tensor_data_from(json["data"], tensor.type);
  if (const Status wrong = check_tensor(tensor); !wrong.ok()) throw RpcError(wrong);
  return tensor;
}

DynamicValue value_from(const Json& json, std::size_t depth);

DynamicValue::Variant object_from(const Json& json, std::size_t depth) {
  if (has_keys(json, {"float"})) return special_real(json["float"]);
  if (has_keys(json, {"bytes"})) return bytes_from(json["bytes"]);
  if (has_keys(json, {"dtype", "shape", "data"})) return tensor_from(json);
  if (has_keys(json, {"table", "bytes"}) && json["table"].is_string()) {
    return DynamicValue::Table{json["table"].get<std::string>(), bytes_from(json["bytes"])};
  }
  DynamicValue::Map map;
  for (const auto& [key, member] : json.items()) map.push_back({key, value_from(member, depth)});
  return map;
}

DynamicValue value_from(const Json& json, std::size_t depth) {
  if (depth == 0) refuse("values are nested deeper than " + std::to_string(kMaxValueDepth));
  switch (json.type()) {
    case Json::value_t::boolean:
      return {json.get<bool>()};
    case Json::value_t::number_integer:
      return {json.get<std::int64_t>()};
    case Json::value_t::number_unsigned: {
      const auto number = json.get<std::uint64_t>();
      if (std::in_range<std::int64_t>(number)) return {static_cast<std::int64_t>(number)};
      return {number};
    }
    case Json::value_t::number_float:
      return {json.get<double>()};
    case Json::value_t::string:
      return {json.get<std::string>()};
    case Json::value_t::array: {
      DynamicValue::Sequence values;
      for (const Json& element : json) values.push_back(value_from(element, depth - 1));
      return {std::move(values)};
    }
    case Json::value_t::object:
      return {object_from(json, depth - 1)};
    case Json::value_t::null:
    case Json::value_t::binary:
    case Json::value_t::discarded:
      break;
  }
  return {};
}

// ---- To JSON ----

Json real_to_json(double value) {
  if (std::isfinite(value)) return value;
  return Json::object({{"float", std::isnan(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity"}});
}

Json numbers_to_json(NumberType type, const Buffer& data) {
  if (!has_numbers(type)) return Json::object({{"bytes", to_base64(data.bytes())}});
  Json array = Json::array();
  with_type(type, [&](auto sample) {
    using T = decltype(sample);
    for (std::size_t at = 0; at + sizeof(T) <= data.size(); at += sizeof(T)) {
      // Any byte but 0 is true, whatever a peer sent.
      std::conditional_t<std::is_same_v<T, bool>, std::uint8_t, T> element;
      std::memcpy(&element, data.data() + at, sizeof(T));
      if constexpr (std::is_floating_point_v<T>) {
        array.push_back(real_to_json(static_cast<double>(element)));
      } else {
        array.push_back(static_cast<T>(element));
      }
    }
  });
  return array;
}

struct JsonWriter {
  Json operator()(std::monostate) const { return nullptr; }
  Json operator()(double value) const { return real_to_json(value); }
  Json operator()(const Buffer& value) const { return Json::object({{"bytes", to_base64(value.bytes())}}); }
  Json operator()(const DynamicValue::Sequence& values) const {
    Json array = Json::array();
    for (const DynamicValue& value : values) array.push_back(std::visit(*this, value.value));
    return array;
  }
  Json operator()(const DynamicValue::Map& map) const {
    Json object = Json::object();
    for (const auto& [key, value] : map) object[key] = std::visit(*this, value.value);
    return object;
  }
  Json operator()(const DynamicValue::Numbers& numbers) const {
    if (has_numbers(numbers.type)) return numbers_to_json(numbers.type, numbers.data);
    return (*this)(TensorValue{numbers.type, {numbers.count()}, numbers.data});
  }
  Json operator()(const TensorValue& tensor) const {
    return Json::object({{"dtype", to_string(tensor.type)},
                         {"shape", tensor.shape},
                         {"data", numbers_to_json(tensor.type, tensor.data)}});
  }
  Json operator()(const DynamicValue::Table& table) const {
    return Json::object({{"table", table.type_name}, {"bytes", to_base64(table.data.bytes())}});
  }
  template <class Scalar>
  Json operator()(const Scalar& value) const {
    return value;
  }
};

std::string dump(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

// As dump(), with a space behind each comma and colon.
std::string on_one_line(const Json& json) {
  if (!json.is_structured()) return dump(json);
  std::string text(json.is_array() ? "[" : "{");
  bool first = true;
  for (const auto& [key, value] : json.items()) {
    if (!std::exchange(first, false)) text += ", ";
    if (json.is_object()) text += dump(key) + ": ";
    text += on_one_line(value);
  }
  return text + (json.is_array() ? "]" : "}");
}

bool is_flat(const Json& json) {
  return std::ranges::none_of(json, [](const Json& element) { return element.is_structured() && !element.empty(); });
}

// Lines of numbers, words and the like, each as full as it may be.
std::string filled(const Json& array, std::size_t indent, std::size_t width) {
  const std::string margin = "\n" + std::string(indent, ' ');
  std::string text;
  std::size_t column = width;
  for (std::size_t i = 0; i < array.size(); ++i) {
    const std::string element = dump(array[i]) + (i + 1 < array.size() ? "," : "");
    if (column + 1 + element.size() > width) {
      text += margin + element;
      column = indent + element.size();
    } else {
      text += " " + element;
      column += 1 + element.size();
    }
  }
  return text;
}

// A record of scalars stands on one line even if that is rather long: a list of them reads as a table.
std::string on_lines(const Json& json, std::size_t indent, std::size_t width) {
  constexpr std::size_t kLongRecord = 5;
  std::string text = on_one_line(json);
  if (!json.is_structured() || json.empty() || indent + text.size() <= width) return text;
  if (json.is_object() && indent > 0 && is_flat(json) && text.size() <= kLongRecord * width) return text;
  const std::size_t inner = indent + 2;
  const std::string end = "\n" + std::string(indent, ' ') + (json.is_array() ? "]" : "}");
  if (json.is_array() && is_flat(json)) return "[" + filled(json, inner, width) + end;
  text = json.is_array() ? "[" : "{";
  bool first = true;
  for (const auto& [key, value] : json.items()) {
    text += (std::exchange(first, false) ? "\n" : ",\n") + std::string(inner, ' ');
    if (json.is_object()) text += dump(key) + ": ";
    text += on_lines(value, inner, width);
  }
  return text + end;
}

// What could steer a terminal becomes '?'; dump() has replaced what is not UTF-8.
std::string printable(const std::string& value) {
  std::string text = Json::parse(dump(value)).get<std::string>();
  std::ranges::replace_if(
      text, [](char c) { return (static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t') || c == 0x7F; }, '?');
  return text;
}

}  // namespace

Result<DynamicValue> parse_json(std::string_view text) {
  try {
    return value_from(Json::parse(text), kMaxValueDepth - 1);
  } catch (const Json::exception& error) {
    // Without the library's own prefix, "[json.exception.parse_error.101] ".
    const std::string_view what = error.what();
    const std::size_t prefix = what.find("] ");
    return fail(StatusCode::kInvalidArgument, std::string(what.substr(prefix == what.npos ? 0 : prefix + 2)));
  } catch (const RpcError& error) {
    return std::unexpected(error.status());
  }
}

Result<DynamicValue> parse_argument(std::string_view text) {
  if (Json::accept(text)) return parse_json(text);
  if (text.starts_with('{') || text.starts_with('[') || text.starts_with('"')) {
    Result<DynamicValue> parsed = parse_json(text);
    if (parsed) return parsed;
    return fail(StatusCode::kInvalidArgument, "this looks like JSON, but is not: " + parsed.error().message() +
                                                  "; to send it as a string, write it as a JSON string");
  }
  if (text.starts_with('-')) {
    return fail(StatusCode::kInvalidArgument,
                "options stand before PEER_URL; to send this as a string, put it in quotes of its own: '\"" +
                    std::string(text) + "\"'");
  }
  return DynamicValue{std::string(text)};
}

std::string to_json(const DynamicValue& value) { return dump(std::visit(JsonWriter(), value.value)); }

std::string to_text(const DynamicValue& value, std::size_t width) {
  if (const auto* text = std::get_if<std::string>(&value.value)) return printable(*text);
  return on_lines(std::visit(JsonWriter(), value.value), 0, width);
}

}  // namespace onward
