// SPDX-License-Identifier: Apache-2.0
#include "onward/sleep.h"

#include <algorithm>
#include <string>

#include "onward/context_state.h"
#include "onward/event_loop.h"

namespace onward {
namespace {

// Owns itself, until it has woken up.
class Sleeper final : public LoopTask, public WheelTimer, public detail::CancelListener {
 public:
  Sleeper(const Future<void>& future, TimePoint until)
      : future_(future), until_(until), context_(detail::capture_context()) {}

  void run() noexcept override {
    EventLoop& loop = *EventLoop::current();
    if (!context_) context_ = detail::ContextRef::share(&loop.background());
    if (!context_->add_listener(*this, detail::ContextState::Interest::kWaits)) return end(context_->status());
    loop.arm(*this, until_);
  }
  void drop() noexcept override { on_dropped(); }
  void on_timer() override {
    context_->remove_listener(*this);
    end({});
  }
  void on_dropped() noexcept override { end(detail::node_ended()); }
  void on_cancelled(const Status& reason) noexcept override {
    EventLoop::current()->disarm(*this);
    end(reason);
  }

 private:
  void end(const Status& outcome) noexcept {
    outcome.ok() ? future_.try_complete({}) : future_.try_fail(outcome);
    pool_delete(this);
  }
  Future<void> future_;
  TimePoint until_;
  detail::ContextRef context_;
};

}  // namespace

namespace detail {

void no_loop(const char* what) {
  throw RpcError(
      StatusCode::kFailedPrecondition,
      std::string(what) + " was called while no node runs in this process: call init_rpc() or start a Node first");
}

}  // namespace detail

Future<void> sleep_for(Duration delay) {
  LoopHandle* loop = LoopHandle::current();
  if (loop == nullptr) detail::no_loop("sleep_for()");
  const TimePoint now = loop->now();
  Future<void> future(loop);
  loop->schedule(*pool_new<Sleeper>(
      future, delay > TimePoint::max() - now ? TimePoint::max() : now + std::max(delay, Duration::zero())));
  return future;
}

}  // namespace onward
