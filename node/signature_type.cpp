// SPDX-License-Identifier: Apache-2.0
#include "signature_type.h"

#include <array>
#include <charconv>
#include <optional>

namespace onward {
namespace {

using Kind = SignatureType::Kind;

// Takes types from the front of a text. After a failure, what it returns means nothing.
class TypeParser {
 public:
  explicit TypeParser(std::string_view text) : text_(text) {}

  [[nodiscard]] bool failed() const noexcept { return failed_; }
  [[nodiscard]] std::string_view rest() const noexcept { return text_.substr(at_); }
  // Passes over `token`; false if it does not come next.
  bool take(std::string_view token) {
    if (!rest().starts_with(token)) return false;
    at_ += token.size();
    return true;
  }
  void expect(std::string_view token) {
    if (!take(token)) failed_ = true;
  }
  // Up to `token`, which it passes over.
  std::string_view until(std::string_view token) {
    const std::string_view found = rest().substr(0, rest().find(token));
    at_ += found.size();
    expect(token);
    return found;
  }

  SignatureType type() {
    SignatureType found;
    if (depth_ == kMaxValueDepth) failed_ = true;
    if (failed_) return found;
    ++depth_;
    const std::size_t begin = at_;
    if (take("(")) {
      found.kind = Kind::kTuple;
      if (!take(")")) found.parts = types(")");
    } else if (!container(found)) {
      word(found);
    }
    found.text = text_.substr(begin, at_ - begin);
    --depth_;
    return found;
  }
  // One or more, with `end` behind the last.
  std::vector<SignatureType> types(std::string_view end) {
    std::vector<SignatureType> found;
    do found.push_back(type());
    while (!failed_ && take(", "));
    expect(end);
    return found;
  }

 private:
  bool container(SignatureType& out) {
    struct Container {
      std::string_view begin;
      Kind kind;
      std::size_t parts;
    };
    static constexpr std::array<Container, 4> kContainers = {{{"list<", Kind::kList, 1},
                                                              {"set<", Kind::kSet, 1},
                                                              {"optional<", Kind::kOptional, 1},
                                                              {"map<", Kind::kMap, 2}}};
    for (const auto& [begin, kind, parts] : kContainers) {
      if (!take(begin)) continue;
      out.kind = kind;
      out.parts = types(">");
      if (out.parts.size() != parts) failed_ = true;
      return true;
    }
    if (!take("array<")) return false;
    out.kind = take("byte, ") ? Kind::kByteArray : Kind::kArray;
    if (out.kind == Kind::kArray) {
      out.parts.push_back(type());
      expect(", ");
    }
    const std::string_view count = until(">");
    const auto [end, error] = std::from_chars(count.data(), count.data() + count.size(), out.count);
    if (error != std::errc() || end != count.data() + count.size()) failed_ = true;
    return true;
  }

  void word(SignatureType& out) {
    static const std::map<std::string_view, Kind> words = {
        {"string", Kind::kString}, {"bytes", Kind::kBytes}, {"duration", Kind::kDuration}, {"null", Kind::kNull},
        {"tensor", Kind::kTensor}, {"any", Kind::kAny},     {"table", Kind::kTable},
    };
    const std::string_view found = name();
    if (found.empty()) failed_ = true;
    out.name = found;
    if (const auto known = words.find(found); known != words.end()) out.kind = known->second;
    for (std::uint8_t i = 0; i < kNumberTypes; ++i) {
      if (found != to_string(static_cast<NumberType>(i))) continue;
      out.kind = Kind::kNumber;
      out.number = static_cast<NumberType>(i);
    }
    constexpr std::string_view kTable = "table ";
    if (found.starts_with(kTable)) out.kind = Kind::kTable;
    if (out.kind == Kind::kTable) out.name = found.substr(std::min(kTable.size(), found.size()));
  }

  // An author's name for a type may be anything; brackets in it come in pairs.
  std::string_view name() {
    const std::size_t begin = at_;
    std::size_t open = 0;
    for (; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (open == 0 && (c == ',' || c == '>' || c == ')' || c == '}')) break;
      if (c == '<' || c == '(') ++open;
      if (c == '>' || c == ')') --open;
    }
    return text_.substr(begin, at_ - begin);
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t depth_ = 0;
  bool failed_ = false;
};

void collect_structs(const FunctionSignature& signature, const SignatureType& type, std::set<std::string>& out) {
  for (const SignatureType& part : type.parts) collect_structs(signature, part, out);
  const auto known = signature.structs.find(type.text);
  if (known == signature.structs.end() || !out.insert(known->first).second) return;
  for (const auto& [name, member] : known->second) collect_structs(signature, member, out);
}

std::optional<FunctionSignature::Members> parse_members(TypeParser& parser) {
  FunctionSignature::Members members;
  if (!parser.take("}")) {
    do {
      const std::string_view name = parser.until(": ");
      members.emplace_back(name, parser.type());
    } while (!parser.failed() && parser.take(", "));
    parser.expect("}");
  }
  if (parser.failed() || !parser.rest().empty()) return std::nullopt;
  return members;
}

}  // namespace

std::set<std::string> FunctionSignature::parameter_structs() const {
  std::set<std::string> names;
  for (const SignatureType& parameter : parameters) collect_structs(*this, parameter, names);
  return names;
}

Result<FunctionSignature> parse_signature(std::string_view text, std::span<const std::string> structs) {
  FunctionSignature signature;
  TypeParser parser(text);
  parser.expect("(");
  if (!parser.take(")")) signature.parameters = parser.types(")");
  parser.expect(" -> ");
  if (parser.failed()) {
    return fail(StatusCode::kInvalidArgument,
                "\"" + std::string(text) + "\" is no signature: it begins like " + "\"(int32, string) -> bool\"");
  }
  std::set<std::string, std::less<>> seen;
  for (const std::string& one : structs) {
    TypeParser rest(one);
    std::string name(rest.until("{"));
    auto members = parse_members(rest);
    if (!seen.insert(name).second || !members) {
      signature.structs.erase(name);
    } else {
      signature.structs.emplace(std::move(name), *std::move(members));
    }
  }
  return signature;
}

}  // namespace onward
