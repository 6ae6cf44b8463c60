// SPDX-License-Identifier: Apache-2.0
//
// What stands behind a Future: one counted, pooled object. Users want future.h.
//
// Two counts in one word. References keep the state; completers are those references that could still
// complete it (every Future handle, every kernel object that will). When the completers are gone before
// it was completed, it fails: a broken promise. Observers (a response that waits to be sent, a thread
// that waits) are references only.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <source_location>
#include <type_traits>
#include <utility>
#include <variant>

#include "onward/context_state.h"
#include "onward/event_loop.h"
#include "onward/export.h"
#include "onward/object_pool.h"
#include "onward/status.h"

namespace onward::detail {

class FutureStateBase;

// What the loop's end leaves for Futures that nobody can answer any more.
[[nodiscard]] ONWARD_API const Status& node_ended() noexcept;

// Run once, on the loop's thread, after completion; then it is gone. Pooled.
class ONWARD_API FutureCallback {
 public:
  // Runs and destroys itself. `last` if nothing else will read the state's value: it may be moved out.
  virtual void run(FutureStateBase& state, bool last) noexcept = 0;
  // The loop has ended: destroys itself without running user code; children fail with `reason`.
  virtual void drop(const Status& reason) noexcept = 0;

 protected:
  FutureCallback() : context_(capture_context()) {}
  ~FutureCallback() = default;
  // That it was made in, and runs in. May be null.
  [[nodiscard]] ContextState* context() const noexcept { return context_.get(); }

 private:
  friend class FutureStateBase;
  FutureCallback* next_ = nullptr;
  FutureCallback* previous_ = nullptr;  // of the first: the last
  ContextRef context_;
};

// While one is alive on this thread, a Future whose last completer goes fails with `cause` rather than
// with "broken promise": the callback that held it was skipped, or threw, for that reason.
class ONWARD_API BreakScope {
 public:
  explicit BreakScope(const Status& cause) noexcept : cause_(cause), outer_(current_) { current_ = this; }
  ~BreakScope() { current_ = outer_; }
  BreakScope(const BreakScope&) = delete;
  BreakScope& operator=(const BreakScope&) = delete;
  // Whether a Future has taken the cause over.
  [[nodiscard]] bool used() const noexcept { return used_; }

 private:
  friend class FutureStateBase;
  const Status& cause_;
  BreakScope* outer_;
  bool used_ = false;
  static constinit thread_local BreakScope* current_;
};

// A thread that waits. Stands in the state's list and in its loop's, under their locks.
struct Waiter {
  std::mutex mutex;
  std::condition_variable changed;
  bool woken = false;
  Waiter* next = nullptr;

  void wake() {
    const std::lock_guard lock(mutex);
    woken = true;
    changed.notify_one();
  }
};

class ONWARD_API FutureStateBase : public LoopTask {
 public:
  enum class Phase : std::uint8_t { kPending, kClaimed, kValue, kError };

  FutureStateBase(const FutureStateBase&) = delete;
  FutureStateBase& operator=(const FutureStateBase&) = delete;

  void add_reference() noexcept { counts_.fetch_add(1, std::memory_order_relaxed); }
  // Without a locked instruction where nobody else has any.
  void drop_reference() noexcept {
    if (counts_.load(std::memory_order_acquire) == 1 ||
        (counts_.fetch_sub(1, std::memory_order_acq_rel) & kReferences) == 1) {
      destroy();
    }
  }
  // A completer is a reference too.
  void add_completer() noexcept {
    shared_.store(true, std::memory_order_relaxed);
    counts_.fetch_add(kCompleter + 1, std::memory_order_relaxed);
  }
  void drop_completer() noexcept {
    if (done()) {
      if (counts_.load(std::memory_order_acquire) == kCompleter + 1 ||
          (counts_.fetch_sub(kCompleter + 1, std::memory_order_acq_rel) & kReferences) == 1) {
        destroy();
      }
      return;
    }
    drop_pending_completer();
  }

  [[nodiscard]] bool done() const noexcept { return phase_.load(std::memory_order_acquire) >= Phase::kValue; }
  [[nodiscard]] bool failed() const noexcept { return phase_.load(std::memory_order_acquire) == Phase::kError; }
  // Only once failed.
  [[nodiscard]] const Status& error() const noexcept { return error_; }
  [[nodiscard]] bool sole_reference() const noexcept {
    return (counts_.load(std::memory_order_acquire) & kReferences) == 1;
  }

  // False if it was completed before.
  bool try_fail(Status error) noexcept;
  // As try_fail, but a later completion by the user is no error: it is dropped.
  bool abandon(Status error) noexcept;
  [[nodiscard]] bool abandoned() const noexcept { return abandoned_.load(std::memory_order_relaxed); }

  // Binds a state that was made without a loop to the current one; throws FAILED_PRECONDITION where there
  // is none. Before the first callback.
  void require_loop();
  // Takes the callback, which is pooled.
  void add_callback(FutureCallback& callback) noexcept;
  // Takes back one that was added; false if it is too late for that: then it will run, or is dropped. Any thread.
  bool remove_callback(FutureCallback& callback) noexcept;
  // A coroutine that waits for it is not woken up before it is done: remove_callback() is always too late. Before it is
  // shared.
  void shield() noexcept { shielded_ = true; }
  // Of a thread, or a coroutine, that waits through a handle, and so cannot complete the Future by it.
  void begin_wait() noexcept;
  void end_wait() noexcept { waiting_.fetch_sub(1, std::memory_order_seq_cst); }
  // The error has been or will be looked at: it need not be reported.
  void set_observed() noexcept { observed_.store(true, std::memory_order_relaxed); }

  // Blocks until done; false at the deadline. Throws FAILED_PRECONDITION on a kernel thread and
  // UNAVAILABLE when the loop ends.
  bool wait_until(std::optional<std::chrono::steady_clock::time_point> deadline);

  [[nodiscard]] LoopHandle* loop() const noexcept { return loop_; }

  // LoopTask: runs the callbacks, first added first.
  void run() noexcept final;
  void drop() noexcept final;

 protected:
  // One completer, for whoever makes it. `loop` may be null: then the first callback binds it.
  FutureStateBase(LoopHandle* loop, std::source_location origin) noexcept;
  ~FutureStateBase();

  // Claims the right to complete; then the value is made, then publish() makes it visible.
  bool claim() noexcept {
    Phase expected = Phase::kPending;
    return phase_.compare_exchange_strong(expected, Phase::kClaimed, std::memory_order_acq_rel);
  }
  void publish(Phase phase) noexcept;
  void set_error(Status error) noexcept;

 private:
  static constexpr std::uint64_t kCompleter = std::uint64_t{1} << 32;
  static constexpr std::uint64_t kReferences = kCompleter - 1;

  class SpinLock {
   public:
    explicit SpinLock(FutureStateBase& state) noexcept : state_(state) {
      if (state_.locked_.exchange(true, std::memory_order_acquire)) contend();
    }
    ~SpinLock() { state_.locked_.store(false, std::memory_order_release); }
    SpinLock(const SpinLock&) = delete;
    SpinLock& operator=(const SpinLock&) = delete;

   private:
    void contend() noexcept;
    FutureStateBase& state_;
  };

  virtual void store_error(const Status& error) noexcept = 0;
  virtual void free() noexcept = 0;
  void destroy() noexcept;
  void drop_pending_completer() noexcept;
  void break_promise() noexcept;
  void leave_waiters(Waiter& waiter) noexcept;
  [[nodiscard]] FutureCallback* take_callbacks() noexcept;

  std::atomic<std::uint64_t> counts_{kCompleter + 1};
  LoopHandle* loop_;
  FutureCallback* first_ = nullptr;
  Waiter* waiters_ = nullptr;
  Status error_;  // while pending: why a callback that held a completer was dropped
  std::source_location origin_;
  std::atomic<std::uint16_t> waiting_{0};
  std::atomic<Phase> phase_{Phase::kPending};
  std::atomic<bool> locked_{false};
  std::atomic<bool> shared_{false};
  std::atomic<bool> observed_{false};
  std::atomic<bool> abandoned_{false};
  bool scheduled_ : 1 = false;  // under the lock, both
  bool shielded_ : 1 = false;
};

// Holds Result<T>; void is stored as std::monostate.
template <class T>
class FutureState final : public FutureStateBase {
 public:
  using Stored = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

  explicit FutureState(LoopHandle* loop, std::source_location origin = {}) noexcept : FutureStateBase(loop, origin) {}

  template <class... Args>
  bool try_complete(Args&&... args) {
    if (!claim()) return false;
    try {
      new (&result_) Result<Stored>(std::in_place, std::forward<Args>(args)...);
    } catch (...) {
      const Status error = status_from_current_exception();
      set_error(error);
      store_error(error);
      publish(Phase::kError);
      return true;
    }
    publish(Phase::kValue);
    return true;
  }

  // Only once done.
  [[nodiscard]] Result<Stored>& result() noexcept { return result_; }

 private:
  ~FutureState() {
    if (done()) result_.~expected();
  }
  void store_error(const Status& error) noexcept override { new (&result_) Result<Stored>(std::unexpect, error); }
  void free() noexcept override { pool_delete(this); }
  template <class U>
  friend void onward::pool_delete(U*) noexcept;

  union {
    Result<Stored> result_;
  };
};

}  // namespace onward::detail
