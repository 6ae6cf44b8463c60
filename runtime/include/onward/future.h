// SPDX-License-Identifier: Apache-2.0
//
// A value that comes later. In the RFC's words a Future is both ends at once: the user function creates
// an empty one, keeps a copy, returns it, and marks it complete when the value is there.
//
//   Future<int> ret;
//   rpc_async(dst, my_add_2, a, b).add_callback([=](int sum) { ret.mark_complete(sum + c); });
//   return ret;
//
// Threads: every method may be called from any thread. Callbacks always run on the kernel thread of the
// node that the Future was made on, so they need no locks and must not block; never from inside
// mark_complete() or add_callback(), but from the ready queue of the same turn, first added first run.
// A Future made on a thread that belongs to no node uses the process's node (init_rpc).
//
// A handle is one pointer. Copying it shares the state. The Future fails with ABORTED, "broken promise",
// as soon as the last handle that could complete it is gone; if that handle was captured by a callback
// that was skipped because of an error, or that threw, the Future fails with this error instead: a chain
// of callbacks passes errors on without being told to. While a thread is in wait(), the handle that it
// waits on does not count (unless it was never copied).
#pragma once

#include <chrono>
#include <concepts>
#include <source_location>
#include <type_traits>
#include <utility>
#include <variant>

#include "onward/future_state.h"
#include "onward/status.h"

namespace onward {

template <class T>
class Future;
template <class T = void>
class Task;  // onward/task.h

namespace detail {

template <class T>
struct FutureTraits {
  static constexpr bool is_future = false;
  static constexpr bool is_result = false;
  using Value = T;
};
template <class T>
struct FutureTraits<Future<T>> {
  static constexpr bool is_future = true;
  static constexpr bool is_result = false;
  using Value = T;
};
template <class T>
struct FutureTraits<Result<T>> {
  static constexpr bool is_future = false;
  static constexpr bool is_result = true;
  using Value = T;
};
// What a function that returns R gives when it has completed: Future and Result are opened, also when
// nested.
template <class R>
struct CompletedValue {
  using Type = R;
};
template <class T>
struct CompletedValue<Future<T>> : CompletedValue<T> {};
template <class T>
struct CompletedValue<Result<T>> : CompletedValue<T> {};
template <>
struct CompletedValue<Status> {
  using Type = void;
};

template <class F, class T>
decltype(auto) invoke_with(F& function, const T& value) {
  return function(value);
}
template <class F>
decltype(auto) invoke_with(F& function, const std::monostate&) {
  return function();
}
template <class F, class T>
struct InvokeResult {
  using Type = std::invoke_result_t<F&, const T&>;
};
template <class F>
struct InvokeResult<F, void> {
  using Type = std::invoke_result_t<F&>;
};

template <class T>
inline constexpr bool kIsTask = false;
template <class T>
inline constexpr bool kIsTask<Task<T>> = true;

struct FutureAccess;

}  // namespace detail

template <class T>
class [[nodiscard]] Future {
 public:
  using Value = T;
  using Stored = typename detail::FutureState<T>::Stored;

  // Empty: to be completed by whoever holds a handle.
  explicit Future(LoopHandle* loop = LoopHandle::current(),
                  std::source_location origin = std::source_location::current())
      : state_(pool_new<detail::FutureState<T>>(loop, origin)) {}
  Future(const Future& other) noexcept : state_(other.state_) {
    if (state_ != nullptr) state_->add_completer();
  }
  Future(Future&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
  Future& operator=(Future other) noexcept {
    std::swap(state_, other.state_);
    return *this;
  }
  ~Future() {
    if (state_ != nullptr) state_->drop_completer();
  }

  // Completed already.
  [[nodiscard]] static Future of(Stored value) {
    Future future;
    future.state_->try_complete(std::move(value));
    return future;
  }
  [[nodiscard]] static Future of()
    requires std::is_void_v<T>
  {
    return of(std::monostate{});
  }
  [[nodiscard]] static Future failed(Status error) {
    Future future;
    future.state_->try_fail(std::move(error));
    return future;
  }

  // Completes it. Throws RpcError(FAILED_PRECONDITION) if it has been completed before, either way.
  void mark_complete(Stored value) const
    requires(!std::is_void_v<T>)
  {
    if (!state_->try_complete(std::move(value))) refuse();
  }
  void mark_complete() const
    requires std::is_void_v<T>
  {
    if (!state_->try_complete()) refuse();
  }
  void mark_error(Status error) const {
    if (!state_->try_fail(std::move(error))) refuse();
  }
  void mark_error(const std::exception_ptr& error) const { mark_error(status_from(error)); }
  // The same without complaint: false if it has been completed before.
  bool try_complete(Stored value) const { return state_->try_complete(std::move(value)); }
  bool try_fail(Status error) const { return state_->try_fail(std::move(error)); }

  // True on either outcome.
  [[nodiscard]] bool done() const noexcept { return state_->done(); }
  // Throws the error if it failed (Status::throw_if_error), FAILED_PRECONDITION if it is not done. Does not block.
  [[nodiscard]] const Stored& value() const;
  // OK while pending and after success. An error that has been asked for is not reported again.
  [[nodiscard]] Status status() const {
    if (!state_->done()) return {};
    state_->set_observed();
    return state_->failed() ? state_->error() : Status();
  }

  // Blocks this thread until done; then the value, or throws the error, any number of times. Throws
  // FAILED_PRECONDITION at once on a kernel thread, UNAVAILABLE if the node shuts down meanwhile.
  Stored wait() const& {
    state_->wait_until(std::nullopt);
    return value();
  }
  Stored wait() && {
    state_->wait_until(std::nullopt);
    return take();
  }
  // DEADLINE_EXCEEDED after `timeout`; the Future itself goes on.
  Stored wait(Duration timeout) const;

  // Runs `function(value)` (no argument for void) once it has succeeded. When it fails, `function` is
  // destroyed without being called, and Futures that it captured inherit the error. If `function`
  // throws, the same happens with what it threw. What it returns is ignored.
  template <class F>
  const Future& add_callback(F function) const;
  // A Future of what `function(value)` returns; a returned Future or Result is opened. Errors skip
  // `function` and go on to the child; what `function` throws fails the child alone.
  template <class F>
  auto then(F function, std::source_location origin = std::source_location::current()) const
      -> Future<typename detail::CompletedValue<typename detail::InvokeResult<F, T>::Type>::Type>;
  // `function(const Status&)` after a failure. One that returns nothing only looks on.
  template <class F>
    requires std::is_void_v<std::invoke_result_t<F&, const Status&>>
  const Future& on_error(F function) const;
  // One that returns a value, Result or Future of T recovers: the returned Future has that, or the value.
  template <class F>
    requires(!std::is_void_v<std::invoke_result_t<F&, const Status&>>)
  Future on_error(F function, std::source_location origin = std::source_location::current()) const;
  // `function(const Result<Stored>&)` on either outcome.
  template <class F>
  const Future& on_done(F function) const;

 private:
  friend struct detail::FutureAccess;
  explicit Future(detail::FutureState<T>* state) noexcept : state_(state) {}
  void refuse() const;
  Stored take();

  detail::FutureState<T>* state_;
};

namespace detail {

// The kernel's way in.
struct FutureAccess {
  template <class T>
  static FutureState<T>* state(const Future<T>& future) noexcept {
    return future.state_;
  }
  // Takes over one completer.
  template <class T>
  static Future<T> adopt(FutureState<T>* state) noexcept {
    return Future<T>(state);
  }
};

}  // namespace detail

// Fails early, with the first error: see combinators.h for when_all, wait_all, when_any, with_timeout.

}  // namespace onward

#include "onward/future_callbacks.h"  // IWYU pragma: export
