// SPDX-License-Identifier: Apache-2.0
//
// What the targets of shared memory have in common: a loop whose time moves when told, and what a connection tells.
#pragma once

#include <dirent.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "fuzz_input.h"
#include "onward/clock.h"
#include "onward/event_loop.h"
#include "onward/stream/file_descriptor.h"
#include "onward/transport.h"

namespace onward::fuzz {

inline constexpr MessageLimits kShmLimits{.max_body_bytes = 32U << 10,
                                          .max_message_bytes = 96U << 10,
                                          .output_high_bytes = 64U << 10,
                                          .output_low_bytes = 16U << 10};

// One for the process. A turn never waits.
class FuzzLoop {
 public:
  FuzzLoop() {
    watcher_.watch_readable(true);
    constexpr std::uint64_t kOnce = 1;
    require(::write(ready_.get(), &kOnce, sizeof kOnce) == sizeof kOnce, "an eventfd can be written to");
  }
  // With `sleeps` it goes to sleep, and finds a descriptor ready that always is.
  void turn(bool sleeps = false) {
    clock_.advance(std::chrono::milliseconds(1));  // so that it does not stay awake
    static_cast<void>(loop.run_once(sleeps));
  }
  void advance(Duration by) { clock_.advance(by); }

 private:
  ManualClock clock_;

 public:
  EventLoop loop{{.slow_callback = Duration::zero()}, clock_};

 private:
  FileDescriptor ready_{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  IoWatcher watcher_{loop, ready_.get(), nullptr, [](void*) {}, nullptr};
};

// How many this process has open.
inline std::size_t open_descriptors() {
  static DIR* const folder = ::opendir("/proc/self/fd");
  require(folder != nullptr, "/proc is there");
  ::rewinddir(folder);
  std::size_t count = 0;
  while (::readdir(folder) != nullptr) ++count;
  return count;
}

// Reads each byte, of which a sanitizer or the system tells when it is not there.
inline void touch(std::span<const std::byte> bytes) {
  volatile unsigned sum = 0;
  for (const std::byte byte : bytes) sum = sum + std::to_integer<unsigned>(byte);
}

// Checks what is delivered, and keeps segments if told.
class Events final : public ConnectionEvents {
 public:
  void on_message(InboundMessage& message) override {
    require(closed == 0, "nothing is delivered behind the end");
    require(message.body.size() == message.header.body_bytes, "a body is as long as its header says");
    require(message.body.size() <= kShmLimits.max_body_bytes, "a body is within the limit");
    require(message.segments.size() == message.header.segment_count, "segments are as many as the header says");
    std::uint64_t whole = message.body.size();
    touch(message.body);
    for (Buffer& segment : message.segments) {
      whole += segment.size();
      touch(segment.bytes());
      if (keeps) kept.push_back(std::move(segment));
    }
    require(whole <= kShmLimits.max_message_bytes, "a message is within the limit");
    ++messages;
  }
  void on_closed(const Status& status) override {
    ++closed;
    reason = status;
    require(closed == 1, "a connection ends once");
  }

  bool keeps = false;
  std::vector<Buffer> kept;
  unsigned messages = 0;
  unsigned closed = 0;
  Status reason;
};

}  // namespace onward::fuzz
