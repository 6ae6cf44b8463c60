// SPDX-License-Identifier: Apache-2.0
#include "golden_file.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>

#include "onward/message.h"
#include "onward/stream/frame.h"

namespace onward::testing_support {
namespace {

constexpr std::size_t kBytesPerLine = 16;
// A run of one byte that is at least this long is written as xx*N.
constexpr std::size_t kMinRun = 32;
constexpr std::size_t kCommentColumn = 50;

std::string hex(std::byte byte) {
  constexpr char kDigits[] = "0123456789abcdef";
  const auto value = std::to_integer<unsigned>(byte);
  return {kDigits[value >> 4U], kDigits[value & 15U]};
}

template <class Number>
bool parse_number(std::string_view text, Number& out, int base) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out, base);
  return error == std::errc() && end == text.data() + text.size();
}

void parse_word(const std::string& word, std::vector<std::byte>& out) {
  std::uint8_t byte = 0;
  std::size_t count = 1;
  if (word.size() < 2 || !parse_number(std::string_view(word).substr(0, 2), byte, 16))
    throw std::invalid_argument(word);
  if (word.size() > 2 && (word[2] != '*' || !parse_number(std::string_view(word).substr(3), count, 10))) {
    throw std::invalid_argument(word);
  }
  out.insert(out.end(), count, static_cast<std::byte>(byte));
}

// Lines of bytes with a comment behind each.
class Lines {
 public:
  explicit Lines(std::string title) : text_(std::move(title)) {}

  void heading(const std::string& what) { text_ += "\n# " + what + "\n"; }
  void field(std::span<const std::byte> bytes, const std::string& name) {
    std::string line;
    for (const std::byte byte : bytes) line += (line.empty() ? "" : " ") + hex(byte);
    put(line, bytes.size(), name);
  }
  // Sixteen a line, with the characters that they are.
  void dump(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      const auto run = static_cast<std::size_t>(
          std::ranges::find_if(bytes, [&](std::byte byte) { return byte != bytes.front(); }) - bytes.begin());
      if (run >= kMinRun) {
        put(hex(bytes.front()) + "*" + std::to_string(run), run, "");
        bytes = bytes.subspan(run);
        continue;
      }
      const std::size_t some = std::min(bytes.size(), kBytesPerLine);
      std::string shown;
      for (const std::byte byte : bytes.first(some)) {
        const char c = static_cast<char>(byte);
        shown += c >= ' ' && c <= '~' ? c : '.';
      }
      field(bytes.first(some), shown);
      bytes = bytes.subspan(some);
    }
  }
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  void put(std::string line, std::size_t bytes, const std::string& comment) {
    line.resize(std::max(line.size() + 1, kCommentColumn), ' ');
    std::string offset = std::to_string(offset_);
    offset.resize(std::max<std::size_t>(offset.size(), 4), ' ');
    line += "# " + offset + " " + comment;
    line.erase(line.find_last_not_of(' ') + 1);
    text_ += line + "\n";
    offset_ += bytes;
  }
  std::string text_;
  std::size_t offset_ = 0;
};

std::string kind_name(MessageKind kind) {
  constexpr const char* kNames[] = {"?", "HELLO", "GOAWAY", "PING", "PONG", "REQUEST", "RESPONSE", "ERROR", "CANCEL"};
  return kNames[static_cast<std::size_t>(kind)];
}

}  // namespace

std::vector<std::byte> parse_golden(const std::string& text) {
  std::vector<std::byte> bytes;
  std::istringstream lines(text);
  std::string line;
  for (std::size_t number = 1; std::getline(lines, line); ++number) {
    std::istringstream words(line.substr(0, line.find('#')));
    std::string word;
    while (words >> word) {
      try {
        parse_word(word, bytes);
      } catch (const std::invalid_argument&) {
        throw std::invalid_argument("line " + std::to_string(number) + ": \"" + word + "\" is neither a byte nor xx*N");
      }
    }
  }
  return bytes;
}

std::string annotate_frame(const std::string& title, std::span<const std::byte> frame) {
  const MessageHeader header = load_header(frame.data());
  const auto at = [&](std::size_t offset, std::size_t bytes) { return frame.subspan(offset, bytes); };
  Lines lines(title);
  lines.heading("header");
  lines.field(at(0, 4), "body_bytes " + std::to_string(header.body_bytes));
  lines.field(at(4, 1), "kind " + kind_name(header.kind));
  lines.field(at(5, 1), "codec " + std::to_string(header.codec));
  lines.field(at(6, 1), "segment_count " + std::to_string(header.segment_count));
  lines.field(at(7, 1), "flags");
  lines.field(at(8, 8), "call_id " + std::to_string(header.call_id));
  lines.field(at(16, 8), header.kind == MessageKind::kHello ? "function_id: the magic \"ONWARD/1\"" : "function_id");
  lines.field(at(24, 4), header.timeout_ms == MessageHeader::kNoTimeout
                             ? "timeout_ms: none"
                             : "timeout_ms " + std::to_string(header.timeout_ms));
  lines.field(at(28, 4), "signature");
  std::size_t offset = kHeaderBytes;
  std::vector<std::uint64_t> lengths(header.segment_count);
  if (!lengths.empty()) lines.heading("segment lengths");
  for (std::uint64_t& length : lengths) {
    std::memcpy(&length, frame.data() + offset, kSegmentLengthBytes);
    lines.field(at(offset, kSegmentLengthBytes), std::to_string(length));
    offset += kSegmentLengthBytes;
  }
  if (header.body_bytes > 0) lines.heading("body");
  lines.dump(at(offset, header.body_bytes));
  offset += header.body_bytes;
  for (const std::uint64_t length : lengths) {
    lines.heading("segment");
    lines.dump(at(offset, length));
    offset += length;
  }
  if (offset < frame.size()) {
    lines.heading("padding");
    lines.field(frame.subspan(offset), "to a multiple of 8");
  }
  return lines.text();
}

std::string first_difference(std::span<const std::byte> expected, std::span<const std::byte> found) {
  const auto [a, b] = std::ranges::mismatch(expected, found);
  if (a == expected.end() && b == found.end()) return {};
  const auto show = [](auto at, auto end) { return at == end ? std::string("nothing") : hex(*at); };
  return "byte " + std::to_string(a - expected.begin()) + " is " + show(b, found.end()) + ", the file has " +
         show(a, expected.end()) + " (" + std::to_string(found.size()) + " bytes, the file has " +
         std::to_string(expected.size()) + ")";
}

std::string read_text(const std::string& path) {
  std::ifstream file(path);
  if (!file) throw std::invalid_argument("cannot read " + path);
  return {std::istreambuf_iterator<char>(file), {}};
}

void write_text(const std::string& path, const std::string& text) {
  std::ofstream file(path);
  if (!(file << text).flush()) throw std::invalid_argument("cannot write " + path);
}

}  // namespace onward::testing_support
