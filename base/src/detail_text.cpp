// SPDX-License-Identifier: Apache-2.0
#include "detail_text.h"

#include <array>
#include <atomic>
#include <bit>
#include <charconv>
#include <cstdio>
#include <vector>

#include "onward/codec.h"

namespace onward {
namespace {

constexpr std::size_t kMaxText = 512;

std::atomic<const Codec*> printer_codec{nullptr};

class DetailText {
 public:
  explicit DetailText(Decoder& decoder) : decoder_(decoder) { value(); }
  [[nodiscard]] bool cut() const noexcept { return text_.size() > kMaxText; }
  [[nodiscard]] std::string take() {
    if (!cut()) return std::move(text_);
    std::size_t end = kMaxText;
    while (end > 0 && (static_cast<unsigned char>(text_[end]) & 0xC0U) == 0x80U) --end;  // whole characters
    return text_.substr(0, end) + "…";
  }

 private:
  void add(std::string_view text) {
    text_ += text;
    if (cut()) decoder_.fail(Status(StatusCode::kOutOfRange, "enough"));
  }
  template <class Number>
  void number(Number value) {
    std::array<char, 40> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
    add({digits.data(), static_cast<std::size_t>(end - digits.data())});
  }
  void quoted(std::string_view text) {
    std::string out = "\"";
    for (const char c : text.substr(0, kMaxText + 1)) {
      const auto byte = static_cast<unsigned char>(c);
      if (c == '"' || c == '\\') out += '\\';
      if (byte >= 0x20 && byte != 0x7F) {
        out += c;
        continue;
      }
      std::array<char, 8> escape{};
      std::snprintf(escape.data(), escape.size(), "\\x%02x", byte);
      out += escape.data();
    }
    add(out + "\"");
  }
  void size(const std::string& what, std::size_t bytes) { add("<" + what + std::to_string(bytes) + " bytes>"); }

  void numbers() {
    const NumberType type = decoder_.number_type();
    const bool real = type == NumberType::kFloat16 || type == NumberType::kBfloat16 || type >= NumberType::kFloat32;
    const std::size_t count = decoder_.begin_numbers();
    if (!decoder_.ok()) return;
    // As what holds each of them.
    const NumberType wide =
        real ? NumberType::kFloat64 : (type == NumberType::kUint64 ? NumberType::kUint64 : NumberType::kInt64);
    std::vector<std::uint64_t> bits(count);
    decoder_.numbers(wide, bits.data(), count);
    add("[");
    for (std::size_t i = 0; i < count && !cut(); ++i) {
      if (i > 0) add(", ");
      if (wide == NumberType::kFloat64) {
        number(std::bit_cast<double>(bits[i]));
      } else if (wide == NumberType::kUint64) {
        number(bits[i]);
      } else {
        number(static_cast<std::int64_t>(bits[i]));
      }
    }
    add("]");
  }
  void sequence() {
    const std::size_t count = decoder_.begin_sequence();
    add("[");
    for (std::size_t i = 0; i < count && decoder_.ok(); ++i) {
      if (i > 0) add(", ");
      value();
    }
    decoder_.end_sequence();
    add("]");
  }
  void map() {
    const std::size_t count = decoder_.begin_map();
    add("{");
    for (std::size_t i = 0; i < count && decoder_.ok(); ++i) {
      if (i > 0) add(", ");
      quoted(decoder_.key());
      add(": ");
      value();
    }
    decoder_.end_map();
    add("}");
  }
  void tensor() {
    const TensorValue value = decoder_.tensor();
    std::string shape;
    for (const std::uint64_t size : value.shape) shape += (shape.empty() ? "" : ", ") + std::to_string(size);
    add("<tensor " + std::string(to_string(value.type)) + " [" + shape + "]>");
  }

  void value() {
    switch (decoder_.peek()) {
      case ValueKind::kNull:
        decoder_.null();
        return add("null");
      case ValueKind::kBoolean:
        return add(decoder_.boolean() ? "true" : "false");
      case ValueKind::kInteger:
        return number(decoder_.integer());
      case ValueKind::kUnsigned:
        return number(decoder_.unsigned_integer());
      case ValueKind::kReal:
        return number(decoder_.real());
      case ValueKind::kString:
        return quoted(decoder_.string());
      case ValueKind::kBytes:
        return size("", decoder_.bytes_view().size());
      case ValueKind::kSequence:
        return sequence();
      case ValueKind::kMap:
        return map();
      case ValueKind::kNumbers:
        return numbers();
      case ValueKind::kTensor:
        return tensor();
      case ValueKind::kTable: {
        const std::string name(decoder_.table_name());
        return size("table " + name + (name.empty() ? "" : ", "), decoder_.table({}).size());
      }
    }
  }

  Decoder& decoder_;
  std::string text_;
};

}  // namespace

void set_detail_printer(const Codec& codec) noexcept { printer_codec.store(&codec, std::memory_order_release); }

std::string detail_text(const Buffer& bytes) {
  const Codec* codec = printer_codec.load(std::memory_order_acquire);
  std::string size = std::to_string(bytes.size()) + " bytes";
  if (codec == nullptr) return size;
  InboundMessage message{.header = {}, .body = bytes.bytes(), .storage = &bytes};
  std::string text;
  bool cut = false;
  const Status decoded = codec->decode(message, [&](Decoder& decoder) {
    DetailText printed(decoder);
    cut = printed.cut();
    text = printed.take();
  });
  return decoded.ok() || cut ? text : size + " that cannot be read: " + decoded.message();
}

}  // namespace onward
