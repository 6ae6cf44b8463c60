// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "onward/event_loop.h"
#include "onward/export.h"
#include "onward/message.h"
#include "onward/stream/byte_stream.h"
#include "onward/stream/deferred.h"
#include "onward/stream/frame_reader.h"
#include "onward/stream/frame_writer.h"
#include "onward/transport.h"

namespace onward {

// Something that will bring a stream about: a name being looked up, a socket being connected.
// Destroying it gives that up.
class ONWARD_API StreamConnector {
 public:
  virtual ~StreamConnector() = default;
};

// A Connection over a stream of bytes. Closing is graceful without RST: when the output is written,
// its end is announced, and what still comes in is discarded until the peer has closed, too.
class ONWARD_API StreamConnection final : public Connection, private Flushable {
 public:
  // Waits for establish() or fail(). `description` names the peer in errors.
  StreamConnection(EventLoop& loop, const MessageLimits& limits, std::string description);
  // Established.
  StreamConnection(EventLoop& loop, const MessageLimits& limits, std::string description,
                   std::unique_ptr<ByteStream> stream);
  ~StreamConnection();

  // Kept until establish(), fail() or the end. It calls one of them, once.
  void wait_for(std::unique_ptr<StreamConnector> connector) { connector_ = std::move(connector); }
  void establish(std::unique_ptr<ByteStream> stream);
  void fail(Status status);

  void start(ConnectionEvents& events) override;
  void send(Message message) override;
  void send_urgent(Message message) override;
  void close(Status reason) override;
  void abort(Status reason) override;
  void pause() override;
  void resume() override;
  [[nodiscard]] std::size_t queued_bytes() const override { return writer_.queued_bytes(); }
  [[nodiscard]] TimePoint backlog_since() const noexcept override { return backlog_since_; }
  [[nodiscard]] std::string description() const override { return description_; }
  [[nodiscard]] PeerIdentity identity() const override {
    return stream_ == nullptr ? PeerIdentity() : stream_->identity();
  }
  void on_dispose() noexcept override;

 private:
  // What is sent in a turn leaves at its end in one write; but when this much has come together, it leaves at
  // once, so that the peer works on it while the rest is being made. What follows in the turn leaves in pieces
  // that many times as large each, so that a busy turn has few writes.
  static constexpr std::size_t kEarlyBytes = std::size_t{4} << 10;
  static constexpr std::size_t kEarlyGrowth = 4;

  enum class State : std::uint8_t {
    kConnecting,
    kOpen,
    kClosing,    // close() was called; there is output to write
    kLingering,  // all is written and its end announced; waiting for the peer to close
    kClosed,
  };

  void on_readable();
  void on_writable();
  void flush() override;
  void read();
  void note_backlog();
  void handle_input(const IoResult& result);
  void stay_awake_for_the_rest();
  void handle_end();
  void discard_input();
  void write();
  void write_soon();
  void write_after_reading();
  void handle_output_failure(const Status& error);
  void note_drained();
  void linger();
  void finish(Status reason);
  void finish_in_time(Status reason);
  void wait_for_close();
  void run_notices();
  void watch(std::unique_ptr<ByteStream> stream);
  void update_watches();
  [[nodiscard]] bool delivers() const noexcept { return events_ != nullptr && !paused_ && state_ == State::kOpen; }
  // Input that the descriptor's readiness tells nothing of.
  [[nodiscard]] bool holds_input() const noexcept {
    return reader_.holds_back() || (stream_ != nullptr && stream_->holds_input());
  }
  [[nodiscard]] Status about_peer(const Status& status) const;

  EventLoop& loop_;
  ConnectionEvents* events_ = nullptr;
  State state_ = State::kConnecting;
  bool paused_ = false;
  bool above_high_ = false;     // queued_bytes() has been, and has not fallen to low
  bool drained_ = false;        // on_drained is due
  bool output_failed_ = false;  // for reason_; what the peer has still sent is delivered first
  bool write_blocked_ = false;
  bool write_wants_read_ = false;
  bool read_wants_write_ = false;
  bool awake_for_rest_ = false;
  std::uint8_t naps_ = 0;  // times that the loop may sleep before it stays awake again
  TimePoint awake_until_;
  TimePoint backlog_since_ = TimePoint::max();
  std::uint64_t backlog_turn_ = 0;  // the loop's, in which there was a backlog last
  std::size_t early_bytes_ = kEarlyBytes;
  MessageLimits limits_;
  FrameWriter writer_;
  FrameReader reader_;
  std::unique_ptr<ByteStream> stream_;
  std::unique_ptr<StreamWatcher> watcher_;
  Deferred notices_;
  std::unique_ptr<StreamConnector> connector_;
  std::unique_ptr<Timer> close_timer_;
  TimePoint longest_close_;
  Status reason_;
  std::string description_;
};

}  // namespace onward
