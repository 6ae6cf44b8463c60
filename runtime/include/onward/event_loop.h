// SPDX-License-Identifier: Apache-2.0
//
// The heart of a node: one thread that runs everything that does not block. A turn is
//   poll for I/O, at most until the next timer  ->  I/O callbacks  ->  tasks posted by other threads
//   ->  timers that are due  ->  ready tasks (bounded)  ->  flush what was written  ->  free the dead.
// libevent does the polling; its header is seen by event_loop.cpp alone. The outer loop is ours:
// libevent 2.1 has no hook before its poll.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "onward/clock.h"
#include "onward/export.h"
#include "onward/function_name.h"
#include "onward/status.h"
#include "onward/timing_wheel.h"

struct event;
struct event_base;

namespace onward {

class EventLoop;
class Node;

namespace detail {

class ContextState;

template <class T>
void destroy(void* object) {
  delete static_cast<T*>(object);
}

}  // namespace detail

// A thing to do once, on the loop's thread, from the ready queue. Intrusive: queueing allocates
// nothing. Exactly one of run() and drop() is called, and may destroy the task.
class ONWARD_API LoopTask {
 public:
  virtual void run() noexcept = 0;
  // The loop is gone; `run` will never be called. Any thread.
  virtual void drop() noexcept = 0;

 protected:
  ~LoopTask() = default;

 private:
  friend class EventLoop;
  friend class LoopHandle;
  friend struct TaskList;
  LoopTask* next_task_ = nullptr;
};

// A loop as seen from elsewhere: may be kept longer than the loop and used from any thread. Counted;
// made by the EventLoop. After the loop's end, tasks are dropped.
class ONWARD_API LoopHandle {
 public:
  // From the loop's thread: to the end of its ready queue. From others: into its inbox, waking it.
  // A task whose loop has ended is dropped before this returns.
  void schedule(LoopTask& task) noexcept;
  // The same for a function, which must not throw.
  void post(std::move_only_function<void()> function);
  [[nodiscard]] bool in_loop_thread() const noexcept;
  // After end_waits(), or the loop's end.
  [[nodiscard]] bool waits_ended() const noexcept;

  // Calls `wake(who)` when the loop ends, from its thread, unless cancelled before; false, and no call,
  // if it has ended. cancel_on_close() waits for a call that is under way.
  bool on_close(void* who, void (*wake)(void*));
  void cancel_on_close(const void* who) noexcept;
  // Wakes all that on_close() knows now, and refuses later ones: nobody waits from here on.
  void end_waits() noexcept;

  // The node that the loop belongs to; null where there is none.
  [[nodiscard]] Node* owner() const noexcept { return owner_.load(std::memory_order_acquire); }
  void set_owner(Node* node) noexcept { owner_.store(node, std::memory_order_release); }
  // The loop's time: frozen during a turn for its own thread, else as the clock says.
  [[nodiscard]] TimePoint now() const noexcept;

  static void retain(LoopHandle* handle) noexcept;
  static void release(LoopHandle* handle) noexcept;

  // The handle of the loop that this thread runs, or, on a pool thread, of its node's loop, or the
  // process's default; null when there is none. Not retained.
  [[nodiscard]] static LoopHandle* current() noexcept;
  static void set_thread_default(LoopHandle* handle) noexcept;   // for pool threads; not retained
  static void set_process_default(LoopHandle* handle) noexcept;  // retained until replaced

 private:
  friend class EventLoop;
  struct State;
  LoopHandle(EventLoop* loop, Clock& clock);
  ~LoopHandle();
  std::unique_ptr<State> state_;
  Clock& clock_;
  std::atomic<Node*> owner_{nullptr};
  std::atomic<std::uint32_t> references_{1};
};

// Something that collects output during a turn and writes it at its end.
class ONWARD_API Flushable {
 public:
  virtual void flush() = 0;

 protected:
  ~Flushable();  // leaves the loop's list, if it stands in one

 private:
  friend class EventLoop;
  EventLoop* flush_loop_ = nullptr;
  std::size_t flush_index_ = 0;
};

// Something that another process changes in memory, where a loop that is awake looks without a system call.
// While it stands in the loop's list it is looked at in every turn: until the loop sleeps, or it has been idle for
// long.
class ONWARD_API Pollable {
 public:
  // Quick: whether work() has something to do.
  [[nodiscard]] virtual bool has_work() noexcept = 0;
  virtual void work() = 0;
  // The loop is about to take this out of its list: what changes from here on must wake it through a descriptor.
  // False if something has changed already.
  [[nodiscard]] virtual bool prepare_sleep() noexcept = 0;

 protected:
  ~Pollable();  // leaves the loop's list, if it stands in it

 private:
  friend class EventLoop;
  EventLoop* poll_loop_ = nullptr;
  std::size_t poll_index_ = 0;
  unsigned idle_turns_ = 0;
};

struct EventLoopOptions {
  // How long to keep polling without sleeping after something has happened. Saves the wake-up, tens of
  // microseconds on a virtual machine, for a core's worth of CPU. 0: sleep at once; an idle loop then
  // uses no CPU at all.
  Duration busy_poll = Duration::zero();
  // A callback that takes longer is reported, once per occurrence. 0: none is.
  Duration slow_callback = std::chrono::milliseconds(100);
  // Where reports go; default: the log, at level warning. On the loop's thread.
  std::function<void(const std::string& activity, Duration held)> on_slow_callback = {};
};

class ONWARD_API EventLoop {
 public:
  // Throws RpcError(RESOURCE_EXHAUSTED) if the system has no descriptors left. `clock` must outlive it.
  explicit EventLoop(EventLoopOptions options = {}, Clock& clock = Clock::steady());
  // On the thread that ran it, or when none runs it. Drops what is queued.
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  // Turns until stop(). The calling thread becomes the loop's thread.
  void run();
  // One turn. With `may_sleep` it waits for something to happen, without it only looks. Returns whether
  // anything was done. For tests and for programs that own their loop.
  bool run_once(bool may_sleep = true);
  // Ends run() after the turn. Any thread.
  void stop();

  // Runs `function` on the loop's thread, in a later step, in the order posted. Any thread; wakes the
  // loop. Dropped if the loop ends first. It must not throw.
  void post(std::move_only_function<void()> function) { handle_->post(std::move(function)); }
  // The same, allocating nothing; see LoopHandle::schedule.
  void schedule(LoopTask& task) noexcept { handle_->schedule(task); }
  [[nodiscard]] LoopHandle& handle() noexcept { return *handle_; }

  // Time as of this turn's start: frozen during the turn.
  [[nodiscard]] TimePoint now() const noexcept { return now_; }
  // now() + delay; the end of time where that is later than a clock can tell.
  [[nodiscard]] TimePoint deadline_in(Duration delay) const noexcept {
    return delay > TimePoint::max() - now_ ? TimePoint::max() : now_ + std::max(delay, Duration::zero());
  }
  [[nodiscard]] Clock& clock() const noexcept { return clock_; }
  // How many turns there were.
  [[nodiscard]] std::uint64_t turns() const noexcept { return turns_; }
  // Whether what is read now may have waited for longer than that: while the turn before went on, and this one until
  // the last callback_done(). Cheap where it has not. Loop thread only.
  [[nodiscard]] bool input_is_older(Duration than) const noexcept {
    if (!manual_clock_ && !has_passed(callback_cycles_ - oldest_input_cycles_, than)) [[likely]]
      return false;
    return input_is_older_by_clock(than);
  }
  // Whether this turn had gone on for about that long at the last callback_done(); on processors that count faster than
  // nanoseconds, for less. Loop thread only.
  [[nodiscard]] bool turn_exceeds(Duration time) const noexcept {
    if (manual_clock_) return clock_.now() - now_ > time;
    return has_passed(callback_cycles_ - turn_cycles_, time);
  }
  // How long the turn before took, without its sleep.
  [[nodiscard]] Duration last_turn() const noexcept { return manual_clock_ ? last_turn_ : time_of(last_turn_cycles_); }

  // Polls without sleeping until so long from now, for what is known to come sooner than a sleeping thread
  // would wake up. Returns when that will be over. Loop thread only.
  TimePoint stay_awake(Duration time) noexcept {
    const TimePoint until = clock_.now() + time;
    busy_until_ = std::max(busy_until_, until);
    return until;
  }

  // Timers in milliseconds, rounded up: one never fires early. Loop thread only; O(1).
  void arm(WheelTimer& timer, TimePoint deadline);
  void disarm(WheelTimer& timer) noexcept { wheel_.cancel(timer); }

  // Calls flush() once at the end of this turn, however often it is asked. Loop thread only.
  void flush_later(Flushable& flushable);

  // Looks at it in every turn until the loop next sleeps. Loop thread only.
  void look_at(Pollable& pollable);

  // Destroys `object` at the end of the turn; one that has on_dispose() is told at once. Loop thread only.
  template <class T>
  void dispose(std::unique_ptr<T> object) {
    if (!object) return;
    if constexpr (requires { object->on_dispose(); }) object->on_dispose();
    dispose_erased({object.release(), detail::destroy<T>});
  }

  [[nodiscard]] bool in_loop_thread() const noexcept { return handle_->in_loop_thread(); }
  // The loop that this thread runs; null on any other thread.
  [[nodiscard]] static EventLoop* current() noexcept;
  // Throws RpcError(FAILED_PRECONDITION), with what to do instead, when called on a loop's thread.
  static void check_may_block(const char* what);

  // The context of what runs here for no call; see CallContext. Loop thread only.
  [[nodiscard]] detail::ContextState& background() const noexcept { return *background_; }
  // Cancels what was begun in it; what begins from here on has a new one. Loop thread only.
  void cancel_background(const Status& reason);

  // Ends the measurement of one callback and begins the next. Called by whoever runs user code.
  void callback_done(const Activity* activity) noexcept;

 private:
  friend class LoopHandle;
  friend class Flushable;
  friend class IoWatcher;
  friend class Pollable;
  struct Grave {
    void* object;
    void (*destroy)(void*);
  };
  void dispose_erased(Grave grave);
  void close_descriptors() noexcept;
  void push_ready(LoopTask& task) noexcept;
  void begin_turn() noexcept;
  void poll(bool may_sleep);
  bool look_at_memory(bool may_retire);
  void stop_looking_at(Pollable& pollable) noexcept;
  bool prepare_sleep() noexcept;
  void arm_poll_timer();
  bool run_ready();
  bool take_inbox();
  void flush_all();
  void bury();
  [[nodiscard]] Duration time_of(std::uint64_t cycles) const noexcept;
  // A counter ticks at least once a nanosecond, or is one: below a time in ticks is below it.
  [[nodiscard]] static bool has_passed(std::uint64_t cycles, Duration time) noexcept {
    return cycles > static_cast<std::uint64_t>(time.count());
  }
  [[nodiscard]] bool input_is_older_by_clock(Duration than) const noexcept;
  void report_slow(const Activity* activity, std::uint64_t cycles);

  Clock& clock_;
  EventLoopOptions options_;
  LoopHandle* handle_;
  event_base* base_ = nullptr;
  event* wake_event_ = nullptr;
  event* timer_event_ = nullptr;
  int wake_fd_ = -1;
  int timer_fd_ = -1;
  TimePoint now_;
  TimePoint busy_until_;
  TimePoint poll_timer_at_ = TimePoint::min();  // in the past: not armed
  TimingWheel wheel_;
  LoopTask* ready_head_ = nullptr;
  LoopTask* ready_tail_ = nullptr;
  std::vector<Flushable*> dirty_;
  std::vector<Pollable*> polled_;
  unsigned turns_without_poll_ = 0;
  std::vector<Grave> graves_;
  detail::ContextState* background_ = nullptr;
  std::chrono::steady_clock::time_point started_;
  std::uint64_t started_cycles_;
  std::uint64_t callback_cycles_ = 0;
  std::uint64_t turns_ = 0;
  std::uint64_t turn_cycles_ = 0;          // at the turn's begin
  std::uint64_t last_turn_cycles_ = 0;     // that the turn before took
  std::uint64_t oldest_input_cycles_ = 0;  // so much before this one's begin
  Duration last_turn_{};                   // the same by the clock, where tests move it
  const bool manual_clock_;
  bool turn_begun_ = false;
  bool stopping_ = false;
  bool happened_ = false;
};

// Readiness of one file descriptor: level-triggered, or, if asked for, edge-triggered. Does not own the descriptor;
// destroy the watcher before closing it. Loop thread only.
class ONWARD_API IoWatcher {
 public:
  using Callback = void (*)(void* context);
  // The callbacks run on the loop's thread and may destroy what owns the watcher only through dispose().
  IoWatcher(EventLoop& loop, int fd, void* context, Callback on_readable, Callback on_writable,
            bool edge_triggered = false);
  ~IoWatcher();
  IoWatcher(const IoWatcher&) = delete;
  IoWatcher& operator=(const IoWatcher&) = delete;

  void watch_readable(bool on);
  void watch_writable(bool on);

 private:
  EventLoop& loop_;
  void* context_;
  Callback on_readable_;
  Callback on_writable_;
  event* read_event_ = nullptr;
  event* write_event_ = nullptr;
  bool reading_ = false;
  bool writing_ = false;
};

// A timer with a function, for what is not on a hot path. Loop thread only; cancelled when destroyed.
class ONWARD_API Timer {
 public:
  Timer(EventLoop& loop, std::move_only_function<void()> on_expired);
  ~Timer();
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  // (Re)starts it; it fires once. Moving an armed timer is cheap.
  void arm(Duration delay);
  void cancel() noexcept;
  [[nodiscard]] bool armed() const noexcept;

 private:
  struct Entry final : WheelTimer {
    Entry(EventLoop& owner, std::move_only_function<void()> function) : loop(owner), on_expired(std::move(function)) {}
    void on_timer() override {
      EventLoop& running = loop;  // the callback may destroy this
      on_expired();
      running.callback_done(nullptr);
    }
    EventLoop& loop;
    std::move_only_function<void()> on_expired;
  };
  Entry entry_;
};

}  // namespace onward
