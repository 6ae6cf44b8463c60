// SPDX-License-Identifier: Apache-2.0
//
// What the kernel's tests share: a loop on the test's own thread with a clock that the test moves, and
// the log as a list of lines.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <vector>

#include "onward/call_context.h"
#include "onward/clock.h"
#include "onward/event_loop.h"
#include "onward/log.h"

namespace onward::test {

// How long a test waits for what must happen before it is called hung.
inline constexpr std::chrono::seconds kHang{10};

inline Status demo_error() { return Status(StatusCode::kNotFound, "gone").with_type("demo::Gone"); }

// What `function` throws, as a status; OK if nothing.
template <class F>
[[nodiscard]] Status thrown_by(F function) {
  try {
    static_cast<void>(function());
  } catch (...) {
    return status_from_current_exception();
  }
  return {};
}

// Something that happens on another thread.
class Event {
 public:
  void set() {
    const std::lock_guard lock(mutex_);
    set_ = true;
    changed_.notify_all();
  }
  [[nodiscard]] bool wait() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kHang, [this] { return set_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool set_ = false;
};

// Collects the log while it lives.
class LogLines {
 public:
  explicit LogLines(LogLevel level = LogLevel::kInfo) {
    set_log_level(level);
    set_log_sink([this](LogLevel, std::string_view component, std::string_view message) {
      const std::lock_guard lock(mutex_);
      lines_.push_back("[" + std::string(component) + "] " + std::string(message));
      changed_.notify_all();
    });
  }
  ~LogLines() {
    set_log_sink({});
    set_log_level(LogLevel::kInfo);
  }
  LogLines(const LogLines&) = delete;
  LogLines& operator=(const LogLines&) = delete;

  [[nodiscard]] std::size_t count(std::string_view part) const {
    const std::lock_guard lock(mutex_);
    return count_locked(part);
  }
  // False if no line with `part` in it comes.
  [[nodiscard]] bool wait_for(std::string_view part) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kHang, [&] { return count_locked(part) > 0; });
  }
  [[nodiscard]] std::string text() const {
    const std::lock_guard lock(mutex_);
    std::string all;
    for (const std::string& line : lines_) all += line + "\n";
    return all;
  }

 private:
  std::size_t count_locked(std::string_view part) const {
    return static_cast<std::size_t>(
        std::ranges::count_if(lines_, [&](const std::string& line) { return line.contains(part); }));
  }
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> lines_;
};

// Futures that are made on the test's thread belong to `loop`, whose turns the test takes itself.
class LoopTest : public ::testing::Test {
 protected:
  LoopTest() { LoopHandle::set_thread_default(&loop.handle()); }
  ~LoopTest() override { LoopHandle::set_thread_default(nullptr); }

  // Turns until there is nothing to do.
  void settle() {
    constexpr int kTooMany = 100'000;
    int turns = 0;
    while (loop.run_once(false)) {
      ASSERT_LT(++turns, kTooMany) << "the loop never comes to rest";
    }
  }

  ManualClock clock;
  EventLoop loop{{}, clock};
};

// While one lives, this thread runs a call of `activity`.
class RunsFor {
 public:
  RunsFor(LoopHandle& loop, const Activity* activity, TimePoint deadline = TimePoint::max(), std::uint8_t tag = 0,
          const std::shared_ptr<const CallerInfo>& caller = nullptr, void* owner = nullptr)
      : origin_(detail::ContextOrigin::make(loop, caller, owner)),
        lazy_{.origin = *origin_, .deadline = deadline, .activity = activity, .tag = tag},
        scope_(lazy_) {}
  ~RunsFor() { origin_->drop_reference(); }
  RunsFor(const RunsFor&) = delete;
  RunsFor& operator=(const RunsFor&) = delete;

 private:
  detail::ContextOrigin* origin_;
  detail::LazyContext lazy_;
  detail::CurrentContext scope_;
};

}  // namespace onward::test
