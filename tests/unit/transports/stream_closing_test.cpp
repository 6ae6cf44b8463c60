// SPDX-License-Identifier: Apache-2.0
//
// How long a connection that closes waits for its peer to take what it was sent.
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "onward/stream/stream_connection.h"

namespace onward {
namespace {

// Takes a byte at a time, when it is told to.
class SlowStream final : public ByteStream {
 public:
  [[nodiscard]] std::unique_ptr<StreamWatcher> watch(EventLoop&, void* context, IoWatcher::Callback,
                                                     IoWatcher::Callback on_writable) override {
    takes_more = [context, on_writable] { on_writable(context); };
    return std::make_unique<NoWatcher>();
  }
  [[nodiscard]] IoResult read(std::span<const iovec>) override { return {.outcome = IoResult::Outcome::kWantRead}; }
  [[nodiscard]] IoResult write(std::span<const iovec>) override {
    if (!std::exchange(ready, false)) return {.outcome = IoResult::Outcome::kWantWrite};
    return {.bytes = 1};
  }
  [[nodiscard]] std::size_t bytes_in_work() const noexcept override { return 0; }
  void end_output() noexcept override {}

  void take_a_byte() {
    ready = true;
    takes_more();
  }

 private:
  class NoWatcher final : public StreamWatcher {
    void watch_readable(bool) override {}
    void watch_writable(bool) override {}
  };
  std::function<void()> takes_more;
  bool ready = false;
};

struct ClosedCount final : ConnectionEvents {
  int closed = 0;
  void on_message(InboundMessage& /*message*/) override {}
  void on_closed(const Status& /*reason*/) override { ++closed; }
};

class StreamConnectionCloses : public testing::Test {
 protected:
  // Sends a message of so many bytes to the stream and closes; then `step` passes before each byte that it takes.
  Duration time_to_close(Duration step, std::size_t bytes) {
    ManualClock clock;
    EventLoop manual({}, clock);
    const TimePoint begin = manual.now();
    auto stream = std::make_unique<SlowStream>();
    SlowStream& slow = *stream;
    TimePoint end_time = begin;
    {
      ClosedCount end;
      StreamConnection connection(manual, MessageLimits{}, "the peer", std::move(stream));
      connection.start(end);
      Message message;
      message.payload.body = Buffer::copy_of(std::string(bytes - 32, 'x'));
      connection.send(std::move(message));
      manual.run_once(false);
      connection.close({});
      for (int i = 0; i < 10'000 && end.closed == 0; ++i) {
        clock.advance(step);
        manual.run_once(false);
        if (end.closed == 0) slow.take_a_byte();
        manual.run_once(false);
      }
      EXPECT_EQ(end.closed, 1);
      end_time = manual.now();
    }
    manual.run_once(false);
    return end_time - begin;
  }
};

TEST_F(StreamConnectionCloses, OnlyWhenThePeerTakesNothingAnyMore) {
  const Duration step = Connection::kCloseTimeout / 2;
  EXPECT_EQ(time_to_close(step, 40), 40 * step + Connection::kCloseTimeout) << "the peer's end is waited for, too";
}

TEST_F(StreamConnectionCloses, AtOnceWhereThePeerTakesNothingInTime) {
  EXPECT_EQ(time_to_close(Connection::kCloseTimeout, 40), Connection::kCloseTimeout);
}

TEST_F(StreamConnectionCloses, ThoughThePeerTakesALittleForEver) {
  EXPECT_EQ(time_to_close(Connection::kCloseTimeout / 2, 1000), Connection::kLongestClose);
}

}  // namespace
}  // namespace onward
