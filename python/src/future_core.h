// SPDX-License-Identifier: Apache-2.0
//
// What stands behind a Future of Python. The kernel completes it without the GIL, by a value as it came, which is
// decoded by whoever looks at it first. Python's callbacks run on the event thread.
#pragma once

#include <pybind11/pybind11.h>

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <utility>

#include "event_thread.h"
#include "onward/call_context.h"
#include "onward/status.h"
#include "values.h"

namespace onward::python {

class FutureCore;
class PyCall;

// Told once of a Future's end, on the event thread with the GIL.
class Observer {
 public:
  // Then it is destroyed.
  virtual void run(FutureCore& core) noexcept = 0;
  // Offers a value that has come, in place of run(), to one that needs no GIL: true if it has taken it.
  virtual bool pass_on(RawValue&) noexcept { return false; }
  // Whether run() may be called at once, by whoever completes the Future with the GIL: it runs no code of users.
  [[nodiscard]] virtual bool runs_at_once() const noexcept { return false; }
  // For the garbage collector.
  virtual int traverse(visitproc, void*) noexcept { return 0; }
  virtual ~Observer() = default;

 private:
  friend class FutureCore;
  Observer* next_ = nullptr;
};

// A line of Python code.
struct Origin {
  AnyThreadRef code;
  int instruction = -1;

  // Of the function that called into this module. With the GIL.
  [[nodiscard]] static Origin here() noexcept;
  // "worker.py:12 in my_add_3"; empty if there is none.
  [[nodiscard]] std::string text() const;
};

class FutureCore final : public EventTask {
 public:
  enum class Phase : std::uint8_t { kPending, kClaimed, kRaw, kValue, kFailed };
  // What else is done when a producer is cancelled; on any thread, with the GIL.
  using Cancel = void (*)(FutureCore&);

  // One reference. `produced`: it will be completed by other than a Python object of Future.
  [[nodiscard]] static FutureCore* make(bool produced, Origin origin = {}) {
    return new FutureCore(produced, std::move(origin));
  }
  void add_reference() noexcept { references_.fetch_add(1, std::memory_order_relaxed); }
  void drop_reference() noexcept {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }
  FutureCore(const FutureCore&) = delete;
  FutureCore& operator=(const FutureCore&) = delete;

  [[nodiscard]] bool done() const noexcept { return phase_.load(std::memory_order_acquire) >= Phase::kRaw; }
  // Nobody has completed it, nor has the right to.
  [[nodiscard]] bool pending() const noexcept { return phase_.load(std::memory_order_acquire) == Phase::kPending; }

  // False if it was completed before. Any thread, with the GIL or without.
  bool complete(RawValue value) noexcept;
  bool complete(AnyThreadRef value) noexcept;
  bool fail(const Status& error) noexcept;
  // With the GIL. A value that is a Future is waited for: false if it was completed, or is to be, before.
  bool set_value(PyObject* value);
  bool set_exception(PyObject* exception);

  // With the GIL, from here on.
  // Takes it. Runs it later, or at once if it may.
  void add_observer(Observer& observer) noexcept;
  // A new reference to the value; null with the error set. Once done.
  [[nodiscard]] PyObject* value();
  // A new reference to the exception; null if it has a value. Once done.
  [[nodiscard]] PyObject* exception();
  // The error, or what the exception would be to others. Once done; OK for a value.
  [[nodiscard]] Status status();
  // Blocks until done: 1; 0 at `timeout`, in seconds; -1 with the Python error set: of a signal, or where this thread
  // must not wait.
  [[nodiscard]] int wait(std::optional<double> timeout);
  void set_observed() noexcept { observed_.store(true, std::memory_order_relaxed); }
  // Nobody looks at it by this any more: its Python object is gone.
  void wrapper_gone() noexcept;
  [[nodiscard]] PyObject* wrapper() const noexcept { return wrapper_; }
  void set_wrapper(PyObject* wrapper) noexcept { wrapper_ = wrapper; }
  [[nodiscard]] bool solely_owned() const noexcept { return references_.load(std::memory_order_acquire) == 1; }
  int traverse(visitproc visit, void* argument) noexcept;
  void clear() noexcept;
  // What cancels whoever produces it; null if nothing does.
  void set_cancel(Cancel cancel) noexcept { cancel_ = cancel; }
  [[nodiscard]] Cancel canceller() const noexcept { return cancel_; }
  // The call that produces it; the kernel thread's.
  PyCall* call = nullptr;

  // How long a thread that waits looks again and again before it sleeps.
  static void set_spin(Duration most) noexcept;
  // All that wait, now or later, fail with this; an empty one: no more.
  static void end_waits(const Status& reason) noexcept;

  void run() noexcept override;  // its observers

  struct Waiter;

 private:
  explicit FutureCore(bool produced, Origin origin) noexcept : origin_(std::move(origin)), produced_(produced) {}
  ~FutureCore();

  // With mutex_ held: what follows from the end of it. Unlocks.
  void publish(Phase phase, std::unique_lock<std::mutex>& lock, bool has_gil) noexcept;
  bool follow(FutureCore& other);
  bool enter(Waiter& waiter) noexcept;
  [[nodiscard]] bool spin(std::optional<double> timeout) const;
  void leave(Waiter& waiter) noexcept;
  // Returns the next.
  static Waiter* wake(Waiter& waiter) noexcept;
  void decode();
  void schedule() noexcept;

  std::atomic<std::uint32_t> references_{1};
  std::atomic<Phase> phase_{Phase::kPending};
  bool scheduled_ = false;
  bool decoding_ = false;
  std::atomic<bool> observed_{false};
  std::mutex mutex_;
  Observer* first_ = nullptr;
  Observer** last_ = &first_;
  Waiter* waiters_ = nullptr;
  RawValue raw_;
  Status error_;
  AnyThreadRef value_;  // or the exception
  Origin origin_;
  PyObject* wrapper_ = nullptr;  // not counted
  Cancel cancel_ = nullptr;
  bool produced_;
  friend class LinkObserver;
};

class CoreRef {
 public:
  CoreRef() noexcept = default;
  explicit CoreRef(FutureCore* adopted) noexcept : core_(adopted) {}
  [[nodiscard]] static CoreRef share(FutureCore& core) noexcept {
    core.add_reference();
    return CoreRef(&core);
  }
  CoreRef(CoreRef&& other) noexcept : core_(std::exchange(other.core_, nullptr)) {}
  CoreRef(const CoreRef& other) noexcept : core_(other.core_) {
    if (core_ != nullptr) core_->add_reference();
  }
  CoreRef& operator=(CoreRef other) noexcept {
    std::swap(core_, other.core_);
    return *this;
  }
  ~CoreRef() {
    if (core_ != nullptr) core_->drop_reference();
  }
  [[nodiscard]] FutureCore* get() const noexcept { return core_; }
  FutureCore* operator->() const noexcept { return core_; }
  FutureCore& operator*() const noexcept { return *core_; }

 private:
  FutureCore* core_ = nullptr;
};

// While one is alive, a Future whose Python object goes before it was completed fails with `cause` rather than with
// "broken promise". With the GIL, and no Python code in between.
class BreakScope {
 public:
  explicit BreakScope(Status cause) noexcept : cause_(std::move(cause)), outer_(current_) { current_ = this; }
  ~BreakScope() { current_ = outer_; }
  BreakScope(const BreakScope&) = delete;
  BreakScope& operator=(const BreakScope&) = delete;
  [[nodiscard]] bool used() const noexcept { return used_; }
  [[nodiscard]] const Status& cause() const noexcept { return cause_; }
  // The cause, or that of a broken promise.
  [[nodiscard]] static Status take() noexcept;

 private:
  Status cause_;
  BreakScope* outer_;
  bool used_ = false;
  static thread_local BreakScope* current_;
};

// future_type.cpp
[[nodiscard]] bool is_future(PyObject* object) noexcept;
// Of a Future object.
[[nodiscard]] FutureCore& core_of(PyObject* future) noexcept;
// The Python object of a core: the one that there is, or a new one. A new reference.
[[nodiscard]] PyObject* wrapper_of(FutureCore& core);
void bind_future(py::module_& module);

// A number of seconds or a timedelta; false with the Python error set.
[[nodiscard]] bool parse_seconds(PyObject* value, double& out);
// From here on it is for ever: three hundred years do not fit the clock.
inline constexpr double kForEverSeconds = 1e9;

// The timeout in a call: None or 0, none; -1 or absent, as the node's default is. False with the Python error set.
struct Timeout {
  bool is_default = true;
  std::optional<double> seconds;  // none: for ever
};
[[nodiscard]] bool parse_timeout(PyObject* value, Timeout& out);

}  // namespace onward::python
