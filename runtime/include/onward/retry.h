// SPDX-License-Identifier: Apache-2.0
//
// Calling again, and calling twice.
//
//   retry([] { return rpc_async("storage", load, "x"); }, {.attempts = 4})
//   hedge([](unsigned copy) { return rpc_async(copy == 0 ? "near" : "far", load, "x"); }, {.delay = 20ms})
//
// Both stay inside the call that they are made in: its deadline is theirs, and its end ends them. What they call must
// be safe to run twice.
//
// Backoff, codes and the budget follow gRPC's retry design (gRFC A6), hedging "The Tail at Scale" (Dean and Barroso,
// CACM 56, 2013).
#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <source_location>
#include <type_traits>
#include <utility>
#include <vector>

#include "onward/call_context.h"
#include "onward/clock.h"
#include "onward/export.h"
#include "onward/future.h"
#include "onward/sleep.h"
#include "onward/status.h"
#include "onward/task.h"

namespace onward {

// A set of status codes: {StatusCode::kUnavailable, StatusCode::kAborted}.
class StatusCodes {
 public:
  // No initializer_list: g++ 12 cannot have one in a co_await expression, as a default argument would.
  template <std::same_as<StatusCode>... Code>
  constexpr StatusCodes(Code... codes) noexcept  // NOLINT(google-explicit-constructor): a set is its members
      : bits_((0U | ... | (std::uint32_t{1} << static_cast<unsigned>(codes)))) {}
  [[nodiscard]] constexpr bool has(StatusCode code) const noexcept {
    return (bits_ >> static_cast<unsigned>(code) & 1) != 0;
  }

 private:
  std::uint32_t bits_;
};

// What keeps retries from making an outage worse: a bucket of tokens that those share who call the same peers. Each
// attempt that fails takes one token out, each call that succeeds puts `refill` back in; while no more than half are
// left nobody retries, and nobody hedges. Thread-safe.
class ONWARD_API RetryBudget {
 public:
  // INVALID_ARGUMENT is thrown where these are not above zero.
  explicit RetryBudget(double tokens = 100, double refill = 0.1);
  // What an attempt came to.
  void on_success() noexcept;
  void on_failure() noexcept;
  [[nodiscard]] bool allows() const noexcept;

 private:
  mutable std::mutex mutex_;
  double most_;
  double refill_;
  double tokens_;
};

struct RetryOptions {
  // In all, with the first. At least 1.
  unsigned attempts = 3;
  // What is worth another attempt. UNAVAILABLE says that the function has not run, or that nobody knows.
  StatusCodes codes = {StatusCode::kUnavailable};
  // Before the second attempt; each further one waits `multiplier` times as long, up to `max_backoff`.
  Duration backoff = std::chrono::milliseconds(50);
  Duration max_backoff = std::chrono::seconds(5);
  double multiplier = 2;
  // Each wait is a random one between (1 - jitter) and (1 + jitter) times that. 0 to 1.
  double jitter = 0.5;
  // Of a single attempt, which is cancelled then; DEADLINE_EXCEEDED is worth another attempt in that case. Unset: the
  // call's own deadline.
  std::optional<Duration> attempt_timeout = std::nullopt;
  // Null: only `attempts` counts.
  std::shared_ptr<RetryBudget> budget = nullptr;
};

struct HedgeOptions {
  // How long a copy is waited for before the next one is sent. A usual choice is the 95th percentile of the latency.
  Duration delay = std::chrono::milliseconds(50);
  // In all, with the first. At least 1.
  unsigned copies = 2;
  // Of a failed copy: the next is sent at once. Any other failure is the answer.
  StatusCodes codes = {StatusCode::kUnavailable, StatusCode::kResourceExhausted};
  std::shared_ptr<RetryBudget> budget = nullptr;
};

namespace detail {

// Calls it with the number of the attempt, from 0, if it takes one.
template <class F>
decltype(auto) attempt(F& function, unsigned number) {
  if constexpr (std::is_invocable_v<F&, unsigned>) {
    return function(number);
  } else {
    static_cast<void>(number);
    return function();
  }
}
template <class F>
using AttemptResult = decltype(attempt(std::declval<F&>(), 0U));
template <class F>
using AttemptValue = typename CompletedValue<AttemptResult<F>>::Type;

// An attempt as a Future, whatever it returns or throws.
template <class F>
Future<AttemptValue<F>> start_attempt(F& function, unsigned number) {
  using R = AttemptResult<F>;
  static_assert(FutureTraits<R>::is_future || kIsTask<R>, "what is tried again returns a Future or a Task");
  try {
    if constexpr (kIsTask<R>) {
      return spawn(attempt(function, number));
    } else {
      Future<AttemptValue<F>> flat;
      complete_with(flat, [&] { return attempt(function, number); });
      return flat;
    }
  } catch (...) {
    return Future<AttemptValue<F>>::failed(status_from_current_exception());
  }
}

// The pause behind the attempt of that number, from 0.
[[nodiscard]] ONWARD_API Duration backoff_of(const RetryOptions& options, unsigned number);
// INVALID_ARGUMENT is thrown for what makes no sense.
ONWARD_API void check_options(const RetryOptions& options);
ONWARD_API void check_options(const HedgeOptions& options);
// Whether there is another attempt, `pause` from now, after one that failed with `error`: OK, or `error` with why not.
[[nodiscard]] ONWARD_API Status may_retry(const RetryOptions& options, const Status& error, unsigned number,
                                          bool timed_out, Duration pause);

template <class F>
class Hedge : public std::enable_shared_from_this<Hedge<F>> {
 public:
  using T = AttemptValue<F>;
  Hedge(F function, HedgeOptions options) : function_(std::move(function)), options_(std::move(options)) {}

  Future<T> begin() {
    Future<T> result = result_;
    send();
    return result;
  }

 private:
  struct Copy {
    CallContext context;
    bool over = false;
  };

  void send() {
    const auto number = static_cast<unsigned>(copies_.size());
    copies_.push_back({.context = parent_.child()});
    ++running_;
    const ContextScope scope(copies_.back().context);
    auto copy = start_attempt(function_, number);
    copy.on_done([self = this->shared_from_this(), number](const auto& outcome) { self->on_done(number, outcome); });
    if (more()) {
      // In this copy's context, so that it ends with it.
      sleep_for(options_.delay).on_done([self = this->shared_from_this(), number](const auto& slept) {
        if (slept && number + 1 == self->copies_.size() && !self->done_ && self->affordable()) self->send();
      });
    }
  }
  template <class Outcome>
  void on_done(unsigned number, const Outcome& outcome) {
    --running_;
    if (done_) return;
    if (outcome) {
      if (options_.budget) options_.budget->on_success();
      finish(number);
      result_.try_complete(*outcome);
      return;
    }
    const Status error = outcome.error();
    if (options_.budget) options_.budget->on_failure();
    const bool is_final = !options_.codes.has(error.code()) || parent_.cancelled();
    if (!is_final && affordable()) {
      send();
    } else if (is_final || running_ == 0) {
      finish(number);
      result_.try_fail(error);
    }
  }
  [[nodiscard]] bool more() const { return copies_.size() < options_.copies; }
  [[nodiscard]] bool affordable() const { return more() && (!options_.budget || options_.budget->allows()); }
  void finish(unsigned winner) {
    done_ = true;
    for (unsigned i = 0; i < copies_.size(); ++i) {
      if (i != winner) copies_[i].context.cancel(Status(StatusCode::kCancelled, "another copy of it was faster"));
    }
    copies_[winner].context.cancel();  // its timer
  }

  F function_;
  HedgeOptions options_;
  CallContext parent_ = CallContext::current();
  Future<T> result_;
  std::vector<Copy> copies_;
  std::size_t running_ = 0;
  bool done_ = false;
};

template <class F>
Task<AttemptValue<F>> retry_loop(F function, RetryOptions options) {
  for (unsigned number = 0;; ++number) {
    Status error;
    bool timed_out = false;
    {
      const CallContext context = CallContext::current();
      const CallContext limited =
          options.attempt_timeout ? context.child({.timeout = options.attempt_timeout}) : context;
      const ContextScope scope(limited);
      const Future<AttemptValue<F>> tried = start_attempt(function, number);
      try {
        if constexpr (std::is_void_v<AttemptValue<F>>) {
          co_await tried;
          if (options.budget) options.budget->on_success();
          co_return;
        } else {
          auto value = co_await tried;
          if (options.budget) options.budget->on_success();
          co_return value;
        }
      } catch (...) {
        error = status_from_current_exception();
      }
      timed_out = options.attempt_timeout && limited.cancelled() && !context.cancelled();
    }
    if (options.budget) options.budget->on_failure();
    const Duration pause = backoff_of(options, number);
    may_retry(options, error, number, timed_out, pause).throw_if_error();
    co_await sleep_for(pause);
  }
}

}  // namespace detail

// What `function()`, or `function(number of the attempt, from 0)`, returns, a Future or a Task, when it succeeds. After
// a failure that is among `options.codes` it is called again, some time later; not if that would be past the deadline
// of the call, or the budget is used up. The last error then, with the number of attempts. Throws FAILED_PRECONDITION
// where there is no node, INVALID_ARGUMENT for options that make no sense.
template <class F>
Future<detail::AttemptValue<F>> retry(F function, RetryOptions options = {},
                                      std::source_location origin = std::source_location::current()) {
  detail::check_options(options);
  return spawn(detail::retry_loop(std::move(function), std::move(options)), LoopHandle::current(), origin);
}

// Calls `function()`, or `function(number of the copy, from 0)`; when that has not answered after a while, once more;
// the first success is the result, and the others are cancelled. Fails with the first error that is not among
// `options.codes`, or with the last. Kernel thread, or any other of a node. Throws as retry().
template <class F>
Future<detail::AttemptValue<F>> hedge(F function, HedgeOptions options = {},
                                      std::source_location origin = std::source_location::current()) {
  detail::check_options(options);
  auto made = std::make_shared<std::decay_t<F>>(std::move(function));
  // NOLINTBEGIN(cppcoreguidelines-avoid-capturing-lambda-coroutines): spawn() keeps it
  return spawn(
      [made, options]() mutable -> Task<detail::AttemptValue<F>> {
        auto call = [made](unsigned number) { return detail::attempt(*made, number); };
        co_return co_await std::make_shared<detail::Hedge<decltype(call)>>(call, options)->begin();
      },
      LoopHandle::current(), origin);
  // NOLINTEND(cppcoreguidelines-avoid-capturing-lambda-coroutines)
}

}  // namespace onward
