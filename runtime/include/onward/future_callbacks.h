// SPDX-License-Identifier: Apache-2.0
//
// The bodies of Future's templates; included by future.h.
#pragma once

#include "onward/export.h"
#include "onward/future.h"
#include "onward/log.h"

namespace onward {
namespace detail {

// Destroys `function` so that Futures it captured fail with `cause`; true if there were any.
template <class F>
bool drop_function(std::optional<F>& function, const Status& cause) noexcept {
  const BreakScope scope(cause);
  function.reset();
  return scope.used();
}

ONWARD_API void report_uncaught(const Status& error) noexcept;

template <class T, class F>
class ValueCallback final : public FutureCallback {
 public:
  explicit ValueCallback(F function) : function_(std::move(function)) {}

  void run(FutureStateBase& state, bool) noexcept override {
    auto& result = static_cast<FutureState<T>&>(state).result();
    if (!result) {
      if (drop_function(function_, result.error())) state.set_observed();
    } else {
      try {
        static_cast<void>(invoke_with(*function_, *result));
      } catch (...) {
        const Status error = status_from_current_exception();
        if (!drop_function(function_, error)) report_uncaught(error);
      }
    }
    pool_delete(this);
  }
  void drop(const Status& reason) noexcept override {
    drop_function(function_, reason);
    pool_delete(this);
  }

 private:
  std::optional<F> function_;
};

template <class T, class F>
class DoneCallback final : public FutureCallback {
 public:
  explicit DoneCallback(F function) : function_(std::move(function)) {}

  void run(FutureStateBase& state, bool) noexcept override {
    try {
      function_(std::as_const(static_cast<FutureState<T>&>(state).result()));
    } catch (...) {
      report_uncaught(status_from_current_exception());
    }
    pool_delete(this);
  }
  void drop(const Status& reason) noexcept override {
    try {
      const Result<typename Future<T>::Stored> outcome(std::unexpect, reason);
      function_(outcome);
    } catch (...) {
      report_uncaught(status_from_current_exception());
    }
    pool_delete(this);
  }

 private:
  F function_;
};

// Completes `child` with whatever the state comes to.
template <class T>
class ForwardCallback final : public FutureCallback {
 public:
  explicit ForwardCallback(Future<T> child) : child_(std::move(child)) {}

  void run(FutureStateBase& state, bool last) noexcept override {
    auto& result = static_cast<FutureState<T>&>(state).result();
    if (!result) {
      child_.try_fail(result.error());
    } else if constexpr (std::is_copy_constructible_v<typename Future<T>::Stored>) {
      last ? FutureAccess::state(child_)->try_complete(std::move(*result))
           : FutureAccess::state(child_)->try_complete(*result);
    } else {
      FutureAccess::state(child_)->try_complete(std::move(*result));
    }
    pool_delete(this);
  }
  void drop(const Status& reason) noexcept override {
    child_.try_fail(reason);
    pool_delete(this);
  }

 private:
  Future<T> child_;
};

template <class T>
void add_forward(const Future<T>& from, Future<T> child) {
  auto* state = FutureAccess::state(from);
  state->require_loop();
  state->set_observed();
  state->add_callback(*pool_new<ForwardCallback<T>>(std::move(child)));
}

// Completes `child` with what `produce()` returns or throws; Futures and Results are opened.
template <class U, class Produce>
void complete_with(const Future<U>& child, Produce&& produce) {
  using R = std::remove_cvref_t<std::invoke_result_t<Produce&>>;
  if constexpr (FutureTraits<R>::is_future) {
    if constexpr (std::is_same_v<R, Future<U>>) {
      add_forward(produce(), child);
    } else {
      // A Future of a Future (or of a Result): open one layer, then the next.
      R inner = produce();
      inner.on_done([child](const auto& outcome) {
        if (!outcome) {
          child.try_fail(outcome.error());
        } else {
          complete_with(child, [&]() -> decltype(auto) { return std::remove_cvref_t<decltype(*outcome)>(*outcome); });
        }
      });
    }
  } else if constexpr (kIsTask<R>) {
    add_forward(spawn(produce(), FutureAccess::state(child)->loop()), child);
  } else if constexpr (std::is_same_v<R, Status>) {
    const Status status = produce();
    status.ok() ? child.try_complete({}) : child.try_fail(status);
  } else if constexpr (FutureTraits<R>::is_result) {
    R result = produce();
    if (!result) {
      child.try_fail(std::move(result).error());
    } else if constexpr (std::is_void_v<typename R::value_type>) {
      child.try_complete({});
    } else {
      complete_with(child, [&] { return std::move(*result); });
    }
  } else if constexpr (std::is_void_v<R>) {
    produce();
    child.try_complete({});
  } else {
    FutureAccess::state(child)->try_complete(produce());
  }
}

template <class T, class U, class F>
class ThenCallback final : public FutureCallback {
 public:
  ThenCallback(F function, Future<U> child) : function_(std::move(function)), child_(std::move(child)) {}

  void run(FutureStateBase& state, bool) noexcept override {
    auto& result = static_cast<FutureState<T>&>(state).result();
    if (!result) {
      drop(result.error());
      return;
    }
    try {
      complete_with(child_, [&]() -> decltype(auto) { return invoke_with(*function_, *result); });
    } catch (...) {
      fail_child(status_from_current_exception());
    }
    pool_delete(this);
  }
  void drop(const Status& reason) noexcept override {
    fail_child(reason);
    pool_delete(this);
  }

 private:
  void fail_child(const Status& reason) noexcept {
    drop_function(function_, reason);
    child_.try_fail(reason);
  }
  std::optional<F> function_;
  Future<U> child_;
};

template <class T, class F>
class RecoverCallback final : public FutureCallback {
 public:
  RecoverCallback(F function, Future<T> child) : function_(std::move(function)), child_(std::move(child)) {}

  void run(FutureStateBase& state, bool) noexcept override {
    auto& result = static_cast<FutureState<T>&>(state).result();
    if (result) {
      FutureAccess::state(child_)->try_complete(*result);
    } else {
      recover(result.error());
    }
    pool_delete(this);
  }
  void drop(const Status& reason) noexcept override {
    child_.try_fail(reason);
    pool_delete(this);
  }

 private:
  void recover(const Status& error) noexcept {
    try {
      complete_with(child_, [&]() -> decltype(auto) { return function_(error); });
    } catch (...) {
      child_.try_fail(status_from_current_exception());
    }
  }
  F function_;
  Future<T> child_;
};

}  // namespace detail

template <class T>
const typename Future<T>::Stored& Future<T>::value() const {
  if (!state_->done()) {
    throw RpcError(StatusCode::kFailedPrecondition, "value() of a Future that is not done: use wait(), or a callback");
  }
  state_->set_observed();
  if (state_->failed()) throw_error(state_->error());
  return *state_->result();
}

template <class T>
typename Future<T>::Stored Future<T>::take() {
  static_cast<void>(value());
  if constexpr (std::is_copy_constructible_v<Stored>) {
    if (!state_->sole_reference()) return *state_->result();
  }
  return std::move(*state_->result());
}

template <class T>
typename Future<T>::Stored Future<T>::wait(Duration timeout) const {
  const auto now = std::chrono::steady_clock::now();
  const bool for_ever = timeout > std::chrono::steady_clock::time_point::max() - now;
  if (!state_->wait_until(for_ever ? std::nullopt : std::optional(now + timeout))) {
    throw RpcError(StatusCode::kDeadlineExceeded,
                   "wait() gave up after " +
                       std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(timeout).count()) +
                       " ms; the Future is still pending");
  }
  return value();
}

template <class T>
void Future<T>::refuse() const {
  if (state_->abandoned()) return;
  throw RpcError(StatusCode::kFailedPrecondition,
                 state_->failed() ? "the Future was completed already, with the error " + state_->error().to_string()
                                  : std::string("the Future was completed already, with a value"));
}

template <class T>
template <class F>
const Future<T>& Future<T>::add_callback(F function) const {
  state_->require_loop();
  state_->add_callback(*pool_new<detail::ValueCallback<T, F>>(std::move(function)));
  return *this;
}

template <class T>
template <class F>
auto Future<T>::then(F function, std::source_location origin) const
    -> Future<typename detail::CompletedValue<typename detail::InvokeResult<F, T>::Type>::Type> {
  using U = typename detail::CompletedValue<typename detail::InvokeResult<F, T>::Type>::Type;
  state_->require_loop();
  state_->set_observed();
  Future<U> child(state_->loop(), origin);
  state_->add_callback(*pool_new<detail::ThenCallback<T, U, F>>(std::move(function), child));
  return child;
}

template <class T>
template <class F>
  requires std::is_void_v<std::invoke_result_t<F&, const Status&>>
const Future<T>& Future<T>::on_error(F function) const {
  return on_done([function = std::move(function)](const Result<Stored>& result) mutable {
    if (!result) function(result.error());
  });
}

template <class T>
template <class F>
  requires(!std::is_void_v<std::invoke_result_t<F&, const Status&>>)
Future<T> Future<T>::on_error(F function, std::source_location origin) const {
  state_->require_loop();
  state_->set_observed();
  Future<T> child(state_->loop(), origin);
  state_->add_callback(*pool_new<detail::RecoverCallback<T, F>>(std::move(function), child));
  return child;
}

template <class T>
template <class F>
const Future<T>& Future<T>::on_done(F function) const {
  state_->require_loop();
  state_->set_observed();
  state_->add_callback(*pool_new<detail::DoneCallback<T, F>>(std::move(function)));
  return *this;
}

}  // namespace onward
