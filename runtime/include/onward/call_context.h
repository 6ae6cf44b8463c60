// SPDX-License-Identifier: Apache-2.0
//
// What a function knows about the call that it runs for: until when the caller waits, whether it still does, who it is,
// and what travels along. The kernel carries it into callbacks, coroutines, pool jobs and nested calls.
//
//   Future<Report> build_report(std::string name) {
//     const CallContext call = CallContext::current();
//     if (call.remaining() < 50ms) return Future<Report>::failed(…);          // not worth beginning
//     return rpc_async("storage", load, name).then(…);      // in the time that is left, and cancelled with this call
//   }
//
// A call is cancelled when its caller says so, when the caller's connection is lost, when its deadline has passed, and
// when the node shuts down. Nested calls are then cancelled, coroutines unwind, sleep_for() fails, on_cancel() tells;
// work of it that has not begun does not begin. A function that has begun is not interrupted: it may ask.
//
// CallOptions::detached, and CallContext::detached(), are for work that must outlive its caller.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "onward/context_state.h"
#include "onward/export.h"
#include "onward/identity.h"
#include "onward/status.h"
#include "onward/trace.h"

namespace onward {

class CancelSubscription;

// How a context differs from the one that it is made of.
struct ContextOptions {
  // The deadline is that of the parent, or so long from now, whichever comes first.
  std::optional<Duration> timeout = std::nullopt;
  // In place of the parent's.
  std::optional<TraceContext> trace = std::nullopt;
  // In place of the parent's: a copy of that, changed.
  std::optional<Baggage> baggage = std::nullopt;
};

// A handle, one pointer wide; copying it shares the context. Thread-safe. An empty one stands for no call: without a
// deadline, never cancelled.
class ONWARD_API CallContext {
 public:
  CallContext() noexcept = default;
  // A root: for a program that calls through the node that `loop` belongs to. It ends with that node.
  [[nodiscard]] static CallContext make(LoopHandle& loop, const ContextOptions& options = {});
  // Of the function, callback, coroutine or pool job that this thread runs. Empty where there is none.
  [[nodiscard]] static CallContext current() noexcept;
  [[nodiscard]] explicit operator bool() const noexcept { return static_cast<bool>(state_); }

  // On the node's clock; TimePoint::max() for none.
  [[nodiscard]] TimePoint deadline() const noexcept;
  // Until the deadline, zero once it has passed; Duration::max() for ever.
  [[nodiscard]] Duration remaining() const noexcept;
  // Whether nobody waits any more: cancelled, or the deadline has passed.
  [[nodiscard]] bool cancelled() const noexcept { return !status().ok(); }
  // OK, or why: CANCELLED, DEADLINE_EXCEEDED, UNAVAILABLE where the node shuts down.
  [[nodiscard]] Status status() const noexcept;

  // The node that the call came from; null where it came from none.
  [[nodiscard]] const std::shared_ptr<const CallerInfo>& caller() const noexcept;
  // The call's place in a trace: its own span. Nothing where nobody traces.
  [[nodiscard]] std::optional<TraceContext> trace() const noexcept;
  [[nodiscard]] const Baggage& baggage() const noexcept;

  // One that is cancelled with this one, and may be before it. Of an empty one: a root, as make() with the current
  // node's loop; throws FAILED_PRECONDITION where there is none.
  [[nodiscard]] CallContext child(const ContextOptions& options = {}) const;
  // The same trace, baggage and caller, but neither deadline nor cancellation: for work that outlives the call. The
  // node's end is its own. Of an empty one: as child().
  [[nodiscard]] CallContext detached(const ContextOptions& options = {}) const;

  // Cancels it and all that was made of it. Once; any later one changes nothing, nor does one of an empty context. Any
  // thread. What it means for the callers of the function that runs: nothing, they are answered as it says.
  void cancel(const Status& reason = Status(StatusCode::kCancelled, "cancelled")) const noexcept;

  // Calls `function(const Status&)`, once, on the kernel thread and never from within cancel(), when this is cancelled:
  // later, or soon if it has been already. Until the subscription is destroyed. `function` must not throw.
  [[nodiscard]] CancelSubscription on_cancel(std::move_only_function<void(const Status&)> function) const;

 private:
  friend class ContextScope;
  friend struct detail::ContextAccess;
  explicit CallContext(detail::ContextRef state) noexcept : state_(std::move(state)) {}
  detail::ContextRef state_;
};

// Keeps a function of on_cancel() in place. When it is destroyed on the kernel thread, the function will not be called
// any more; elsewhere, it may be running.
class ONWARD_API CancelSubscription {
 public:
  CancelSubscription() noexcept = default;
  ~CancelSubscription();
  CancelSubscription(CancelSubscription&&) noexcept = default;
  CancelSubscription& operator=(CancelSubscription&& other) noexcept {
    std::swap(entry_, other.entry_);
    return *this;
  }

 private:
  friend class CallContext;
  struct Entry;
  explicit CancelSubscription(std::shared_ptr<Entry> entry) noexcept : entry_(std::move(entry)) {}
  std::shared_ptr<Entry> entry_;
};

// Makes a context the current one of this thread while it lives. In a coroutine it may stay across co_await.
//
//   const CallContext attempt = CallContext::current().child({.timeout = 200ms});
//   const ContextScope scope(attempt);
//   rpc_async("b", search, words)…             // cancelled by attempt.cancel()
class ONWARD_API ContextScope {
 public:
  explicit ContextScope(const CallContext& context) noexcept;
  ~ContextScope();
  ContextScope(const ContextScope&) = delete;
  ContextScope& operator=(const ContextScope&) = delete;

 private:
  detail::ContextRef context_;
  detail::ContextRef before_;
};

// CallContext::current().caller(), cheaper.
[[nodiscard]] ONWARD_API const std::shared_ptr<const CallerInfo>& current_caller() noexcept;

}  // namespace onward
