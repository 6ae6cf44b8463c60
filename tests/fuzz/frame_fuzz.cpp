// SPDX-License-Identifier: Apache-2.0
//
// FrameReader on any bytes in any pieces: it delivers what a straightforward parser finds in the whole, refuses what
// that refuses, and what FrameWriter makes of the messages reads the same.
//
//   byte 0     bits 0 to 3: how many sizes follow; then as the flags below
//   byte 1     how often the frames come again
//   sizes      of the pieces that the stream moves, in turn; none: as much as it is asked for
//   the rest   frames
#include <algorithm>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "../unit/transports/fake_stream.h"
#include "fuzz_input.h"
#include "onward/stream/frame_reader.h"
#include "onward/stream/frame_writer.h"

namespace onward::fuzz {
namespace {

constexpr std::uint8_t kSizes = 0x0F;
constexpr std::uint8_t kStopFlag = 0x10;   // the reader is stopped in each callback, and restarted later
constexpr std::uint8_t kKeepFlag = 0x20;   // bodies are kept, so that chunks are shared
constexpr std::uint8_t kEndFlag = 0x40;    // behind the last byte comes the end
constexpr std::uint8_t kHelloFlag = 0x80;  // a HELLO without a body comes first
constexpr std::uint8_t kRepeats = 0x3F;

// Above FrameReader::kChunkBytes, so that frames lie across its end; less when it comes in small pieces, for speed.
constexpr std::size_t kMaxStreamBytes = std::size_t{72} << 10;
constexpr std::size_t kMaxPieces = 256;
constexpr MessageLimits kLimits{.max_body_bytes = 32U << 10, .max_message_bytes = 64U << 10};

// A frame as it lies in the input.
struct Frame {
  MessageHeader header;
  std::string_view body;
  std::vector<std::string_view> segments;
};

// The specification, docs/WIRE.md, on bytes that are all there.
class Model {
 public:
  explicit Model(std::string_view input) : input_(input) {}

  // Nothing at the end, in an incomplete frame, or at a broken one.
  std::optional<Frame> next() {
    const std::string_view rest = input_.substr(at_);
    if (broken_ || rest.empty()) return std::nullopt;
    if (at_ == 0 && !check_first_bytes(std::as_bytes(std::span(rest))).ok()) return break_off();
    if (rest.size() < kHeaderBytes) return std::nullopt;
    Frame frame;
    std::memcpy(&frame.header, rest.data(), kHeaderBytes);
    const auto kind = static_cast<unsigned>(frame.header.kind);
    const bool has_context = frame.header.flags == 1 && kind == 5 && frame.header.segment_count > 0;
    if (kind < 1 || kind > 8 || (frame.header.flags != 0 && !has_context)) return break_off();
    if (frame.header.body_bytes > kLimits.max_body_bytes) return break_off();
    const std::size_t head_bytes = kHeaderBytes + frame.header.segment_count * kSegmentLengthBytes;
    if (rest.size() < head_bytes) return std::nullopt;
    return with_payload(std::move(frame), rest, head_bytes);
  }

  [[nodiscard]] bool broken() const { return broken_; }

 private:
  std::nullopt_t break_off() {
    broken_ = true;
    return std::nullopt;
  }

  std::optional<Frame> with_payload(Frame frame, std::string_view rest, std::size_t head_bytes) {
    std::vector<std::uint64_t> lengths(frame.header.segment_count);
    if (!lengths.empty()) std::memcpy(lengths.data(), rest.data() + kHeaderBytes, head_bytes - kHeaderBytes);
    std::uint64_t payload_bytes = frame.header.body_bytes;
    for (const std::uint64_t length : lengths) {
      if (length > kLimits.max_message_bytes - payload_bytes) return break_off();
      payload_bytes += length;
    }
    const std::size_t frame_bytes = padded(head_bytes + payload_bytes);
    if (rest.size() < frame_bytes) return std::nullopt;
    std::size_t from = head_bytes;
    const auto take = [&](std::uint64_t bytes) {
      from += bytes;
      return rest.substr(from - bytes, bytes);
    };
    frame.body = take(frame.header.body_bytes);
    for (const std::uint64_t length : lengths) frame.segments.push_back(take(length));
    at_ += frame_bytes;
    return frame;
  }

  std::string_view input_;
  std::size_t at_ = 0;
  bool broken_ = false;
};

bool same(std::span<const std::byte> bytes, std::string_view text) {
  return std::ranges::equal(bytes, std::as_bytes(std::span(text)));
}

// Compares each message with the model's, and writes it again.
class Checker final : public ConnectionEvents {
 public:
  Checker(FrameReader& reader, std::string_view input, std::uint8_t flags)
      : reader_(reader), model_(input), flags_(flags) {}

  void on_message(InboundMessage& message) override {
    require(!stopped_, "nothing is delivered after stop()");
    const std::optional<Frame> frame = model_.next();
    require(frame.has_value(), "a message is delivered only if there is a whole frame");
    require(std::memcmp(&message.header, &frame->header, sizeof frame->header) == 0, "the header is the frame's");
    require(same(message.body, frame->body), "the body is the frame's");
    require((message.storage == nullptr) == message.body.empty(), "a body has storage");
    require(message.segments.size() == frame->segments.size(), "the segments are as many as the frame's");
    for (std::size_t i = 0; i < message.segments.size(); ++i) {
      require(same(message.segments[i].bytes(), frame->segments[i]), "a segment is the frame's");
    }
    Buffer body = message.retain(message.body);
    require(same(body.bytes(), frame->body), "the body lies in its storage");
    if ((flags_ & kKeepFlag) != 0) kept_.push_back(body);
    std::vector<Buffer> segments(message.segments.begin(), message.segments.end());
    writer.append({.header = message.header, .payload = {.body = std::move(body), .segments = std::move(segments)}});
    if ((flags_ & kStopFlag) == 0) return;
    stopped_ = true;
    reader_.stop();
  }
  void on_closed(const Status&) override {}

  [[nodiscard]] bool stopped() const { return stopped_; }
  void restart() {
    if (!stopped_) return;
    stopped_ = false;
    reader_.restart();
  }

  // When the reader will deliver no more.
  void at_end(bool failed) {
    require(!model_.next().has_value(), "every whole frame is delivered");
    require(failed == model_.broken(), "what is broken is refused, and nothing else");
  }

  FrameWriter writer;

 private:
  FrameReader& reader_;
  Model model_;
  std::uint8_t flags_;
  bool stopped_ = false;
  std::vector<Buffer> kept_;
};

// The sizes of pieces, over and over.
class Pieces {
 public:
  explicit Pieces(std::vector<std::uint8_t> sizes) : sizes_(std::move(sizes)) {}

  // 0: not now, which never comes twice in a row.
  std::size_t next(std::size_t asked) {
    if (sizes_.empty()) return asked;
    const std::size_t size = sizes_[at_++ % sizes_.size()];
    waited_ = size == 0 && !waited_;
    return waited_ ? 0 : std::min(asked, bytes_of(size));
  }

  // That kMaxPieces move.
  [[nodiscard]] std::size_t stream_bytes() const {
    if (sizes_.empty()) return kMaxStreamBytes;
    std::size_t bytes = 0;
    for (const std::size_t size : sizes_) bytes += bytes_of(size);
    return std::min(kMaxStreamBytes, bytes * kMaxPieces / sizes_.size());
  }

 private:
  static std::size_t bytes_of(std::size_t size) { return size < 128 ? size + 1 : (size - 127) * 512; }

  std::vector<std::uint8_t> sizes_;
  std::size_t at_ = 0;
  bool waited_ = false;
};

// Reads `input` to its end, or to where it is broken. Returns all messages, written again.
std::string read_all(const std::string& input, std::uint8_t flags, Pieces pieces) {
  FakeStream stream;
  stream.input = input;
  stream.ended = (flags & kEndFlag) != 0;
  stream.allowed = [&](std::size_t asked) { return pieces.next(asked); };
  FrameReader reader(kLimits);
  Checker checker(reader, input, flags);
  bool failed = false;
  while (!failed) {
    const bool exhausted = stream.read_at == input.size();
    const IoResult result = reader.read(stream, checker);
    failed = result.outcome == IoResult::Outcome::kFailed;
    require(!failed || !result.error.ok(), "a failure says why");
    if (!checker.stopped() && exhausted && !reader.holds_back()) break;
    // What is read meanwhile is held back.
    if (checker.stopped() && !failed) static_cast<void>(reader.read(stream, checker));
    checker.restart();
  }
  checker.at_end(failed);

  FakeStream written;
  written.allowed = stream.allowed;
  while (!checker.writer.empty()) static_cast<void>(checker.writer.write(written));
  return written.output;
}

// The frames once, and again while there is room.
std::string stream_of(std::uint8_t flags, std::size_t repeats, std::size_t most, std::span<const std::byte> frames) {
  std::string input;
  if ((flags & kHelloFlag) != 0) {
    const MessageHeader hello{.kind = MessageKind::kHello, .function_id = MessageHeader::kMagic};
    input.assign(reinterpret_cast<const char*>(&hello), sizeof hello);
  }
  const std::string_view text(reinterpret_cast<const char*>(frames.data()), frames.size());
  input += text;
  for (std::size_t i = 0; i < repeats && input.size() + text.size() <= most; ++i) input += text;
  return input;
}

}  // namespace
}  // namespace onward::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t bytes) {
  using namespace onward::fuzz;
  FuzzInput input(data, bytes);
  const std::uint8_t flags = input.byte();
  const std::size_t repeats = input.byte() & kRepeats;
  std::vector<std::uint8_t> sizes(flags & kSizes);
  for (std::uint8_t& size : sizes) size = input.byte();
  const Pieces pieces(sizes);
  const std::string stream = stream_of(flags, repeats, pieces.stream_bytes(), input.rest());
  const std::string written = read_all(stream, flags, pieces);
  require(read_all(written, 0, Pieces({})) == written, "what is written reads the same");
  return 0;
}
