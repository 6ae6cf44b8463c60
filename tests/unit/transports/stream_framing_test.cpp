// SPDX-License-Identifier: Apache-2.0
//
// The framing alone, on streams in memory: what is copied, what is not, and streams that move bytes in
// the most awkward portions.
#include <gtest/gtest.h>

#include <random>

#include "fake_stream.h"
#include "onward/sanitizers.h"
#include "onward/stream/frame_reader.h"
#include "onward/stream/frame_writer.h"

namespace onward {
namespace {

using Outcome = IoResult::Outcome;

Buffer filled(std::size_t bytes, unsigned char value) {
  Buffer buffer = Buffer::allocate(bytes);
  if (bytes > 0) std::memset(buffer.mutable_data(), value, bytes);
  return buffer;
}

Message make_request(std::uint64_t id, std::size_t body_bytes, const std::vector<std::size_t>& segments = {}) {
  Message message;
  message.header.call_id = id;
  message.payload.body = filled(body_bytes, static_cast<unsigned char>(id));
  for (const std::size_t bytes : segments) {
    message.payload.segments.push_back(filled(bytes, static_cast<unsigned char>(id + 1)));
  }
  return message;
}

Message make_hello() {
  Message message = make_request(0, 0);
  message.header.kind = MessageKind::kHello;
  message.header.function_id = MessageHeader::kMagic;
  return message;
}

// What a message looks like, to compare.
struct Seen {
  std::uint64_t id = 0;
  std::string body = {};
  std::vector<std::string> segments = {};
  friend bool operator==(const Seen&, const Seen&) = default;
};

Seen seen(const Message& message) {
  Seen result{.id = message.header.call_id, .body = std::string(message.payload.body.text())};
  for (const Buffer& segment : message.payload.segments) {
    result.segments.emplace_back(segment.text());
  }
  return result;
}

class Sink final : public ConnectionEvents {
 public:
  std::vector<Seen> messages;
  std::vector<Buffer> kept;
  bool keep = false;
  std::function<void(InboundMessage&)> hook;

 private:
  void on_message(InboundMessage& message) override {
    if (message.header.kind == MessageKind::kHello) return;
    Seen now{.id = message.header.call_id,
             .body = std::string(reinterpret_cast<const char*>(message.body.data()), message.body.size())};
    for (const Buffer& segment : message.segments) now.segments.emplace_back(segment.text());
    messages.push_back(std::move(now));
    if (keep) kept.push_back(message.retain(message.body));
    if (hook) hook(message);
  }
  void on_closed(const Status& /*reason*/) override {}
};

class StreamFraming : public testing::Test {
 protected:
  // The bytes of a message go behind the stream's input.
  void arrive(Message message) {
    FakeStream sender;
    FrameWriter single;
    single.append(std::move(message));
    while (!single.empty()) ASSERT_EQ(single.write(sender).outcome, Outcome::kDone);
    stream.input += sender.output;
  }
  void read_all() {
    while (stream.read_at < stream.input.size()) {
      const IoResult result = reader.read(stream, sink);
      ASSERT_NE(result.outcome, Outcome::kFailed) << result.error.to_string();
    }
  }
  void write_all() {
    for (int i = 0; !writer.empty(); ++i) {
      ASSERT_LT(i, 10'000'000);
      ASSERT_NE(writer.write(stream).outcome, Outcome::kFailed);
    }
  }
  // Bytes that were read to other places than [from, from + bytes).
  static std::size_t read_elsewhere(const std::vector<std::vector<iovec>>& reads, const std::byte* from,
                                    std::size_t bytes) {
    std::size_t elsewhere = 0;
    for (const auto& spans : reads) {
      for (const iovec& span : spans) {
        const auto* at = static_cast<const std::byte*>(span.iov_base);
        if (at < from || at >= from + bytes) elsewhere += span.iov_len;
      }
    }
    return elsewhere;
  }

  FakeStream stream;
  FrameReader reader{MessageLimits{}};
  FrameWriter writer;
  Sink sink;
};

TEST_F(StreamFraming, OneReadDeliversManyMessagesWhereTheyArrived) {
  arrive(make_hello());
  for (std::uint64_t id = 1; id <= 300; ++id) arrive(make_request(id, 100));
  const std::byte* block = nullptr;
  sink.hook = [&](InboundMessage& message) {
    if (block == nullptr) block = message.storage->data();
    EXPECT_EQ(message.storage->data(), block);
    EXPECT_GE(message.body.data(), block);
  };
  EXPECT_EQ(reader.read(stream, sink).outcome, Outcome::kDone);
  EXPECT_EQ(sink.messages.size(), 300U);
  EXPECT_EQ(stream.reads.size(), 1U);
}

TEST_F(StreamFraming, AChunkThatNobodyHoldsIsGivenBack) {
  const std::size_t before = buffer_pool_statistics().in_use_bytes;
  arrive(make_hello());
  arrive(make_request(1, 100));
  read_all();
  EXPECT_EQ(buffer_pool_statistics().in_use_bytes, before);
}

TEST_F(StreamFraming, AChunkIsFilledUpThoughPartsOfItAreHeld) {
  constexpr std::size_t kMessages = 1000;
  const std::size_t before = buffer_pool_statistics().in_use_bytes;
  sink.keep = true;
  arrive(make_hello());
  for (std::uint64_t id = 1; id <= kMessages; ++id) {
    arrive(make_request(id, 96));
    read_all();
  }
  for (std::uint64_t id = 1; id <= kMessages; ++id) {
    EXPECT_EQ(sink.kept[id - 1].text(), std::string(96, static_cast<char>(id)));
  }
  // 128 bytes each: not a chunk each, but three chunks for all of them.
  EXPECT_LE(buffer_pool_statistics().in_use_bytes, before + 3 * (std::size_t{64} << 10));
}

TEST_F(StreamFraming, LargeSegmentsAreReadInPlace) {
  constexpr std::size_t kBytes = std::size_t{3} << 20;
  arrive(make_hello());
  arrive(make_request(1, 20, {kBytes}));
  arrive(make_request(2, 20, {kBytes}));
  arrive(make_request(3, 20));
  std::vector<std::size_t> elsewhere;
  sink.hook = [&](InboundMessage& message) {
    if (message.segments.empty()) return;
    const Buffer& segment = message.segments[0];
    EXPECT_TRUE(segment.unique());
    elsewhere.push_back(read_elsewhere(stream.reads, segment.data(), kBytes));
    stream.reads.clear();
  };
  read_all();
  ASSERT_EQ(sink.messages.size(), 3U);
  // The first came unexpected: a chunk of it was copied. Of the second, hardly anything was.
  EXPECT_LE(elsewhere[0], FrameReader::kChunkBytes + 5000);
  EXPECT_LE(elsewhere[1], 3 * 5000U);
  // Nor of one that comes alone, later.
  arrive(make_request(4, 20, {kBytes}));
  stream.reads.clear();
  read_all();
  EXPECT_LE(elsewhere[2], 3 * 5000U);
}

TEST_F(StreamFraming, SmallMessagesComeAlongWithALargeOne) {
  arrive(make_hello());
  arrive(make_request(1, 20, {200'000}));
  for (std::uint64_t id = 2; id <= 20; ++id) arrive(make_request(id, 20));
  read_all();
  EXPECT_EQ(sink.messages.size(), 20U);
  EXPECT_LE(stream.reads.size(), 2U);
}

TEST_F(StreamFraming, ReadsAndWritesAreBounded) {
  arrive(make_hello());
  arrive(make_request(1, 20, {std::size_t{5} << 20, 100'000}));
  read_all();
  EXPECT_EQ(sink.messages.size(), 1U);
  for (const auto& spans : stream.reads) {
    EXPECT_LE(FakeStream::total(spans), FrameReader::kMaxReadBytes + 5000);
  }
  writer.append(make_request(1, 20, {std::size_t{5} << 20, 100'000}));
  writer.append(make_request(2, 20, std::vector<std::size_t>(255, 5000)));
  write_all();
  for (const auto& spans : stream.writes) {
    EXPECT_LE(FakeStream::total(spans), FrameWriter::kMaxWriteBytes);
    EXPECT_LE(spans.size(), 64U);
  }
}

TEST_F(StreamFraming, StopHoldsMessagesBack) {
  arrive(make_hello());
  for (std::uint64_t id = 1; id <= 5; ++id) arrive(make_request(id, 20));
  sink.hook = [this](InboundMessage& message) {
    if (message.header.call_id != 5) reader.stop();
  };
  ASSERT_EQ(reader.read(stream, sink).outcome, Outcome::kDone);
  EXPECT_EQ(sink.messages.size(), 1U);
  EXPECT_TRUE(reader.holds_back());
  // By deliver(), and by read().
  reader.restart();
  ASSERT_EQ(reader.deliver(sink).outcome, Outcome::kDone);
  EXPECT_EQ(sink.messages.size(), 2U);
  for (std::size_t expected = 3; expected <= 5; ++expected) {
    reader.restart();
    ASSERT_NE(reader.read(stream, sink).outcome, Outcome::kFailed);
    EXPECT_EQ(sink.messages.size(), expected);
  }
  EXPECT_FALSE(reader.holds_back());
}

// A consumer that takes one message at a time out of a full chunk: read() must not take "no room" for
// the end of the stream.
TEST_F(StreamFraming, AFullChunkIsHeldBackAsWell) {
  arrive(make_hello());
  for (std::uint64_t id = 1; id <= 2000; ++id) arrive(make_request(id, 64));
  sink.hook = [this](InboundMessage&) { reader.stop(); };
  for (std::size_t i = 1; i <= 2000; ++i) {
    const IoResult result = reader.read(stream, sink);
    ASSERT_EQ(result.outcome, Outcome::kDone);
    ASSERT_EQ(sink.messages.size(), i);
    reader.restart();
  }
}

TEST_F(StreamFraming, IncompleteSaysWhatIsMissing) {
  arrive(make_hello());
  read_all();
  EXPECT_EQ(reader.incomplete(), "");
  arrive(make_request(1, 100));
  const std::string frame = stream.input.substr(stream.read_at);
  stream.input.resize(stream.read_at + 10);
  read_all();
  EXPECT_EQ(reader.incomplete(), "10 of at least 32 bytes of a message had arrived");
  stream.input += frame.substr(10, 50);
  read_all();
  EXPECT_EQ(reader.incomplete(), "60 of 136 bytes of a message had arrived");
  stream.input += frame.substr(60);
  read_all();
  EXPECT_EQ(reader.incomplete(), "");
}

TEST_F(StreamFraming, MemoryThatIsNotThereClosesTheConnectionOnly) {
  if (kSanitized) GTEST_SKIP() << "a sanitizer ends the program instead of throwing bad_alloc";
  FrameReader generous({.max_message_bytes = ~std::uint64_t{0} >> 1U});
  arrive(make_hello());
  Message message = make_request(1, 0, {8});
  arrive(std::move(message));
  const std::uint64_t length = std::uint64_t{1} << 62U;
  std::memcpy(stream.input.data() + 64, &length, sizeof length);
  const IoResult result = generous.read(stream, sink);
  ASSERT_EQ(result.outcome, Outcome::kFailed);
  EXPECT_EQ(result.error.code(), StatusCode::kResourceExhausted);
}

TEST_F(StreamFraming, SmallMessagesLeaveInOneSpanAndTheirBuffersAtOnce) {
  int released = 0;
  const std::string body(100, 'x');
  for (std::uint64_t id = 1; id <= 100; ++id) {
    Message message = make_request(id, 0);
    message.payload.body = Buffer::wrap(std::as_bytes(std::span(body)), [&released] { ++released; });
    writer.append(std::move(message));
  }
  EXPECT_EQ(released, 100);
  ASSERT_EQ(writer.write(stream).outcome, Outcome::kDone);
  EXPECT_TRUE(writer.empty());
  ASSERT_EQ(stream.writes.size(), 1U);
  EXPECT_EQ(stream.writes[0].size(), 1U);
}

TEST_F(StreamFraming, LargePartsAreWrittenFromWhereTheyAre) {
  for (const std::size_t bytes : {FrameWriter::kCopyBytes, FrameWriter::kCopyBytes + 1}) {
    int released = 0;
    const std::string part(bytes, 'x');
    const auto wrap = [&] { return Buffer::wrap(std::as_bytes(std::span(part)), [&released] { ++released; }); };
    {
      Message message = make_request(1, 0);
      message.payload.body = wrap();
      message.payload.segments.push_back(wrap());
      writer.append(std::move(message));
    }
    stream.writes.clear();
    write_all();
    std::size_t in_place = 0;
    for (const auto& spans : stream.writes) {
      for (const iovec& span : spans) in_place += span.iov_base == part.data() ? 1U : 0U;
    }
    EXPECT_EQ(in_place, bytes > FrameWriter::kCopyBytes ? 2U : 0U);
    EXPECT_EQ(released, 2);
  }
}

TEST_F(StreamFraming, WhatIsWrittenIsReleasedBeforeTheRest) {
  int released = 0;
  const std::string part(10'000, 'x');
  for (int i = 0; i < 10; ++i) {
    Message message = make_request(1, 8);
    message.payload.segments.push_back(Buffer::wrap(std::as_bytes(std::span(part)), [&released] { ++released; }));
    writer.append(std::move(message));
  }
  const std::size_t queued = writer.queued_bytes();
  EXPECT_EQ(queued, 10 * (32 + 8 + 8 + 10'000U));
  stream.allowed = [](std::size_t) { return std::size_t{25'000}; };
  EXPECT_EQ(writer.write(stream).outcome, Outcome::kWantWrite);
  EXPECT_EQ(released, 2);
  EXPECT_EQ(writer.queued_bytes(), queued - 25'000);
  writer.clear();
  EXPECT_EQ(released, 10);
  EXPECT_TRUE(writer.empty());
}

// Everything at once, in portions that a seed decides: whatever is sent, the same arrives.
class RandomPortions : public StreamFraming, public testing::WithParamInterface<unsigned> {};

TEST_P(RandomPortions, WhatIsSentArrives) {
  std::mt19937 random(GetParam());
  const auto below = [&random](std::size_t limit) { return random() % limit; };
  // Powers of two and their neighbours more often than they would come.
  const auto size = [&]() -> std::size_t {
    const std::size_t power = std::size_t{1} << below(18);
    return below(3) == 0 ? power - below(3) % power : below(power);
  };
  const std::size_t most = std::size_t{64} << below(14);
  stream.allowed = [&](std::size_t asked) { return below(5) == 0 ? 0 : 1 + below(std::min(asked, most)); };
  std::vector<Seen> sent;
  writer.append(make_hello());
  for (std::uint64_t id = 1; id <= 150; ++id) {
    std::vector<std::size_t> segments;
    if (below(4) == 0) {
      segments.resize(below(6));
      for (std::size_t& bytes : segments) bytes = size();
    }
    Message message = make_request(id, size() / 4, segments);
    sent.push_back(seen(message));
    writer.append(std::move(message));
    if (below(3) == 0) write_all();
  }
  write_all();
  stream.input = stream.output;
  sink.keep = below(2) == 0;
  sink.hook = [&](InboundMessage&) {
    if (below(10) == 0) reader.stop();
  };
  for (int i = 0; sink.messages.size() < sent.size(); ++i) {
    ASSERT_LT(i, 10'000'000);
    const IoResult result = reader.read(stream, sink);
    ASSERT_NE(result.outcome, Outcome::kFailed) << result.error.to_string();
    reader.restart();
  }
  EXPECT_TRUE(sink.messages == sent);
  for (std::size_t i = 0; i < sink.kept.size(); ++i) EXPECT_EQ(sink.kept[i].text(), sent[i].body);
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomPortions, testing::Range(0U, 40U));

TEST_F(StreamFraming, OneByteAtATime) {
  stream.allowed = [](std::size_t) { return std::size_t{1}; };
  std::vector<Seen> sent;
  writer.append(make_hello());
  for (std::uint64_t id = 1; id <= 20; ++id) {
    Message message = make_request(id, id * 13, {id, 0, 5000 + id});
    sent.push_back(seen(message));
    writer.append(std::move(message));
  }
  write_all();
  stream.input = stream.output;
  read_all();
  EXPECT_TRUE(sink.messages == sent);
}

}  // namespace
}  // namespace onward
