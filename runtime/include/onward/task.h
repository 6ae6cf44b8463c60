// SPDX-License-Identifier: Apache-2.0
//
// Coroutines. A function that returns Task<T> may co_await
//   a Future, which gives its value or throws its error: rpc_async(…), sleep_for(…), pool().run(…), when_all(…) …
//   another Task
// and a registered function may be one: it is then async, as one that returns a Future.
//
//   Task<int> my_add_3(int a, int b, int c) {
//     const int sum = co_await rpc_async("dst2", my_add_2, a, b);
//     co_return sum + c;
//   }
//
// Threads: a Task runs on the kernel thread that spawn() was called for, between co_awaits as a callback would; it must
// not block. A Future of another node, or completed by another thread, brings it back to its own.
//
// Cancellation: when the call that a Task runs for is cancelled, at its deadline, and when the node ends, the co_await
// where it waits throws RpcError with the reason, and so does each later one that would have to wait: locals are
// destroyed on the way out. A job of the pool that has begun is waited for, as it may use them. What must outlive the
// call is spawned in CallContext::detached(). A Task that still waits when its loop ends is destroyed there, without
// code of its own but destructors.
//
// Lifetime: parameters are taken by value, as references may be gone at the first co_await. A lambda's captures live in
// the lambda, not in the coroutine: give such a lambda to spawn() or to FunctionTable::add(), which keep it; never call
// it and let it go (C++ Core Guidelines CP.51).
//
// The design follows P1056 (lazy task) and cppcoro's task (https://github.com/lewissbaker/cppcoro).
#pragma once

#include <concepts>
#include <coroutine>
#include <exception>
#include <optional>
#include <source_location>
#include <type_traits>
#include <utility>

#include "onward/context_state.h"
#include "onward/event_loop.h"
#include "onward/export.h"
#include "onward/future.h"
#include "onward/object_pool.h"

namespace onward {

namespace detail {

template <class T>
struct CompletedValue<Task<T>> : CompletedValue<T> {};
// What the promises of all Tasks have in common. Frames come from the object pool.
class ONWARD_API TaskPromiseBase {
 public:
  static void* operator new(std::size_t bytes) { return pool_allocate(pool_aligned(bytes)); }
  static void operator delete(void* frame, std::size_t bytes) noexcept { pool_free(frame, pool_aligned(bytes)); }

  // By whom it is awaited; `promise` is null where that is no Task.
  void set_continuation(std::coroutine_handle<> handle, TaskPromiseBase* promise) noexcept {
    continuation_ = handle;
    parent_ = promise;
  }
  [[nodiscard]] std::coroutine_handle<> continuation() const noexcept { return continuation_; }
  // Destroys the coroutine `waiting`, whose promise this is, and all that wait for it in turn.
  void destroy_all(std::coroutine_handle<> waiting, const Status& reason) noexcept;

 private:
  std::coroutine_handle<> continuation_;
  TaskPromiseBase* parent_ = nullptr;
};

template <class Promise>
[[nodiscard]] TaskPromiseBase* as_task_promise(std::coroutine_handle<Promise> handle) noexcept {
  if constexpr (std::derived_from<Promise, TaskPromiseBase>) {
    return &handle.promise();
  } else {
    return nullptr;
  }
}

template <class T>
class TaskPromiseValue : public TaskPromiseBase {
 public:
  template <class U>
    requires std::convertible_to<U, T>
  void return_value(U&& value) {
    value_.emplace(std::forward<U>(value));
  }

 protected:
  T take_value() { return std::move(*value_); }

 private:
  std::optional<T> value_;
};
template <>
class TaskPromiseValue<void> : public TaskPromiseBase {
 public:
  void return_void() noexcept {}

 protected:
  void take_value() noexcept {}
};

template <class T>
class TaskPromise final : public TaskPromiseValue<T> {
 public:
  struct Final {
    [[nodiscard]] bool await_ready() const noexcept { return false; }
    std::coroutine_handle<> await_suspend(std::coroutine_handle<TaskPromise> ended) const noexcept {
      return ended.promise().continuation();
    }
    void await_resume() const noexcept {}
  };
  [[nodiscard]] Task<T> get_return_object() noexcept;
  [[nodiscard]] std::suspend_always initial_suspend() const noexcept { return {}; }
  [[nodiscard]] Final final_suspend() const noexcept { return {}; }
  void unhandled_exception() noexcept { error_ = std::current_exception(); }
  T take() {
    if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
    return this->take_value();
  }

 private:
  std::exception_ptr error_;
};

}  // namespace detail

// A coroutine that has not begun, Task<> or Task<T>: it runs when it is awaited, or spawned; once. Owns its frame.
// Destroying it is fine at any time, but not from inside.
template <class T>
class [[nodiscard]] Task {
 public:
  using promise_type = detail::TaskPromise<T>;
  using Value = T;

  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, {})) {}
  Task& operator=(Task&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Task() {
    if (handle_) handle_.destroy();
  }

  // Its value, or throws what it threw. In the awaiting coroutine's context, at once, without a turn of the loop.
  [[nodiscard]] auto operator co_await() && noexcept { return Awaiter{handle_}; }

 private:
  friend promise_type;
  struct Awaiter {
    std::coroutine_handle<promise_type> handle;
    [[nodiscard]] bool await_ready() const noexcept { return false; }
    template <class Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> awaiting) const noexcept {
      handle.promise().set_continuation(awaiting, detail::as_task_promise(awaiting));
      return handle;
    }
    T await_resume() const { return handle.promise().take(); }
  };
  explicit Task(std::coroutine_handle<promise_type> handle) noexcept : handle_(handle) {}
  std::coroutine_handle<promise_type> handle_;
};

namespace detail {

template <class T>
Task<T> TaskPromise<T>::get_return_object() noexcept {
  return Task<T>(std::coroutine_handle<TaskPromise>::from_promise(*this));
}

// A coroutine that waits for a Future. Lies in its frame: waiting allocates nothing.
class ONWARD_API FutureAwaiterBase : public FutureCallback, private CancelListener, private LoopTask {
 public:
  FutureAwaiterBase(const FutureAwaiterBase&) = delete;
  FutureAwaiterBase& operator=(const FutureAwaiterBase&) = delete;

 protected:
  // `by_handle`: the coroutine keeps a handle of it.
  FutureAwaiterBase(FutureStateBase& state, bool by_handle) noexcept : state_(state), by_handle_(by_handle) {
    state_.add_reference();
  }
  ~FutureAwaiterBase();
  [[nodiscard]] FutureStateBase& state() const noexcept { return state_; }
  void suspend(std::coroutine_handle<> handle, TaskPromiseBase* promise);
  // Throws why the coroutine was woken up before the Future was done.
  void throw_if_cancelled() const;

 private:
  // The Future is done.
  void run(FutureStateBase& state, bool last) noexcept final;
  void drop(const Status& reason) noexcept final;
  // It is this one's turn, on its own loop.
  void run() noexcept final;
  void drop() noexcept final;
  void on_cancelled(const Status& reason) noexcept final;
  void resume() noexcept;

  FutureStateBase& state_;
  LoopHandle* loop_ = nullptr;
  std::coroutine_handle<> handle_;
  TaskPromiseBase* promise_ = nullptr;
  ContextRef listens_to_;
  Status cancelled_;
  bool by_handle_;
  bool waits_ = false;
};

template <class T>
class FutureAwaiter final : public FutureAwaiterBase {
 public:
  explicit FutureAwaiter(const Future<T>& future) noexcept : FutureAwaiterBase(*FutureAccess::state(future), true) {}
  // The handle goes: only others can complete it.
  explicit FutureAwaiter(Future<T>&& future) noexcept : FutureAwaiterBase(*FutureAccess::state(future), false) {
    const Future<T> gone = std::move(future);
  }

  [[nodiscard]] bool await_ready() const noexcept { return state().done(); }
  template <class Promise>
  void await_suspend(std::coroutine_handle<Promise> handle) {
    suspend(handle, as_task_promise(handle));
  }
  T await_resume() {
    throw_if_cancelled();
    state().set_observed();
    auto& result = static_cast<FutureState<T>&>(state()).result();
    if (!result) result.error().throw_if_error();
    if constexpr (!std::is_void_v<T>) {
      if constexpr (std::is_copy_constructible_v<T>) {
        if (!state().sole_reference()) return *result;
      }
      return std::move(*result);
    }
  }
};

// The Future of a Task that was spawned, which fails if the Task goes before it has ended: its loop is gone.
template <class T>
class TaskResult {
 public:
  explicit TaskResult(Future<T> future) noexcept : future_(std::move(future)) {}
  TaskResult(TaskResult&& other) noexcept
      : future_(std::move(other.future_)), mine_(std::exchange(other.mine_, false)) {}
  TaskResult& operator=(TaskResult&&) = delete;
  ~TaskResult() {
    if (mine_) future_.try_fail(node_ended());
  }
  // Behind which it is completed, or will be.
  [[nodiscard]] const Future<T>& end() noexcept {
    mine_ = false;
    return future_;
  }

 private:
  Future<T> future_;
  bool mine_ = true;
};

// The outermost coroutine: runs a Task and completes a Future. Destroys itself.
struct RootTask {
  struct promise_type : TaskPromiseBase {
    [[nodiscard]] RootTask get_return_object() const noexcept { return {}; }
    [[nodiscard]] std::suspend_never initial_suspend() const noexcept { return {}; }
    [[nodiscard]] std::suspend_never final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    [[noreturn]] void unhandled_exception() const noexcept { std::terminate(); }
  };
};

// Keeps `function`, in which a lambda's captures live.
template <class F, class U>
RootTask run_root(F function, TaskResult<U> result) {
  try {
    using T = typename std::invoke_result_t<F&>::Value;
    if constexpr (std::is_void_v<T>) {
      co_await function();
      result.end().try_complete({});
    } else {
      T value = co_await function();
      complete_with(result.end(), [&]() -> T { return std::move(value); });
    }
  } catch (...) {
    result.end().try_fail(status_from_current_exception());
  }
}

// The loop that Tasks are started on: throws FAILED_PRECONDITION where there is none.
[[nodiscard]] ONWARD_API LoopHandle& loop_for_spawn(LoopHandle* loop);

// Runs `start`, which begins a coroutine, on the loop's thread: now if that is this one.
template <class Start>
void begin_on(LoopHandle& loop, Start start) {
  class Begin final : public LoopTask {
   public:
    explicit Begin(Start function) : function_(std::move(function)), context_(capture_context()) {}
    void run() noexcept override {
      {
        const CurrentContext scope(context_.get());
        (*function_)();
      }
      EventLoop::current()->callback_done(context_.activity());
      pool_delete(this);
    }
    void drop() noexcept override {
      drop_function(function_, node_ended());
      pool_delete(this);
    }

   private:
    std::optional<Start> function_;
    ContextRef context_;
  };
  if (loop.in_loop_thread()) {
    const KeepContext keep;
    start();
  } else {
    loop.schedule(*pool_new<Begin>(std::move(start)));
  }
}

}  // namespace detail

template <class T>
[[nodiscard]] detail::FutureAwaiter<T> operator co_await(const Future<T>& future) noexcept {
  return detail::FutureAwaiter<T>(future);
}
template <class T>
[[nodiscard]] detail::FutureAwaiter<T> operator co_await(Future<T>&& future) noexcept {
  return detail::FutureAwaiter<T>(std::move(future));
}

// Begins the Task that `function()` returns, in the current context, and returns a Future of its result; what it throws
// fails that. On the kernel thread it runs at once until it first waits; from other threads it is begun there soon.
// Futures and Results that it gives are opened. Keeps `function`, so that it may be a lambda with captures. Throws
// FAILED_PRECONDITION where there is no node.
template <class F>
  requires detail::kIsTask<std::invoke_result_t<F&>>
auto spawn(F function, LoopHandle* loop = LoopHandle::current(),
           std::source_location origin = std::source_location::current())
    -> Future<typename detail::CompletedValue<std::invoke_result_t<F&>>::Type> {
  LoopHandle& where = detail::loop_for_spawn(loop);
  Future<typename detail::CompletedValue<std::invoke_result_t<F&>>::Type> result(&where, origin);
  detail::begin_on(where, [function = std::move(function), completes = detail::TaskResult(result)]() mutable {
    detail::run_root(std::move(function), std::move(completes));
  });
  return result;
}
// The same for a Task.
template <class T>
Future<typename detail::CompletedValue<T>::Type> spawn(Task<T> task, LoopHandle* loop = LoopHandle::current(),
                                                       std::source_location origin = std::source_location::current()) {
  return spawn([task = std::move(task)]() mutable { return std::move(task); }, loop, origin);
}

}  // namespace onward
