// SPDX-License-Identifier: Apache-2.0
#include "onward/call_context.h"

#include <algorithm>
#include <atomic>
#include <string>

#include "onward/event_loop.h"

namespace onward {
namespace detail {
namespace {

constinit thread_local ContextSlot running{};
// What a ContextScope has put back, and nobody else may keep.
thread_local ContextRef put_back;

Status deadline_passed(const Activity* activity) {
  return {StatusCode::kDeadlineExceeded, activity == nullptr
                                             ? "the deadline has passed"
                                             : "the deadline of the call of " + activity->name + " has passed"};
}

}  // namespace

ContextOrigin::ContextOrigin(LoopHandle& loop, std::shared_ptr<const CallerInfo> caller, void* owner) noexcept
    : loop_(loop), caller_(std::move(caller)), owner_(owner) {
  LoopHandle::retain(&loop_);
}
ContextOrigin::~ContextOrigin() { LoopHandle::release(&loop_); }

ContextOrigin* ContextOrigin::make(LoopHandle& loop, std::shared_ptr<const CallerInfo> caller, void* owner) {
  return new ContextOrigin(loop, std::move(caller), owner);
}

// The timer for its deadline, and its place among its parent's listeners.
struct ContextState::Details final : WheelTimer, CancelListener {
  explicit Details(ContextState& of) : owner(of) {}
  void on_timer() override { owner.cancel(deadline_passed(owner.activity_)); }
  void on_cancelled(const Status& why) noexcept override { owner.cancel(why); }

  ContextState& owner;
  ContextRef parent;
  ContextRef joined;  // whose listener it is: the parent, or the loop's background
  std::shared_ptr<const CallMetadata> metadata;
  Status reason;
};

ContextState::ContextState(ContextOrigin& origin, TimePoint deadline, const Activity* activity) noexcept
    : deadline_(deadline), origin_(&origin), activity_(activity) {
  origin.add_reference();
}

ContextState::~ContextState() {
  if (Details* own = details_.load(std::memory_order_relaxed); own != nullptr) pool_delete(own);
  origin_->drop_reference();
}

void ContextState::destroy() noexcept { pool_delete(this); }

ContextState* ContextState::make(ContextOrigin& origin, TimePoint deadline, const Activity* activity,
                                 ContextState* parent, std::shared_ptr<const CallMetadata> metadata) {
  ContextState* made = pool_new<ContextState>(origin, deadline, activity);
  if (parent != nullptr || metadata) {
    Details& own = made->details();
    own.parent = ContextRef::share(parent);
    own.metadata = std::move(metadata);
  }
  return made;
}

ContextState* ContextState::make_background(ContextOrigin& origin) {
  ContextState* made = pool_new<ContextState>(origin, TimePoint::max(), nullptr);
  made->is_background_ = true;
  return made;
}

ContextState::Details& ContextState::details() {
  Details* own = details_.load(std::memory_order_acquire);
  if (own != nullptr) return *own;
  auto* made = pool_new<Details>(*this);
  if (details_.compare_exchange_strong(own, made, std::memory_order_acq_rel)) return *made;
  pool_delete(made);
  return *own;
}

std::shared_ptr<const CallMetadata> ContextState::metadata() const noexcept {
  const Details* own = details_.load(std::memory_order_acquire);
  return own == nullptr ? nullptr : own->metadata;
}

Status ContextState::status() const noexcept {
  const Details* own = details_.load(std::memory_order_acquire);
  if (phase_.load(std::memory_order_acquire) == Phase::kCancelled) return own->reason;
  if (own != nullptr && own->parent) {
    if (Status above = own->parent->status(); !above.ok()) return above;
  }
  return deadline_ != TimePoint::max() && origin_->loop().now() >= deadline_ ? deadline_passed(activity_) : Status();
}

void ContextState::cancel(const Status& reason) noexcept {
  Phase expected = Phase::kLive;
  if (!phase_.compare_exchange_strong(expected, Phase::kClaimed, std::memory_order_acq_rel)) return;
  details().reason = reason.ok() ? Status(StatusCode::kCancelled, "cancelled") : reason;
  phase_.store(Phase::kCancelled, std::memory_order_release);
  if (origin_->loop().in_loop_thread()) {
    notify();
  } else {
    origin_->loop().post([self = ContextRef::share(this)] { self->notify(); });
  }
}

void ContextState::notify() noexcept {
  const ContextRef keep = ContextRef::share(this);
  leave();
  const Status& reason = details().reason;
  while (listeners_ != nullptr) {
    CancelListener* listener = listeners_;
    listeners_ = listener->next_;
    if (listeners_ != nullptr) listeners_->previous_ = &listeners_;
    listener->previous_ = nullptr;
    listener->on_cancelled(reason);
  }
}

bool ContextState::add_listener(CancelListener& listener, Interest interest) noexcept {
  if (!origin_->loop().in_loop_thread()) return true;
  if (phase_.load(std::memory_order_acquire) != Phase::kLive || !join(interest)) return false;
  listener.next_ = listeners_;
  listener.previous_ = &listeners_;
  if (listeners_ != nullptr) listeners_->previous_ = &listener.next_;
  listeners_ = &listener;
  return true;
}

void ContextState::remove_listener(CancelListener& listener) noexcept {
  if (!listener.listening()) return;
  *listener.previous_ = listener.next_;
  if (listener.next_ != nullptr) listener.next_->previous_ = listener.previous_;
  listener.previous_ = nullptr;
  if (listeners_ == nullptr) leave();
}

// Sees to it that this is told what its listeners want to know.
bool ContextState::join(Interest interest) noexcept {
  Details* own = details_.load(std::memory_order_acquire);
  const bool has_parent = own != nullptr && own->parent;
  if (is_background_ || (interest == Interest::kCall && !has_parent)) return true;
  EventLoop& loop = *EventLoop::current();
  if (deadline_ <= loop.now()) return false;
  own = &details();
  if (!own->listening()) {
    ContextRef above = has_parent ? own->parent : ContextRef::share(&loop.background());
    if (!above->add_listener(*own, Interest::kWaits)) return false;
    own->joined = std::move(above);
  }
  if (deadline_ != TimePoint::max() && !own->armed()) loop.arm(*own, deadline_);
  return true;
}

void ContextState::leave() noexcept {
  Details* own = details_.load(std::memory_order_acquire);
  if (own == nullptr) return;
  if (own->armed()) EventLoop::current()->disarm(*own);
  if (const ContextRef above = std::exchange(own->joined, {}); above) above->remove_listener(*own);
}

ContextRef LazyContext::share() {
  if (made == nullptr) {
    constexpr std::uint32_t kReferences = 8;
    made = ContextState::make(origin, deadline, activity, nullptr, metadata);
    made->set_tag(tag);
    made->set_references(kReferences);
    to_give = kReferences;
  }
  // The last one is its own.
  if (to_give == 1) return ContextRef::share(made);
  --to_give;
  return ContextRef(made);
}

CurrentContext::CurrentContext(LazyContext& lazy) noexcept
    : before_(std::exchange(running, ContextSlot{.lazy = &lazy})) {}
CurrentContext::CurrentContext(ContextState* state) noexcept
    : before_(std::exchange(running, ContextSlot{.state = state})) {}
CurrentContext::~CurrentContext() { running = before_; }
void CurrentContext::replace(ContextState* state) noexcept { running = {.state = state}; }

KeepContext::KeepContext() noexcept : before_(running) {}
KeepContext::~KeepContext() { running = before_; }

ContextRef capture_context() {
  if (running.state == nullptr && running.lazy != nullptr) return running.lazy->share();
  return ContextRef::share(running.state);
}

const Activity* current_activity() noexcept {
  if (running.state != nullptr) return running.state->activity();
  return running.lazy == nullptr ? nullptr : running.lazy->activity;
}

struct ContextAccess {
  static CallContext wrap(ContextRef state) { return CallContext(std::move(state)); }
  // The context that `options` make of `metadata`, below `parent`.
  static CallContext make(ContextOrigin& origin, const ContextRef& parent, std::shared_ptr<const CallMetadata> metadata,
                          const Activity* activity, const ContextOptions& options) {
    TimePoint deadline = parent ? parent->deadline() : TimePoint::max();
    if (options.timeout) {
      const TimePoint now = origin.loop().now();
      const Duration in = std::max(*options.timeout, Duration::zero());
      if (in < TimePoint::max() - now) deadline = std::min(deadline, now + in);
    }
    if (options.trace || options.baggage) {
      CallMetadata changed = metadata ? *metadata : CallMetadata{};
      if (options.trace) changed.trace = options.trace;
      if (options.baggage) changed.baggage = *options.baggage;
      metadata = std::make_shared<const CallMetadata>(std::move(changed));
    }
    return wrap(ContextRef(ContextState::make(origin, deadline, activity, parent.get(), std::move(metadata))));
  }
};

}  // namespace detail

CallContext CallContext::make(LoopHandle& loop, const ContextOptions& options) {
  detail::ContextOrigin* origin = detail::ContextOrigin::make(loop, nullptr);
  CallContext made = detail::ContextAccess::make(*origin, {}, nullptr, nullptr, options);
  origin->drop_reference();
  return made;
}

CallContext CallContext::current() noexcept { return CallContext(detail::capture_context()); }

TimePoint CallContext::deadline() const noexcept { return state_ ? state_->deadline() : TimePoint::max(); }

Duration CallContext::remaining() const noexcept {
  if (deadline() == TimePoint::max()) return Duration::max();
  return std::max(deadline() - state_->origin().loop().now(), Duration::zero());
}

Status CallContext::status() const noexcept { return state_ ? state_->status() : Status(); }

const std::shared_ptr<const CallerInfo>& CallContext::caller() const noexcept {
  static const std::shared_ptr<const CallerInfo> nobody;
  return state_ ? state_->origin().caller() : nobody;
}

std::optional<TraceContext> CallContext::trace() const noexcept {
  const auto metadata = state_ ? state_->metadata() : nullptr;
  return metadata ? metadata->trace : std::nullopt;
}

const Baggage& CallContext::baggage() const noexcept {
  static const Baggage none;
  // Kept by the context, which never changes it.
  const auto metadata = state_ ? state_->metadata() : nullptr;
  return metadata ? metadata->baggage : none;
}

CallContext CallContext::child(const ContextOptions& options) const {
  if (state_)
    return detail::ContextAccess::make(state_->origin(), state_, state_->metadata(), state_->activity(), options);
  LoopHandle* loop = LoopHandle::current();
  if (loop == nullptr) {
    throw RpcError(StatusCode::kFailedPrecondition,
                   "a CallContext was made while no node runs in this process: call init_rpc() first, or use "
                   "CallContext::make() with the loop of a Node");
  }
  return make(*loop, options);
}

CallContext CallContext::detached(const ContextOptions& options) const {
  if (!state_) return child(options);
  return detail::ContextAccess::make(state_->origin(), {}, state_->metadata(), state_->activity(), options);
}

void CallContext::cancel(const Status& reason) const noexcept {
  if (state_) state_->cancel(reason);
}

struct CancelSubscription::Entry final : std::enable_shared_from_this<Entry>, detail::CancelListener {
  Entry(detail::ContextRef of, std::move_only_function<void(const Status&)> told)
      : context(std::move(of)), function(std::move(told)) {}

  // On the loop's thread.
  void begin() {
    if (!over && !context->add_listener(*this, detail::ContextState::Interest::kWaits)) on_cancelled(context->status());
  }
  void end() { context->remove_listener(*this); }
  void on_cancelled(const Status& reason) noexcept override {
    context->origin().loop().post([self = shared_from_this(), reason] {
      if (!self->over.exchange(true)) self->function(reason);
    });
  }

  detail::ContextRef context;
  std::move_only_function<void(const Status&)> function;
  std::atomic<bool> over{false};
};

CancelSubscription CallContext::on_cancel(std::move_only_function<void(const Status&)> function) const {
  if (!state_) return {};
  auto entry = std::make_shared<CancelSubscription::Entry>(state_, std::move(function));
  LoopHandle& loop = state_->origin().loop();
  if (loop.in_loop_thread()) {
    entry->begin();
  } else {
    loop.post([entry] { entry->begin(); });
  }
  return CancelSubscription(std::move(entry));
}

CancelSubscription::~CancelSubscription() {
  if (!entry_) return;
  entry_->over = true;
  LoopHandle& loop = entry_->context->origin().loop();
  if (loop.in_loop_thread()) {
    entry_->end();
  } else {
    loop.post([entry = entry_] { entry->end(); });
  }
}

// In place of what is current now, which it keeps, as a coroutine may destroy this much later.
ContextScope::ContextScope(const CallContext& context) noexcept
    : context_(context.state_), before_(detail::capture_context()) {
  detail::running = {.state = context_.get()};
}
ContextScope::~ContextScope() {
  detail::running = {.state = before_.get()};
  detail::put_back = std::move(before_);
}

const std::shared_ptr<const CallerInfo>& current_caller() noexcept {
  static const std::shared_ptr<const CallerInfo> nobody;
  const detail::ContextSlot& slot = detail::running;
  if (slot.state != nullptr) return slot.state->origin().caller();
  return slot.lazy == nullptr ? nobody : slot.lazy->origin.caller();
}

}  // namespace onward
