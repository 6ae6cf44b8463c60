// SPDX-License-Identifier: Apache-2.0
//
// StreamConnection over streams that misbehave as TLS and slow networks do: a byte at a time, not now,
// reads that wait for writability and the other way round, input that the descriptor knows nothing of.
#include "onward/stream/stream_connection.h"

#include <gtest/gtest.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <array>
#include <random>

#include "onward/sanitizers.h"
#include "onward/stream/socket_stream.h"

namespace onward {
namespace {

using Outcome = IoResult::Outcome;

// A socket with whims, which a seed decides.
class WhimsicalStream final : public ByteStream {
 public:
  struct Whims {
    std::size_t most_bytes = ~std::size_t{0};  // of one call
    unsigned not_now_percent = 0;              // nothing moves, and the descriptor is to be awaited
    bool crosswise = false;                    // "not now" may name the other direction, as TLS does
    bool reads_ahead = false;                  // takes input from the socket before it is asked for
  };

  WhimsicalStream(FileDescriptor socket, const Whims& whims, unsigned seed)
      : socket_(std::move(socket)), whims_(whims), random_(seed) {}

  [[nodiscard]] std::unique_ptr<StreamWatcher> watch(EventLoop& loop, void* context, IoWatcher::Callback on_readable,
                                                     IoWatcher::Callback on_writable) override {
    return socket_.watch(loop, context, on_readable, on_writable);
  }

  [[nodiscard]] IoResult read(std::span<const iovec> into) override {
    if (not_now()) return {.outcome = direction(Outcome::kWantRead)};
    if (!whims_.reads_ahead) {
      const iovec part = cut(into[0]);
      return socket_.read({&part, 1});
    }
    if (ahead_.empty()) {
      std::array<std::byte, 5000> bytes;
      const iovec all{.iov_base = bytes.data(), .iov_len = bytes.size()};
      IoResult result = socket_.read({&all, 1});
      if (result.outcome != Outcome::kDone) return result;
      ahead_.assign(reinterpret_cast<const char*>(bytes.data()), result.bytes);
    }
    const iovec part = cut(into[0]);
    const std::size_t some = std::min(part.iov_len, ahead_.size());
    std::memcpy(part.iov_base, ahead_.data(), some);
    ahead_.erase(0, some);
    return {.bytes = some};
  }
  [[nodiscard]] bool holds_input() const noexcept override { return !ahead_.empty(); }

  [[nodiscard]] IoResult write(std::span<const iovec> from) override {
    if (not_now()) return {.outcome = direction(Outcome::kWantWrite)};
    const iovec part = cut(from[0]);
    return socket_.write({&part, 1});
  }
  void end_output() noexcept override { socket_.end_output(); }

 private:
  // With input read ahead there may be no event to wait for.
  bool not_now() { return ahead_.empty() && random_() % 100 < whims_.not_now_percent; }
  // Waiting for the peer's bytes in order to write would wait for ever if it sends none: only sockets
  // that are writable are waited for crosswise.
  Outcome direction(Outcome usual) { return whims_.crosswise && random_() % 2 == 0 ? Outcome::kWantWrite : usual; }
  iovec cut(iovec whole) {
    whole.iov_len = std::min(whole.iov_len, 1 + random_() % whims_.most_bytes);
    return whole;
  }

  SocketStream socket_;
  Whims whims_;
  std::mt19937_64 random_;
  std::string ahead_;
};

struct End final : ConnectionEvents {
  std::uint64_t received = 0;
  std::uint64_t wrong = 0;
  bool pauses = false;  // after each message
  int closed = 0;
  Status reason;
  std::unique_ptr<StreamConnection> connection;

  static Message make(std::uint64_t id) {
    Message message;
    message.header.call_id = id;
    message.header.kind = id == 0 ? MessageKind::kHello : MessageKind::kRequest;
    message.header.function_id = MessageHeader::kMagic;
    message.payload.body = Buffer::copy_of(std::string(id * 37 % 500, static_cast<char>(id)));
    if (id % 5 == 4) {
      message.payload.segments.push_back(Buffer::copy_of(std::string(id * 91 % 9000, static_cast<char>(id))));
    }
    return message;
  }
  void on_message(InboundMessage& message) override {
    const Message expected = make(received);
    const std::string_view body(reinterpret_cast<const char*>(message.body.data()), message.body.size());
    if (message.header.call_id != received || body != expected.payload.body.text()) ++wrong;
    if (message.segments.size() != expected.payload.segments.size() ||
        (!message.segments.empty() && message.segments[0].text() != expected.payload.segments[0].text())) {
      ++wrong;
    }
    ++received;
    if (pauses) connection->pause();
  }
  void on_closed(const Status& why) override {
    ++closed;
    reason = why;
  }
};

std::array<FileDescriptor, 2> make_socket_pair() {
  int sockets[2] = {-1, -1};
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, sockets), 0);
  return {FileDescriptor(sockets[0]), FileDescriptor(sockets[1])};
}

class StreamConnectionWhims : public testing::Test {
 protected:
  ~StreamConnectionWhims() override {
    for (End& end : ends) loop.dispose(std::move(end.connection));
    loop.run_once(false);
  }

  bool run_until(const std::function<bool()>& condition) {
    const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(kSanitized ? 60 : 10);
    Timer tick(loop, [&tick] { tick.arm(std::chrono::milliseconds(50)); });
    tick.arm(std::chrono::milliseconds(50));
    while (!condition()) {
      if (std::chrono::steady_clock::now() > give_up) return false;
      loop.run_once();
    }
    return true;
  }

  void exchange(const WhimsicalStream::Whims& whims, unsigned seed, std::uint64_t messages) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::array<FileDescriptor, 2> sockets = make_socket_pair();
    for (std::size_t i = 0; i < 2; ++i) {
      ends[i] = {};
      ends[i].connection = std::make_unique<StreamConnection>(
          loop, MessageLimits{}, "the peer",
          std::make_unique<WhimsicalStream>(std::move(sockets[i]), whims, seed * 2 + static_cast<unsigned>(i)));
      ends[i].connection->start(ends[i]);
    }
    for (std::uint64_t id = 0; id < messages; ++id) {
      for (End& end : ends) end.connection->send(End::make(id));
      if (id % 16 == 0) loop.run_once(false);
    }
    ASSERT_TRUE(run_until([&] { return ends[0].received == messages && ends[1].received == messages; }))
        << ends[0].received << " and " << ends[1].received << " of " << messages << "; " << ends[0].reason.to_string()
        << ends[1].reason.to_string();
    EXPECT_EQ(ends[0].wrong + ends[1].wrong, 0U);
    ends[0].connection->send(End::make(messages));
    ends[0].connection->close(Status(StatusCode::kCancelled, "enough"));
    ASSERT_TRUE(run_until([&] { return ends[0].closed == 1 && ends[1].closed == 1; }));
    EXPECT_EQ(ends[1].received, messages + 1);
    EXPECT_TRUE(ends[1].reason.ok()) << ends[1].reason.to_string();
    EXPECT_EQ(ends[0].reason.code(), StatusCode::kCancelled);
    for (End& end : ends) loop.dispose(std::move(end.connection));
    loop.run_once(false);
  }

  EventLoop loop;
  std::array<End, 2> ends;
};

// A handshake whose last bytes arrive between an attempt to write and one to read.
class LateHandshake final : public ByteStream {
 public:
  explicit LateHandshake(FileDescriptor socket) : socket_(std::move(socket)) {}

  [[nodiscard]] std::unique_ptr<StreamWatcher> watch(EventLoop& loop, void* context, IoWatcher::Callback on_readable,
                                                     IoWatcher::Callback on_writable) override {
    return socket_.watch(loop, context, on_readable, on_writable);
  }
  [[nodiscard]] IoResult read(std::span<const iovec> into) override {
    if (!std::exchange(shaken_, true)) {
      std::byte last{};
      const iovec one{.iov_base = &last, .iov_len = 1};
      return {.outcome = socket_.read({&one, 1}).bytes == 1 ? Outcome::kWantRead : Outcome::kFailed};
    }
    return socket_.read(into);
  }
  [[nodiscard]] IoResult write(std::span<const iovec> from) override {
    if (!shaken_) return {.outcome = Outcome::kWantRead};
    return socket_.write(from);
  }
  void end_output() noexcept override { socket_.end_output(); }

 private:
  SocketStream socket_;
  bool shaken_ = false;
};

TEST_F(StreamConnectionWhims, WritingGoesOnWhenReadingHasDoneTheHandshake) {
  std::array<FileDescriptor, 2> sockets = make_socket_pair();
  ends[0].connection = std::make_unique<StreamConnection>(loop, MessageLimits{}, "the peer",
                                                          std::make_unique<LateHandshake>(std::move(sockets[0])));
  ends[0].connection->start(ends[0]);
  ends[0].connection->send(End::make(0));
  loop.run_once(false);
  EXPECT_EQ(ends[0].connection->queued_bytes(), 32U);
  ASSERT_EQ(::send(sockets[1].get(), "x", 1, 0), 1);
  EXPECT_TRUE(run_until([this] { return ends[0].connection->queued_bytes() == 0; }));
}

// A stream that can be written no more; what the peer has sent before says why, or does not.
class RefusedStream final : public ByteStream {
 public:
  RefusedStream(FileDescriptor socket, Status said) : socket_(std::move(socket)), said_(std::move(said)) {}

  [[nodiscard]] std::unique_ptr<StreamWatcher> watch(EventLoop& loop, void* context, IoWatcher::Callback on_readable,
                                                     IoWatcher::Callback on_writable) override {
    return socket_.watch(loop, context, on_readable, on_writable);
  }
  [[nodiscard]] IoResult read(std::span<const iovec>) override { return {.outcome = Outcome::kFailed, .error = said_}; }
  [[nodiscard]] IoResult write(std::span<const iovec>) override {
    return {.outcome = Outcome::kFailed, .error = Status(StatusCode::kUnavailable, "broken pipe")};
  }
  void end_output() noexcept override {}

 private:
  SocketStream socket_;
  Status said_;
};

TEST_F(StreamConnectionWhims, WhatThePeerSaysCountsMoreThanThatItTakesNoMore) {
  for (const Status& said : {Status(StatusCode::kUnauthenticated, "it refuses this node"),
                             Status(StatusCode::kUnavailable, "connection reset by peer")}) {
    std::array<FileDescriptor, 2> sockets = make_socket_pair();
    End& end = ends[0] = {};
    end.connection = std::make_unique<StreamConnection>(loop, MessageLimits{}, "the peer",
                                                        std::make_unique<RefusedStream>(std::move(sockets[0]), said));
    end.connection->start(end);
    end.connection->send(End::make(0));
    loop.run_once(false);
    EXPECT_EQ(end.closed, 0) << "what it has sent is read first";
    ASSERT_EQ(::send(sockets[1].get(), "x", 1, 0), 1);
    ASSERT_TRUE(run_until([&] { return end.closed == 1; }));
    EXPECT_EQ(end.reason.message(),
              said.code() == StatusCode::kUnavailable ? "the peer: broken pipe" : "the peer: it refuses this node");
    EXPECT_EQ(end.reason.code(), said.code());
    loop.dispose(std::move(end.connection));
  }
}

TEST_F(StreamConnectionWhims, OneByteAtATime) { exchange({.most_bytes = 1}, 1, 30); }

TEST_F(StreamConnectionWhims, AFewBytesAndNotNow) {
  for (unsigned seed = 0; seed < 10; ++seed) exchange({.most_bytes = 3000, .not_now_percent = 40}, seed, 200);
}

TEST_F(StreamConnectionWhims, ReadsThatWaitForWritability) {
  for (unsigned seed = 0; seed < 10; ++seed) {
    exchange({.most_bytes = 3000, .not_now_percent = 40, .crosswise = true}, seed, 200);
  }
}

TEST_F(StreamConnectionWhims, InputThatTheDescriptorKnowsNothingOf) {
  for (unsigned seed = 0; seed < 10; ++seed) {
    exchange({.most_bytes = 700, .not_now_percent = 20, .reads_ahead = true}, seed, 200);
  }
}

TEST_F(StreamConnectionWhims, AllAtOnce) {
  for (unsigned seed = 0; seed < 10; ++seed) {
    exchange({.most_bytes = 1 + seed * 500, .not_now_percent = 30, .crosswise = true, .reads_ahead = true}, seed, 100);
  }
}

// Pausing with input that only the stream knows of: resume must find it.
TEST_F(StreamConnectionWhims, ResumeFindsInputThatTheDescriptorKnowsNothingOf) {
  std::array<FileDescriptor, 2> sockets = make_socket_pair();
  ends[0].connection = std::make_unique<StreamConnection>(loop, MessageLimits{}, "the peer",
                                                          std::make_unique<SocketStream>(std::move(sockets[0])));
  ends[1].connection = std::make_unique<StreamConnection>(
      loop, MessageLimits{}, "the peer",
      std::make_unique<WhimsicalStream>(std::move(sockets[1]),
                                        WhimsicalStream::Whims{.most_bytes = 1, .reads_ahead = true}, 1));
  for (End& end : ends) end.connection->start(end);
  for (std::uint64_t id = 0; id < 34; ++id) ends[0].connection->send(End::make(id));
  ends[1].pauses = true;
  ASSERT_TRUE(run_until([&] {
    ends[1].connection->resume();
    return ends[1].received == 34;
  }));
  EXPECT_EQ(ends[1].wrong, 0U);
}

// Fails every write from a certain one on.
class FailingStream final : public ByteStream {
 public:
  explicit FailingStream(FileDescriptor socket) : socket_(std::move(socket)) {}
  [[nodiscard]] std::unique_ptr<StreamWatcher> watch(EventLoop& loop, void* context, IoWatcher::Callback on_readable,
                                                     IoWatcher::Callback on_writable) override {
    return socket_.watch(loop, context, on_readable, on_writable);
  }
  [[nodiscard]] IoResult read(std::span<const iovec> into) override { return socket_.read(into); }
  [[nodiscard]] IoResult write(std::span<const iovec> /*from*/) override {
    return {.outcome = Outcome::kFailed, .error = Status(StatusCode::kUnavailable, "a broken wire")};
  }
  void end_output() noexcept override {}

 private:
  SocketStream socket_;
};

// One write a turn for few messages; when there are many, the peer need not wait for the last one.
TEST_F(StreamConnectionWhims, WhatIsSentLeavesWithTheTurnOrWhenItIsMuch) {
  std::array<FileDescriptor, 2> sockets = make_socket_pair();
  const auto arrived = [&] {
    int bytes = 0;
    EXPECT_EQ(::ioctl(sockets[1].get(), FIONREAD, &bytes), 0);
    return bytes;
  };
  ends[0].connection = std::make_unique<StreamConnection>(loop, MessageLimits{}, "the peer",
                                                          std::make_unique<SocketStream>(std::move(sockets[0])));
  loop.run_once(false);
  ends[0].connection->send(End::make(0));
  EXPECT_EQ(arrived(), 0);
  loop.run_once(false);
  const int first = arrived();
  EXPECT_EQ(first, 32);
  const auto send_bytes = [&](std::size_t bytes) {
    Message message;
    message.payload.body = Buffer::copy_of(std::string(bytes - 32, 'x'));
    ends[0].connection->send(std::move(message));
  };
  send_bytes(2048);
  EXPECT_EQ(arrived(), first);
  send_bytes(2048);
  EXPECT_EQ(arrived(), first + 4096);
  for (int i = 0; i < 7; ++i) send_bytes(2048);
  EXPECT_EQ(arrived(), first + 4096);
  send_bytes(2048);
  EXPECT_EQ(arrived(), first + 4096 + 16'384);
  send_bytes(2048);
  loop.run_once(false);
  EXPECT_EQ(arrived(), first + 4096 + 16'384 + 2048);
  send_bytes(4096);
  EXPECT_EQ(arrived(), first + 4096 + 16'384 + 2048 + 4096) << "each turn begins anew";
}

TEST_F(StreamConnectionWhims, WhatHasArrivedIsDeliveredThoughWritingFails) {
  std::array<FileDescriptor, 2> sockets = make_socket_pair();
  ends[0].connection = std::make_unique<StreamConnection>(loop, MessageLimits{}, "the peer",
                                                          std::make_unique<SocketStream>(std::move(sockets[0])));
  ends[1].connection = std::make_unique<StreamConnection>(loop, MessageLimits{}, "tcp://192.0.2.1:7",
                                                          std::make_unique<FailingStream>(std::move(sockets[1])));
  for (std::uint64_t id = 0; id < 10; ++id) ends[0].connection->send(End::make(id));
  ends[0].connection->close({});
  ends[1].connection->send(End::make(0));
  loop.run_once(false);
  EXPECT_EQ(ends[1].connection->queued_bytes(), 0U);
  ends[1].connection->start(ends[1]);
  ASSERT_TRUE(run_until([&] { return ends[1].closed == 1; }));
  EXPECT_EQ(ends[1].received, 10U);
  EXPECT_EQ(ends[1].reason.to_string(), "UNAVAILABLE: tcp://192.0.2.1:7: a broken wire");
}

TEST_F(StreamConnectionWhims, FailedWritesEndTheConnectionThoughThePeerStays) {
  ManualClock clock;
  EventLoop manual({}, clock);
  {
    std::array<FileDescriptor, 2> sockets = make_socket_pair();
    End end;
    StreamConnection connection(manual, MessageLimits{}, "the peer",
                                std::make_unique<FailingStream>(std::move(sockets[0])));
    connection.start(end);
    connection.send(End::make(0));
    manual.run_once(false);
    manual.run_once(false);
    EXPECT_EQ(end.closed, 0);
    clock.advance(Connection::kCloseTimeout);
    manual.run_once(false);
    manual.run_once(false);
    EXPECT_EQ(end.closed, 1);
    EXPECT_EQ(end.reason.code(), StatusCode::kUnavailable);
  }
  manual.run_once(false);
}

}  // namespace
}  // namespace onward
