// SPDX-License-Identifier: Apache-2.0
//
// The texts of signatures and structs, which a node tells `onward call`: whatever can be read consists of types that
// read as themselves, and values of every kind can be held against them.
//
//   the first line    a signature
//   every other one   a struct
#include <string>
#include <string_view>
#include <vector>

#include "argument_check.h"
#include "fuzz_input.h"
#include "json_value.h"
#include "signature_type.h"

namespace onward::fuzz {
namespace {

// Of every kind, nested in each other.
const std::vector<DynamicValue>& values() {
  static const std::vector<DynamicValue> list = [] {
    std::vector<DynamicValue> made;
    for (const char* json : {"null", "true", "-1", "18446744073709551615", "1e39", R"("text")", R"({"bytes": "AAEC"})",
                             "[]", "[[1], 2]", R"([["a", {"b": [null, 1.5]}]])", R"({"-7": 1, "a": {"a": {"a": []}}})",
                             R"({"dtype": "int8", "shape": [1], "data": [1]})", R"({"table": "a.B", "bytes": ""})"}) {
      made.push_back(parse_json(json).value());
    }
    made.push_back({DynamicValue::Numbers{NumberType::kInt16, Buffer::copy_of(std::string_view("abcdef"))}});
    made.push_back({DynamicValue::Numbers{NumberType::kFloat16, Buffer::copy_of(std::string_view("ab"))}});
    return made;
  }();
  return list;
}

void check(const SignatureType& type, const FunctionSignature& signature) {
  const auto again = parse_signature("(" + type.text + ") -> void");
  require(again && again->parameters.size() == 1 && again->parameters[0].text == type.text &&
              again->parameters[0].kind == type.kind,
          "a type reads as itself");
  const FunctionSignature one{.parameters = {type}, .structs = signature.structs};
  for (const DynamicValue& value : values()) {
    ArgumentNotes notes;
    const auto mismatch = check_arguments(one, {value}, notes);
    require(!mismatch || (!mismatch->expected.empty() && !mismatch->found.empty()), "a mismatch says what it is");
  }
}

}  // namespace
}  // namespace onward::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t bytes) {
  using namespace onward;
  std::vector<std::string> lines(1);
  for (const char c : std::string_view(reinterpret_cast<const char*>(data), bytes)) {
    if (c == '\n') {
      lines.emplace_back();
    } else {
      lines.back() += c;
    }
  }
  const auto signature = parse_signature(lines.front(), std::span(lines).subspan(1));
  if (!signature) return 0;
  static_cast<void>(signature->parameter_structs());
  for (const SignatureType& parameter : signature->parameters) fuzz::check(parameter, *signature);
  for (const auto& [name, members] : signature->structs) {
    for (const auto& [member, type] : members) fuzz::check(type, *signature);
  }
  return 0;
}
