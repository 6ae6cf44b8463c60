// SPDX-License-Identifier: Apache-2.0
//
// The bytes of the wire stay what they are: each message of golden_frames.cpp is written by the code that
// nodes use, compared with its .hex file, and read back from there.
//
// A frame that is added needs its file: ONWARD_WRITE_GOLDEN=1 in the environment writes all of them, and
// fails, so that nothing is rewritten unseen. A file that changes is a change of the protocol: old nodes
// must still be understood, or refused by version.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "golden_file.h"
#include "golden_frames.h"
#include "onward/stream/frame_reader.h"
#include "onward/stream/frame_writer.h"

namespace onward::testing_support {
namespace {

std::string path_of(const std::string& name) { return std::string(ONWARD_GOLDEN_FOLDER) + "/" + name + ".hex"; }

// A stream that gives and takes at most `step` bytes at a time.
class MemoryStream final : public ByteStream {
 public:
  explicit MemoryStream(std::size_t step) : step_(step) {}

  std::vector<std::byte> input;
  std::vector<std::byte> output;

  [[nodiscard]] std::unique_ptr<StreamWatcher> watch(EventLoop&, void*, IoWatcher::Callback,
                                                     IoWatcher::Callback) override {
    return nullptr;
  }
  [[nodiscard]] IoResult read(std::span<const iovec> into) override {
    if (read_ == input.size()) return {.outcome = IoResult::Outcome::kWantRead};
    std::size_t left = std::min(step_, input.size() - read_);
    const std::size_t before = read_;
    for (const iovec& part : into) {
      const std::size_t some = std::min(left, part.iov_len);
      if (some > 0) std::memcpy(part.iov_base, input.data() + read_, some);
      read_ += some;
      left -= some;
    }
    return {.bytes = read_ - before};
  }
  [[nodiscard]] IoResult write(std::span<const iovec> from) override {
    std::size_t left = step_;
    const std::size_t before = output.size();
    for (const iovec& part : from) {
      const auto* data = static_cast<const std::byte*>(part.iov_base);
      const std::size_t some = std::min(left, part.iov_len);
      output.insert(output.end(), data, data + some);
      left -= some;
    }
    return {.bytes = output.size() - before};
  }
  void end_output() noexcept override {}

 private:
  std::size_t step_;
  std::size_t read_ = 0;
};

std::vector<std::byte> write_frame(Message message) {
  FrameWriter writer;
  MemoryStream stream(std::size_t{1} << 20);
  writer.append(std::move(message));
  while (!writer.empty()) EXPECT_EQ(writer.write(stream).outcome, IoResult::Outcome::kDone);
  return stream.output;
}

std::vector<std::byte> golden(const std::string& name) { return parse_golden(read_text(path_of(name))); }

// Hands the last message, behind an opening HELLO, to a check.
class Recorder final : public ConnectionEvents {
 public:
  explicit Recorder(const GoldenFrame& frame, int wanted) : frame_(frame), wanted_(wanted) {}
  int count = 0;

 private:
  void on_message(InboundMessage& message) override {
    if (++count == wanted_) frame_.check(message);
  }
  void on_closed(const Status&) override {}
  const GoldenFrame& frame_;
  int wanted_;
};

// Reads the golden file of `frame`, `step` bytes at a time.
void read_back(const GoldenFrame& frame, std::size_t step) {
  const bool opening = frame.name == "hello";
  MemoryStream stream(step);
  stream.input = golden("hello");
  if (!opening) std::ranges::copy(golden(frame.name), std::back_inserter(stream.input));
  FrameReader reader(MessageLimits{});
  const int wanted = opening ? 1 : 2;
  Recorder recorder(frame, wanted);
  IoResult result;
  while ((result = reader.read(stream, recorder)).outcome == IoResult::Outcome::kDone) {
  }
  EXPECT_EQ(result.outcome, IoResult::Outcome::kWantRead) << result.error.to_string();
  EXPECT_EQ(recorder.count, wanted);
  EXPECT_EQ(reader.incomplete(), "");
}

class WireGolden : public testing::TestWithParam<GoldenFrame> {};

TEST_P(WireGolden, IsWritten) {
  const std::vector<std::byte> frame = write_frame(GetParam().build());
  if (std::getenv("ONWARD_WRITE_GOLDEN") != nullptr) {
    write_text(path_of(GetParam().name), annotate_frame(GetParam().title, frame));
    FAIL() << "wrote " << path_of(GetParam().name)
           << ": look at the difference, then run this again without ONWARD_WRITE_GOLDEN";
  }
  EXPECT_EQ(first_difference(golden(GetParam().name), frame), "");
}

TEST_P(WireGolden, IsReadBack) { read_back(GetParam(), std::size_t{1} << 20); }

TEST_P(WireGolden, IsReadBackByteByByte) { read_back(GetParam(), 1); }

std::string name_of(const testing::TestParamInfo<GoldenFrame>& frame) { return frame.param.name; }

INSTANTIATE_TEST_SUITE_P(Frames, WireGolden, testing::ValuesIn(golden_frames()), name_of);

TEST(WireGoldenFolder, HasNoFileThatNobodyChecks) {
  std::vector<std::string> known;
  for (const GoldenFrame& frame : golden_frames()) known.push_back(frame.name + ".hex");
  for (const auto& entry : std::filesystem::directory_iterator(ONWARD_GOLDEN_FOLDER)) {
    if (entry.path().extension() != ".hex") continue;
    EXPECT_NE(std::ranges::find(known, entry.path().filename().string()), known.end()) << entry.path();
  }
}

TEST(GoldenFile, ParsesBytesRunsAndComments) {
  const std::vector<std::byte> bytes = parse_golden("# a comment\n01 ab*3  # more\n\nff\n");
  EXPECT_EQ(bytes,
            (std::vector<std::byte>{std::byte{1}, std::byte{0xAB}, std::byte{0xAB}, std::byte{0xAB}, std::byte{0xFF}}));
  EXPECT_THROW(static_cast<void>(parse_golden("0")), std::invalid_argument);
  EXPECT_THROW(static_cast<void>(parse_golden("0102")), std::invalid_argument);
  EXPECT_THROW(static_cast<void>(parse_golden("zz")), std::invalid_argument);
}

}  // namespace
}  // namespace onward::testing_support
