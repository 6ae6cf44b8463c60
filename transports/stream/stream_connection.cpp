// SPDX-License-Identifier: Apache-2.0
#include "onward/stream/stream_connection.h"

#include <array>
#include <utility>

namespace onward {
namespace {

constexpr std::size_t kDiscardBytes = std::size_t{16} << 10;
// See stay_awake_for_the_rest().
constexpr Duration kRestWait = std::chrono::microseconds(50);
constexpr std::uint8_t kNaps = 64;

bool is_network_failure(const Status& error) { return error.code() == StatusCode::kUnavailable; }

}  // namespace

StreamConnection::StreamConnection(EventLoop& loop, const MessageLimits& limits, std::string description)
    : loop_(loop),
      limits_(limits),
      reader_(limits),
      notices_(loop, [this] { run_notices(); }),
      description_(std::move(description)) {}

StreamConnection::StreamConnection(EventLoop& loop, const MessageLimits& limits, std::string description,
                                   std::unique_ptr<ByteStream> stream)
    : StreamConnection(loop, limits, std::move(description)) {
  state_ = State::kOpen;
  watch(std::move(stream));
}

StreamConnection::~StreamConnection() = default;

void StreamConnection::establish(std::unique_ptr<ByteStream> stream) {
  loop_.dispose(std::move(connector_));
  if (state_ == State::kClosed) return;
  if (state_ == State::kConnecting) state_ = State::kOpen;
  watch(std::move(stream));
  loop_.flush_later(*this);
}

void StreamConnection::fail(Status status) { finish(state_ == State::kClosing ? reason_ : std::move(status)); }

void StreamConnection::start(ConnectionEvents& events) {
  events_ = &events;
  if (state_ == State::kClosed || drained_ || holds_input()) notices_.schedule();
  update_watches();
}

void StreamConnection::write_soon() {
  if (state_ == State::kOpen && !write_blocked_) {
    loop_.flush_later(*this);
    if (writer_.queued_bytes() >= early_bytes_ && stream_ != nullptr) {
      early_bytes_ *= kEarlyGrowth;
      write();
    }
  }
  if (writer_.queued_bytes() > limits_.output_high_bytes) above_high_ = true;
}

void StreamConnection::send(Message message) {
  if (state_ > State::kOpen || output_failed_) return;
  writer_.append(std::move(message), stream_ == nullptr ? nullptr : stream_->payloads());
  write_soon();
}

void StreamConnection::send_urgent(Message message) {
  if (state_ > State::kOpen || output_failed_) return;
  writer_.append_first(std::move(message), stream_ == nullptr ? 0 : stream_->bytes_in_work());
  write_soon();
}

void StreamConnection::close(Status reason) {
  if (state_ > State::kOpen) return;
  if (output_failed_) return finish(reason_);
  const bool connected = state_ == State::kOpen;
  state_ = State::kClosing;
  reader_.stop();
  finish_in_time(std::move(reason));
  if (connected) loop_.flush_later(*this);
  update_watches();
}

void StreamConnection::abort(Status reason) { finish(std::move(reason)); }

void StreamConnection::on_dispose() noexcept {
  events_ = nullptr;
  finish({});
}

void StreamConnection::pause() {
  if (!std::exchange(paused_, true) && backlog_since_ == TimePoint::max()) backlog_since_ = loop_.now();
  reader_.stop();
  update_watches();
}

void StreamConnection::resume() {
  paused_ = false;
  if (state_ > State::kOpen) return;
  reader_.restart();
  backlog_turn_ = loop_.turns();
  if (holds_input()) notices_.schedule();
  update_watches();
}

void StreamConnection::on_readable() {
  if (!read_wants_write_) read();
  write_after_reading();
}

void StreamConnection::on_writable() {
  if (write_blocked_ && !write_wants_read_) write();
  if (!read_wants_write_) return;
  read();
  write_after_reading();
}

// Reading may just have done, for a handshake, what writing waits for: there need not be anything more to read.
void StreamConnection::write_after_reading() {
  if (write_blocked_ && write_wants_read_ && state_ != State::kClosed) write();
}

void StreamConnection::read() {
  if (state_ == State::kLingering) {
    discard_input();
  } else if (delivers()) {
    // Where nothing was to be read in the turn before, all that was sent until then had been read.
    if (backlog_since_ != TimePoint::max() && loop_.turns() > backlog_turn_ + 1) backlog_since_ = TimePoint::max();
    const IoResult result = reader_.read(*stream_, *events_);
    note_backlog();
    handle_input(result);
  }
}

void StreamConnection::note_backlog() {
  if (!paused_ && !reader_.filled() && !reader_.holds_back()) {
    backlog_since_ = TimePoint::max();
    return;
  }
  if (backlog_since_ == TimePoint::max()) backlog_since_ = loop_.now() - loop_.last_turn();
  backlog_turn_ = loop_.turns();
}

void StreamConnection::flush() {
  early_bytes_ = kEarlyBytes;
  if (stream_ != nullptr && !write_blocked_) write();
}

// A callback may have closed or aborted meanwhile: only an open connection looks at the result.
void StreamConnection::handle_input(const IoResult& result) {
  if (state_ != State::kOpen) return;
  read_wants_write_ = result.outcome == IoResult::Outcome::kWantWrite;
  switch (result.outcome) {
    case IoResult::Outcome::kEnd:
      return handle_end();
    case IoResult::Outcome::kFailed:
      // A reason that the peer gave says more than that it takes no more.
      return finish(output_failed_ && is_network_failure(result.error) ? reason_ : about_peer(result.error));
    case IoResult::Outcome::kDone:
      if (stream_->holds_input()) notices_.schedule();
      break;
    case IoResult::Outcome::kWantRead:
    case IoResult::Outcome::kWantWrite:
      break;
  }
  stay_awake_for_the_rest();
  update_watches();
}

// A sender on the same machine takes microseconds for the next piece of a large message, and a thread that
// sleeps tens of microseconds to wake up. Where the rest takes longer, the next stalls are slept through.
void StreamConnection::stay_awake_for_the_rest() {
  if (std::exchange(awake_for_rest_, false) && loop_.now() > awake_until_) naps_ = kNaps;
  if (!reader_.in_large_message()) return;
  if (naps_ > 0) {
    --naps_;
    return;
  }
  awake_until_ = loop_.stay_awake(kRestWait);
  awake_for_rest_ = true;
}

void StreamConnection::handle_end() {
  if (output_failed_) return finish(reason_);
  const std::string missing = reader_.incomplete();
  if (missing.empty()) return finish({});
  finish(about_peer({StatusCode::kUnavailable, "the peer closed the connection in the middle: " + missing}));
}

// Unread input would make the system reset the connection, and the peer lose what was sent to it.
void StreamConnection::discard_input() {
  std::array<std::byte, kDiscardBytes> bytes;
  const iovec into{.iov_base = bytes.data(), .iov_len = bytes.size()};
  const IoResult result = stream_->read({&into, 1});
  if (result.outcome == IoResult::Outcome::kEnd || result.outcome == IoResult::Outcome::kFailed) {
    return finish(reason_);
  }
  read_wants_write_ = result.outcome == IoResult::Outcome::kWantWrite;
  if (stream_->holds_input()) notices_.schedule();
  update_watches();
}

void StreamConnection::write() {
  write_blocked_ = false;
  if (!writer_.empty()) {
    const IoResult result = writer_.write(*stream_);
    if (result.outcome == IoResult::Outcome::kFailed) return handle_output_failure(result.error);
    // When there is more, other connections get their turn first.
    write_blocked_ = !writer_.empty();
    write_wants_read_ = result.outcome == IoResult::Outcome::kWantRead;
    if (result.bytes > 0 && state_ == State::kClosing) wait_for_close();
    note_drained();
  }
  if (writer_.empty() && state_ == State::kClosing) linger();
  // Where writing has read, as in a handshake.
  if (delivers() && stream_->holds_input()) notices_.schedule();
  update_watches();
}

void StreamConnection::note_drained() {
  if (!above_high_ || writer_.queued_bytes() > limits_.output_low_bytes) return;
  above_high_ = false;
  drained_ = true;
  notices_.schedule();
}

// What the peer sent before it went, an answer or its reason, is still delivered.
void StreamConnection::handle_output_failure(const Status& error) {
  if (state_ != State::kOpen) return finish(reason_);
  if (!is_network_failure(error)) return finish(about_peer(error));  // nothing can be read, either
  output_failed_ = true;
  writer_.clear();
  finish_in_time(about_peer(error));
  update_watches();
}

void StreamConnection::linger() {
  state_ = State::kLingering;
  stream_->end_output();
  if (stream_->holds_input()) notices_.schedule();
}

void StreamConnection::finish_in_time(Status reason) {
  reason_ = std::move(reason);
  close_timer_ = std::make_unique<Timer>(loop_, [this] { finish(reason_); });
  longest_close_ = loop_.now() + kLongestClose;
  wait_for_close();
}

void StreamConnection::wait_for_close() {
  close_timer_->arm(std::min<Duration>(kCloseTimeout, longest_close_ - loop_.now()));
}

// All of it may be running right now: it is put out of action here, and freed at the end of the
// turn.
void StreamConnection::finish(Status reason) {
  if (state_ == State::kClosed) return;
  state_ = State::kClosed;
  reason_ = std::move(reason);
  reader_.stop();
  writer_.clear();
  if (watcher_ != nullptr) {
    watcher_->watch_readable(false);
    watcher_->watch_writable(false);
  }
  if (close_timer_ != nullptr) close_timer_->cancel();
  loop_.dispose(std::move(watcher_));
  loop_.dispose(std::move(stream_));
  loop_.dispose(std::move(close_timer_));
  loop_.dispose(std::move(connector_));
  if (events_ != nullptr) notices_.schedule();
}

void StreamConnection::run_notices() {
  if (state_ == State::kLingering) return read();
  if (events_ == nullptr) return;
  if (state_ == State::kClosed) return std::exchange(events_, nullptr)->on_closed(reason_);
  if (std::exchange(drained_, false) && state_ == State::kOpen) events_->on_drained();
  if (!delivers()) return;
  if (reader_.holds_back()) {
    const IoResult result = reader_.deliver(*events_);
    backlog_turn_ = loop_.turns();
    handle_input(result);
  } else if (stream_->holds_input()) {
    read();
    write_after_reading();
  }
}

void StreamConnection::watch(std::unique_ptr<ByteStream> stream) {
  stream_ = std::move(stream);
  reader_.use(stream_->payloads());
  watcher_ = stream_->watch(
      loop_, this, [](void* self) { static_cast<StreamConnection*>(self)->on_readable(); },
      [](void* self) { static_cast<StreamConnection*>(self)->on_writable(); });
  update_watches();
}

void StreamConnection::update_watches() {
  if (watcher_ == nullptr) return;
  const bool reads = delivers() || state_ == State::kLingering;
  watcher_->watch_readable((reads && !read_wants_write_) || (write_blocked_ && write_wants_read_));
  watcher_->watch_writable((write_blocked_ && !write_wants_read_) || (reads && read_wants_write_));
}

Status StreamConnection::about_peer(const Status& status) const {
  return status.with_message(description_ + ": " + status.message());
}

}  // namespace onward
