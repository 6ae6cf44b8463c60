// SPDX-License-Identifier: Apache-2.0
#include "shm/shm_stream.h"

#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>

namespace onward {
namespace {

// What comes within this time is waited for without sleeping: about what a sleep and a wake-up take.
constexpr Duration kShortWait = std::chrono::microseconds(50);
// The same where a megabyte is copied meanwhile, and the other side wakes up for it.
constexpr Duration kPayloadWait = std::chrono::microseconds(150);
// After such a wait in vain so many sleeps go without one, twice as many after the next.
constexpr std::uint32_t kFewestNaps = 8;
constexpr std::uint32_t kMostNaps = 1024;

// Where this thread and the peer must take turns, waiting only keeps the peer from running.
bool has_other_cores() noexcept {
  cpu_set_t allowed;
  return ::sched_getaffinity(0, sizeof allowed, &allowed) != 0 || CPU_COUNT(&allowed) > 1;
}

IoResult failed(StatusCode code, std::string why) {
  return {.outcome = IoResult::Outcome::kFailed, .error = Status(code, std::move(why))};
}

}  // namespace

class ShmStream::Watcher final : public StreamWatcher, private Pollable {
 public:
  Watcher(ShmStream& stream, EventLoop& loop, void* context, IoWatcher::Callback on_readable,
          IoWatcher::Callback on_writable)
      : stream_(stream),
        loop_(loop),
        context_(context),
        on_readable_(on_readable),
        on_writable_(on_writable),
        // Edge-triggered, the bell need not be read.
        bell_(
            loop, stream.channel_.own_bell.get(), this, [](void* self) { static_cast<Watcher*>(self)->on_bell(); },
            nullptr, true),
        socket_(
            loop, stream.channel_.socket.get(), this, [](void* self) { static_cast<Watcher*>(self)->on_socket(); },
            nullptr) {
    bell_.watch_readable(true);
    socket_.watch_readable(true);
  }

  void watch_readable(bool on) override {
    if (std::exchange(reading_, on) != on && on) loop_.look_at(*this);
  }
  void watch_writable(bool on) override {
    if (std::exchange(writing_, on) != on && on) loop_.look_at(*this);
  }

 private:
  [[nodiscard]] bool has_work() noexcept override {
    return (reading_ && stream_.readable()) || (writing_ && stream_.writable());
  }

  void work() override {
    if (reading_ && stream_.readable()) on_readable_(context_);
    if (writing_ && stream_.writable()) on_writable_(context_);
    stay_awake();
  }

  [[nodiscard]] bool prepare_sleep() noexcept override {
    std::atomic<std::uint32_t>& sleep = stream_.channel_.pair->own->control().sleep;
    const std::uint32_t wants = (reading_ ? ShmControl::kWantsData : 0) | (writing_ ? ShmControl::kWantsRoom : 0);
    stream_.sleeps_ += ShmControl::kSleepNumber;
    sleep.store(stream_.sleeps_ | wants, std::memory_order_relaxed);
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (!has_work()) return true;
    sleep.store(0, std::memory_order_relaxed);
    return false;
  }

  void on_bell() {
    stream_.channel_.pair->own->control().sleep.store(0, std::memory_order_relaxed);
    loop_.look_at(*this);
    if (has_work()) work();
  }

  void on_socket() {
    stream_.look_at_socket();
    if (!stream_.peer_gone_) return;
    socket_.watch_readable(false);
    loop_.look_at(*this);
  }

  // The peer, if it runs on another core, answers sooner than this end would fall asleep and wake up.
  void stay_awake() noexcept {
    if (!may_wait_) return;
    if (std::exchange(waiting_, false)) {
      const bool in_vain = loop_.now() > awake_until_;
      penalty_ = in_vain ? std::min(penalty_ * 2, kMostNaps) : kFewestNaps;
      if (in_vain) naps_ = penalty_;
    }
    if (naps_ > 0) {
      --naps_;
      return;
    }
    awake_until_ = loop_.stay_awake(stream_.payloads_.take_activity() ? kPayloadWait : kShortWait);
    waiting_ = true;
  }

  ShmStream& stream_;
  EventLoop& loop_;
  void* context_;
  IoWatcher::Callback on_readable_;
  IoWatcher::Callback on_writable_;
  IoWatcher bell_;
  IoWatcher socket_;
  bool reading_ = false;
  bool writing_ = false;
  bool may_wait_ = has_other_cores();
  bool waiting_ = false;  // awake until awake_until_
  TimePoint awake_until_;
  std::uint32_t naps_ = 0;
  std::uint32_t penalty_ = kFewestNaps;
};

ShmStream::ShmStream(EventLoop& loop, ShmChannel channel)
    : channel_(std::move(channel)),
      reader_(*channel_.pair->own, *channel_.pair->peer),
      writer_(*channel_.pair->own, *channel_.pair->peer),
      payloads_(channel_.pair, std::move(channel_.copier)),
      trim_timer_(loop, [this] { payloads_.trim(); }) {}

std::unique_ptr<StreamWatcher> ShmStream::watch(EventLoop& loop, void* context, IoWatcher::Callback on_readable,
                                                IoWatcher::Callback on_writable) {
  return std::make_unique<Watcher>(*this, loop, context, on_readable, on_writable);
}

IoResult ShmStream::read(std::span<const iovec> into) {
  // In this order: after its end, or its death, the peer produces no more.
  const bool gone = peer_gone_;
  const bool ended = reader_.ended();
  const std::uint64_t available = reader_.available();
  if (available > reader_.capacity()) {
    return failed(StatusCode::kInvalidArgument, "it claims that " + std::to_string(available) +
                                                    " bytes are unread in a ring of " +
                                                    std::to_string(reader_.capacity()));
  }
  if (available > 0) {
    const std::size_t bytes = reader_.read(into, available);
    ring_for(ShmControl::kWantsRoom);
    return {.bytes = bytes};
  }
  if (ended) return {.outcome = IoResult::Outcome::kEnd};
  if (gone)
    return failed(StatusCode::kUnavailable, "the peer is gone: its process has ended, or dropped the connection");
  return {.outcome = IoResult::Outcome::kWantRead};
}

IoResult ShmStream::write(std::span<const iovec> from) {
  if (peer_gone_) return failed(StatusCode::kUnavailable, "the peer is gone");
  std::uint64_t wanted = 0;
  for (const iovec& span : from) wanted += span.iov_len;
  if (writer_.room() < wanted && !writer_.refresh()) {
    return failed(StatusCode::kInvalidArgument, "it claims to have read bytes that were never sent");
  }
  const std::size_t bytes = writer_.write(from);
  if (payloads_.used() && !trim_timer_.armed()) trim_timer_.arm(kTrimDelay);
  if (bytes == 0) return {.outcome = IoResult::Outcome::kWantWrite};
  ring_for(ShmControl::kWantsData);
  return {.bytes = bytes};
}

void ShmStream::end_output() noexcept {
  channel_.pair->own->control().ended.store(1, std::memory_order_release);
  ring_for(ShmControl::kWantsData);
}

void ShmStream::ring_for(std::uint32_t what) noexcept {
  std::atomic_thread_fence(std::memory_order_seq_cst);
  const std::uint32_t sleep = channel_.pair->peer->control().sleep.load(std::memory_order_relaxed);
  if ((sleep & what) == 0 || sleep == last_rung_) return;
  last_rung_ = sleep;
  constexpr std::uint64_t kOnce = 1;
  // It fails only for a peer that fills its own bell.
  [[maybe_unused]] const ssize_t rung = ::write(channel_.peer_bell.get(), &kOnce, sizeof kOnce);
}

// Nothing is ever sent here once the connection is there.
void ShmStream::look_at_socket() noexcept {
  char byte = 0;
  const ssize_t got = ::recv(channel_.socket.get(), &byte, 1, MSG_DONTWAIT);
  peer_gone_ = got >= 0 || (errno != EAGAIN && errno != EINTR);
}

}  // namespace onward
