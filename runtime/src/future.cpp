// SPDX-License-Identifier: Apache-2.0
#include "onward/future.h"

#include <sched.h>

#include <string>

#include "onward/log.h"

namespace onward::detail {
namespace {

std::string describe(const std::source_location& origin) {
  if (origin.line() == 0) return "the kernel, for a call";
  return std::string(origin.file_name()) + ":" + std::to_string(origin.line());
}

}  // namespace

const Status& node_ended() noexcept {
  static const Status status(StatusCode::kUnavailable, "the node has shut down");
  return status;
}

constinit thread_local BreakScope* BreakScope::current_ = nullptr;

FutureStateBase::FutureStateBase(LoopHandle* loop, std::source_location origin) noexcept
    : loop_(loop), origin_(origin) {
  if (loop_ != nullptr) LoopHandle::retain(loop_);
}

FutureStateBase::~FutureStateBase() {
  if (loop_ != nullptr) LoopHandle::release(loop_);
}

void FutureStateBase::SpinLock::contend() noexcept {
  for (unsigned spins = 0; state_.locked_.exchange(true, std::memory_order_acquire); ++spins) {
    if (spins > 64) sched_yield();
  }
}

bool FutureStateBase::try_fail(Status error) noexcept {
  if (error.ok()) error = Status(StatusCode::kInternal, "failed with a status of OK");
  if (!claim()) return false;
  set_error(std::move(error));
  store_error(error_);
  publish(Phase::kError);
  return true;
}

// Under the lock: another thread may be noting why it dropped a completer.
void FutureStateBase::set_error(Status error) noexcept {
  const SpinLock lock(*this);
  std::swap(error_, error);
}

bool FutureStateBase::abandon(Status error) noexcept {
  abandoned_.store(true, std::memory_order_relaxed);
  return try_fail(std::move(error));
}

void FutureStateBase::publish(Phase phase) noexcept {
  bool schedule = false;
  {
    const SpinLock lock(*this);
    phase_.store(phase, std::memory_order_release);
    for (Waiter* waiter = std::exchange(waiters_, nullptr); waiter != nullptr;) {
      Waiter* next = waiter->next;  // a woken waiter is gone
      waiter->wake();
      waiter = next;
    }
    schedule = first_ != nullptr && !scheduled_;
    if (schedule) scheduled_ = true;
  }
  if (!schedule) return;
  add_reference();
  loop_->schedule(*this);
}

void FutureStateBase::require_loop() {
  const SpinLock lock(*this);
  if (loop_ != nullptr) return;
  loop_ = LoopHandle::current();
  if (loop_ == nullptr) {
    throw RpcError(
        StatusCode::kFailedPrecondition,
        "a callback was added to a Future while no node runs in this process: call init_rpc() or start a Node "
        "first, as callbacks run on its kernel thread");
  }
  LoopHandle::retain(loop_);
}

void FutureStateBase::add_callback(FutureCallback& callback) noexcept {
  bool schedule = false;
  {
    const SpinLock lock(*this);
    if (first_ == nullptr) first_ = callback.previous_ = &callback;
    FutureCallback* const last = std::exchange(first_->previous_, &callback);
    if (last != &callback) last->next_ = &callback;
    callback.previous_ = last;
    schedule = done() && !scheduled_;
    if (schedule) scheduled_ = true;
  }
  if (!schedule) return;
  add_reference();
  loop_->schedule(*this);
}

bool FutureStateBase::remove_callback(FutureCallback& callback) noexcept {
  const SpinLock lock(*this);
  if (done() || shielded_) return false;
  FutureCallback* const next = callback.next_;
  if (&callback != first_) callback.previous_->next_ = next;
  if (next != nullptr) {
    next->previous_ = callback.previous_;
  } else {
    first_->previous_ = callback.previous_;
  }
  if (&callback == first_) first_ = next;
  callback.next_ = callback.previous_ = nullptr;
  return true;
}

FutureCallback* FutureStateBase::take_callbacks() noexcept {
  const SpinLock lock(*this);
  scheduled_ = false;
  return std::exchange(first_, nullptr);
}

void FutureStateBase::run() noexcept {
  EventLoop* loop = EventLoop::current();
  CurrentContext current(nullptr);
  for (FutureCallback* callback = take_callbacks(); callback != nullptr;) {
    FutureCallback* next = callback->next_;
    const ContextRef context = callback->context_;
    current.replace(context.get());
    callback->run(*this, next == nullptr && sole_reference());
    loop->callback_done(context.activity());
    callback = next;
  }
  drop_reference();
}

void FutureStateBase::drop() noexcept {
  const Status reason = failed() ? error_ : node_ended();
  for (FutureCallback* callback = take_callbacks(); callback != nullptr;) {
    FutureCallback* next = callback->next_;
    callback->drop(reason);
    callback = next;
  }
  set_observed();
  drop_reference();
}

void FutureStateBase::drop_pending_completer() noexcept {
  if (BreakScope* scope = BreakScope::current_; scope != nullptr) {
    const SpinLock lock(*this);
    if (phase_.load(std::memory_order_relaxed) == Phase::kPending) {
      scope->used_ = true;
      if (error_.ok()) error_ = scope->cause_;
    }
  }
  const std::uint64_t left = (counts_.fetch_sub(kCompleter, std::memory_order_seq_cst) >> 32) - 1;
  if (left <= waiting_.load(std::memory_order_seq_cst)) break_promise();
  drop_reference();
}

void FutureStateBase::break_promise() noexcept {
  if (!claim()) return;
  bool noted = false;
  {
    const SpinLock lock(*this);
    noted = !error_.ok();
    // No handle is left to look at it with, and nobody has asked to be told.
    if (first_ == nullptr && waiters_ == nullptr) set_observed();
  }
  if (!noted) {
    set_error(Status(StatusCode::kAborted,
                     "broken promise: the last handle of a Future was dropped before it was completed (created at " +
                         describe(origin_) + "); keep a copy where mark_complete() or mark_error() will be called"));
  }
  store_error(error_);
  publish(Phase::kError);
}

void FutureStateBase::leave_waiters(Waiter& waiter) noexcept {
  const SpinLock lock(*this);
  for (Waiter** at = &waiters_; *at != nullptr; at = &(*at)->next) {
    if (*at != &waiter) continue;
    *at = waiter.next;
    return;
  }
}

// A handle that was never copied can be completed only through itself, by a thread that holds a
// reference to it: it waits. Once there were copies, the one that waits does not count.
void FutureStateBase::begin_wait() noexcept {
  const auto waiting = waiting_.fetch_add(1, std::memory_order_seq_cst) + 1U;
  if (shared_.load(std::memory_order_relaxed) && (counts_.load(std::memory_order_seq_cst) >> 32) <= waiting)
    break_promise();
}

bool FutureStateBase::wait_until(std::optional<std::chrono::steady_clock::time_point> deadline) {
  EventLoop::check_may_block("wait()");
  set_observed();
  if (done()) return true;
  begin_wait();
  Waiter waiter;
  {
    const SpinLock lock(*this);
    if (!done()) {
      waiter.next = std::exchange(waiters_, &waiter);
    } else {
      waiter.woken = true;
    }
  }
  const bool registered =
      loop_ != nullptr && loop_->on_close(&waiter, [](void* it) { static_cast<Waiter*>(it)->wake(); });
  if (loop_ != nullptr && !registered) waiter.wake();
  {
    std::unique_lock lock(waiter.mutex);
    const auto woken = [&] { return waiter.woken; };
    if (!deadline) {
      waiter.changed.wait(lock, woken);
    } else {
      waiter.changed.wait_until(lock, *deadline, woken);
    }
  }
  if (registered) loop_->cancel_on_close(&waiter);
  leave_waiters(waiter);
  end_wait();
  if (done()) return true;
  if (loop_ != nullptr && loop_->waits_ended()) throw RpcError(node_ended());
  return false;
}

void FutureStateBase::destroy() noexcept {
  // Who cancels does not wait.
  if (failed() && !observed_.load(std::memory_order_relaxed) && error_.code() != StatusCode::kCancelled) {
    log(LogLevel::kWarning, "future",
        "a failed Future was never looked at, made by " + describe(origin_) +
            "; add on_error() or wait() for it: " + error_.to_string());
  }
  free();
}

void report_uncaught(const Status& error) noexcept {
  const Activity* activity = current_activity();
  log(LogLevel::kError, "future",
      "a callback" + (activity == nullptr ? std::string() : " of " + activity->name) + " failed: " + error.to_string());
}

}  // namespace onward::detail
