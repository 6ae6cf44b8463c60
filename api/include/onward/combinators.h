// SPDX-License-Identifier: Apache-2.0
//
// Futures made of Futures. None of them blocks, but wait_all.
#pragma once

#include <atomic>
#include <concepts>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "onward/call_context.h"
#include "onward/event_loop.h"
#include "onward/future.h"
#include "onward/sleep.h"
#include "onward/task.h"

namespace onward {
namespace detail {

template <class T>
struct AllValues {
  std::vector<std::optional<typename Future<T>::Stored>> values;
  std::atomic<std::size_t> missing{0};  // the callbacks of Futures of different loops run at the same time
};

// A timer on the loop that completes a Future, or fails it. Keeps itself while it is armed.
class FutureTimer final : public LoopTask, public WheelTimer {
 public:
  // `on_expired` after `delay`; `on_ended` if the loop ends first; nothing after cancel().
  static std::shared_ptr<FutureTimer> start(LoopHandle& loop, Duration delay,
                                            std::move_only_function<void()> on_expired,
                                            std::move_only_function<void()> on_ended) {
    auto timer = std::make_shared<FutureTimer>();
    timer->delay_ = delay;
    timer->on_expired_ = std::move(on_expired);
    timer->on_ended_ = std::move(on_ended);
    timer->self_ = timer;
    loop.schedule(*timer);
    return timer;
  }
  // On the loop's thread.
  void cancel() noexcept {
    cancelled_ = true;
    if (!armed()) return;
    EventLoop::current()->disarm(*this);
    self_.reset();
  }

  void run() noexcept override {
    if (cancelled_) {
      self_.reset();
      return;
    }
    EventLoop& loop = *EventLoop::current();
    loop.arm(*this, loop.deadline_in(delay_));
  }
  void drop() noexcept override { on_dropped(); }
  void on_timer() override {
    const auto keep = std::move(self_);
    on_expired_();
  }
  void on_dropped() noexcept override {
    const auto keep = std::move(self_);
    if (!cancelled_) on_ended_();
  }

 private:
  std::shared_ptr<FutureTimer> self_;
  std::move_only_function<void()> on_expired_;
  std::move_only_function<void()> on_ended_;
  Duration delay_{};
  bool cancelled_ = false;
};

}  // namespace detail

// All values, in the order of the input; the first error, at once, when one fails. The same Future may
// stand in it twice; an empty list gives an empty list.
template <class T>
[[nodiscard]] Future<std::vector<T>> when_all(const std::vector<Future<T>>& futures)
  requires(!std::is_void_v<T>)
{
  if (futures.empty()) return Future<std::vector<T>>::of({});
  auto all = std::make_shared<detail::AllValues<T>>();
  all->values.resize(futures.size());
  all->missing = futures.size();
  Future<std::vector<T>> result;
  for (std::size_t i = 0; i < futures.size(); ++i) {
    futures[i].on_done([all, result, i](const Result<T>& outcome) {
      if (!outcome) {
        result.try_fail(outcome.error());
        return;
      }
      all->values[i] = *outcome;
      if (all->missing.fetch_sub(1, std::memory_order_acq_rel) > 1) return;
      std::vector<T> values;
      values.reserve(all->values.size());
      for (auto& value : all->values) values.push_back(std::move(*value));
      result.try_complete(std::move(values));
    });
  }
  return result;
}

// The same for Futures without values.
[[nodiscard]] inline Future<void> when_all(const std::vector<Future<void>>& futures) {
  if (futures.empty()) return Future<void>::of();
  auto missing = std::make_shared<std::atomic<std::size_t>>(futures.size());
  Future<void> result;
  for (const Future<void>& future : futures) {
    future.on_done([missing, result](const auto& outcome) {
      if (!outcome) {
        result.try_fail(outcome.error());
      } else if (missing->fetch_sub(1, std::memory_order_acq_rel) == 1) {
        result.try_complete({});
      }
    });
  }
  return result;
}

// Of several types: a tuple, with std::monostate for void.
template <class... Ts>
[[nodiscard]] Future<std::tuple<typename Future<Ts>::Stored...>> when_all(const Future<Ts>&... futures)
  requires(sizeof...(Ts) > 0)
{
  using Values = std::tuple<typename Future<Ts>::Stored...>;
  struct State {
    std::tuple<std::optional<typename Future<Ts>::Stored>...> values;
    std::atomic<std::size_t> missing{sizeof...(Ts)};
  };
  auto state = std::make_shared<State>();
  Future<Values> result;
  const auto watch = [&]<std::size_t I>(std::integral_constant<std::size_t, I>, const auto& future) {
    future.on_done([state, result](const auto& outcome) {
      if (!outcome) {
        result.try_fail(outcome.error());
        return;
      }
      std::get<I>(state->values) = *outcome;
      if (state->missing.fetch_sub(1, std::memory_order_acq_rel) > 1) return;
      result.try_complete(std::apply([](auto&... value) { return Values(std::move(*value)...); }, state->values));
    });
  };
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    (watch(std::integral_constant<std::size_t, I>(), futures), ...);
  }(std::index_sequence_for<Ts...>());
  return result;
}

// The first that succeeds, with its index; when all fail, the error of the last to fail. INVALID_ARGUMENT for
// an empty list.
template <class T>
[[nodiscard]] Future<std::pair<std::size_t, typename Future<T>::Stored>> when_any(
    const std::vector<Future<T>>& futures) {
  using Value = std::pair<std::size_t, typename Future<T>::Stored>;
  if (futures.empty()) return Future<Value>::failed(Status(StatusCode::kInvalidArgument, "when_any() of no Futures"));
  auto missing = std::make_shared<std::atomic<std::size_t>>(futures.size());
  Future<Value> result;
  for (std::size_t i = 0; i < futures.size(); ++i) {
    futures[i].on_done([missing, result, i](const auto& outcome) {
      const bool last = missing->fetch_sub(1, std::memory_order_acq_rel) == 1;
      if (outcome) {
        result.try_complete(Value(i, *outcome));
      } else if (last) {
        result.try_fail(outcome.error());
      }
    });
  }
  return result;
}

// What `future` comes to, or DEADLINE_EXCEEDED after `timeout`. The Future itself goes on. Throws
// FAILED_PRECONDITION where there is no node.
template <class T>
[[nodiscard]] Future<T> with_timeout(const Future<T>& future, Duration timeout) {
  LoopHandle* loop = detail::FutureAccess::state(future)->loop();
  if (loop == nullptr) loop = LoopHandle::current();
  if (loop == nullptr) detail::no_loop("with_timeout()");
  Future<T> result(loop);
  auto timer = detail::FutureTimer::start(
      *loop, timeout,
      [result, timeout] {
        const auto limit = std::chrono::duration_cast<std::chrono::milliseconds>(timeout).count();
        result.try_fail(Status(StatusCode::kDeadlineExceeded, "no result within " + std::to_string(limit) + " ms"));
      },
      [result] { result.try_fail(Status(StatusCode::kUnavailable, "the node has shut down")); });
  future.on_done([result, timer](const auto& outcome) {
    timer->cancel();
    if (outcome) {
      result.try_complete(*outcome);
    } else {
      result.try_fail(outcome.error());
    }
  });
  return result;
}

// The same for what `function()` returns, a Future or a Task. It runs in a context of its own: what it calls is told
// the shorter time, and is cancelled when that is over.
template <class F>
  requires std::invocable<F&>
[[nodiscard]] auto with_timeout(F function, Duration timeout) {
  const ContextScope scope(CallContext::current().child({.timeout = timeout}));
  if constexpr (detail::kIsTask<std::invoke_result_t<F&>>) {
    return with_timeout(spawn(std::move(function)), timeout);
  } else {
    return with_timeout(function(), timeout);
  }
}

// Blocks until all have succeeded and returns their values, or throws the first error in time.
template <class T>
std::vector<T> wait_all(const std::vector<Future<T>>& futures)
  requires(!std::is_void_v<T>)
{
  EventLoop::check_may_block("wait_all()");
  return when_all(futures).wait();
}
inline void wait_all(const std::vector<Future<void>>& futures) {
  EventLoop::check_may_block("wait_all()");
  static_cast<void>(when_all(futures).wait());
}

}  // namespace onward
