// SPDX-License-Identifier: Apache-2.0
#include "onward/task.h"

namespace onward::detail {

void TaskPromiseBase::destroy_all(std::coroutine_handle<> waiting, const Status& reason) noexcept {
  std::coroutine_handle<> outermost = waiting;
  for (const TaskPromiseBase* promise = this; promise != nullptr && promise->continuation_;
       promise = promise->parent_) {
    outermost = promise->continuation_;
  }
  // What it was to complete fails for this reason.
  const BreakScope scope(reason);
  outermost.destroy();
}

LoopHandle& loop_for_spawn(LoopHandle* loop) {
  if (loop != nullptr) return *loop;
  throw RpcError(StatusCode::kFailedPrecondition,
                 "a Task was spawned while no node runs in this process: call init_rpc() or start a Node first, as "
                 "Tasks run on its kernel thread");
}

FutureAwaiterBase::~FutureAwaiterBase() {
  if (waits_) state_.end_wait();
  state_.drop_reference();
}

void FutureAwaiterBase::suspend(std::coroutine_handle<> handle, TaskPromiseBase* promise) {
  EventLoop* loop = EventLoop::current();
  if (loop == nullptr) {
    throw RpcError(StatusCode::kFailedPrecondition,
                   "a coroutine that runs on no kernel thread cannot wait for a Future: begin it with spawn()");
  }
  state_.require_loop();
  state_.set_observed();
  loop_ = &loop->handle();
  handle_ = handle;
  promise_ = promise;
  listens_to_ = ContextRef::share(context() != nullptr ? context() : &loop->background());
  if (!listens_to_->add_listener(*this, ContextState::Interest::kWaits)) {
    // By way of the queue: a loop that catches this and tries again must not keep the node from its work.
    cancelled_ = listens_to_->status();
    loop_->schedule(*this);
    return;
  }
  waits_ = by_handle_;
  if (waits_) state_.begin_wait();
  state_.add_callback(*this);
}

void FutureAwaiterBase::run(FutureStateBase&, bool) noexcept {
  if (!loop_->in_loop_thread()) {
    loop_->schedule(*this);
    return;
  }
  listens_to_->remove_listener(*this);
  handle_.resume();
}

void FutureAwaiterBase::run() noexcept {
  const ContextRef context = ContextRef::share(this->context());
  EventLoop& loop = *EventLoop::current();
  {
    const CurrentContext scope(context.get());
    listens_to_->remove_listener(*this);
    handle_.resume();
  }
  loop.callback_done(context.activity());
}

void FutureAwaiterBase::on_cancelled(const Status& reason) noexcept {
  if (!state_.remove_callback(*this)) return;  // the Future is done, or must be waited for
  cancelled_ = reason;
  loop_->schedule(*this);
}

// The Future's loop has ended; if it is another than this one's, the coroutine goes on with that.
void FutureAwaiterBase::drop(const Status& reason) noexcept {
  cancelled_ = reason;
  loop_->schedule(*this);
}

void FutureAwaiterBase::drop() noexcept {
  const Status reason = cancelled_.ok() ? node_ended() : cancelled_;
  if (promise_ != nullptr) {
    promise_->destroy_all(handle_, reason);
  } else {
    handle_.destroy();
  }
}

void FutureAwaiterBase::throw_if_cancelled() const { cancelled_.throw_if_error(); }

}  // namespace onward::detail
