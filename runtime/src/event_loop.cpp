// SPDX-License-Identifier: Apache-2.0
#include "onward/event_loop.h"

#include <event2/event.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <mutex>
#include <system_error>

#include "loop_state.h"
#include "onward/context_state.h"
#include "onward/cycle_counter.h"
#include "onward/future_state.h"
#include "onward/object_pool.h"

namespace onward {
namespace {

// Ready tasks that one turn runs before it looks at its connections again.
constexpr std::size_t kMaxTasksPerTurn = 4096;

// Turns that only look at memory, before one looks at descriptors, too.
constexpr unsigned kMaxTurnsWithoutPoll = 16;
// Turns without work after which something is looked at no more, so that a busy loop does not go on asking all that it
// ever heard of.
constexpr unsigned kMaxIdleTurns = 4096;
// How often a loop that stays awake looks at memory between two looks at descriptors: about a microsecond.
constexpr int kLooksPerPoll = 32;

std::uint64_t tick_of(TimePoint time, bool round_up) noexcept {
  constexpr Duration kTick = std::chrono::milliseconds(1);
  const Duration since = std::max(time.time_since_epoch(), Duration::zero());
  const auto ticks = static_cast<std::uint64_t>(since / kTick);
  return round_up && since % kTick != Duration::zero() ? ticks + 1 : ticks;
}

// libevent ends the process when it runs out of descriptors on its way: see first that it will not. It
// takes one for epoll and two for signals.
bool has_descriptors_for_libevent(int any_fd) noexcept {
  std::array<int, 3> probes{};
  for (int& probe : probes) probe = ::fcntl(any_fd, F_DUPFD_CLOEXEC, 0);
  const int failed_with = errno;
  for (const int probe : probes) {
    if (probe >= 0) ::close(probe);
  }
  errno = failed_with;
  return std::ranges::all_of(probes, [](int probe) { return probe >= 0; });
}

detail::ContextState* make_background(LoopHandle& handle) {
  detail::ContextOrigin* origin = detail::ContextOrigin::make(handle, nullptr);
  detail::ContextState* made = detail::ContextState::make_background(*origin);
  origin->drop_reference();
  return made;
}

// While one lives, this thread is the loop's.
struct Running {
  EventLoop* before;
  explicit Running(EventLoop* loop) : before(std::exchange(running_loop, loop)) {}
  ~Running() { running_loop = before; }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;
};

RpcError system_error(const char* what) {
  return {StatusCode::kResourceExhausted, std::string("cannot create an event loop: ") + what + ": " +
                                              std::generic_category().message(errno) +
                                              "; raise the limit of open files (ulimit -n)"};
}

}  // namespace

Flushable::~Flushable() {
  if (flush_loop_ != nullptr) flush_loop_->dirty_[flush_index_] = nullptr;
}

Pollable::~Pollable() {
  if (poll_loop_ != nullptr) poll_loop_->stop_looking_at(*this);
}

EventLoop::EventLoop(EventLoopOptions options, Clock& clock)
    : clock_(clock),
      options_(std::move(options)),
      handle_(new LoopHandle(this, clock)),
      now_(clock.now()),
      wheel_(tick_of(now_, false)),
      started_(std::chrono::steady_clock::now()),
      started_cycles_(cycle_count()),
      manual_clock_(dynamic_cast<ManualClock*>(&clock) != nullptr) {
  if (options_.slow_callback == Duration::zero()) options_.slow_callback = Duration::max();
  const auto undo = [this](const char* what) {
    const RpcError error = system_error(what);
    close_descriptors();
    LoopHandle::release(handle_);
    throw error;
  };
  wake_fd_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  timer_fd_ = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  if (wake_fd_ < 0 || timer_fd_ < 0) undo("eventfd or timerfd");
  if (!has_descriptors_for_libevent(wake_fd_)) undo("epoll");
  event_config* config = event_config_new();
  if (config == nullptr) undo("event_config_new");
  event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_NO_CACHE_TIME);
  base_ = event_base_new_with_config(config);
  event_config_free(config);
  if (base_ == nullptr) undo("event_base_new");
  handle_->state_->wake_fd = wake_fd_;
  const auto drain = [](int fd, short, void*) {
    std::uint64_t count = 0;
    [[maybe_unused]] const ssize_t got = ::read(fd, &count, sizeof count);
  };
  // Each write is an event of its own, then, and need not be read.
  const bool is_edge = (event_base_get_features(base_) & EV_FEATURE_ET) != 0;
  wake_event_ = is_edge ? event_new(
                              base_, wake_fd_, EV_READ | EV_PERSIST | EV_ET, [](int, short, void*) {}, nullptr)
                        : event_new(base_, wake_fd_, EV_READ | EV_PERSIST, drain, nullptr);
  timer_event_ = event_new(base_, timer_fd_, EV_READ | EV_PERSIST, drain, nullptr);
  if (wake_event_ == nullptr || timer_event_ == nullptr) undo("event_new");
  background_ = make_background(*handle_);
  event_add(wake_event_, nullptr);
  event_add(timer_event_, nullptr);
  if (auto* manual = dynamic_cast<ManualClock*>(&clock_)) manual->subscribe(this, [this] { post([] {}); });
}

EventLoop::~EventLoop() {
  if (auto* manual = dynamic_cast<ManualClock*>(&clock_)) manual->unsubscribe(this);
  {
    const Running running(this);
    background_->cancel(detail::node_ended());
  }
  bury();
  TaskList left;
  {
    const std::lock_guard lock(handle_->state_->mutex);
    handle_->state_->loop = nullptr;
    left = {ready_head_, ready_tail_};
    left.append(handle_->state_->inbox);
  }
  for (Pollable* pollable : polled_) pollable->poll_loop_ = nullptr;
  handle_->end_waits();
  wheel_.clear();
  drop_all(left);
  bury();
  close_descriptors();
  background_->drop_reference();
  LoopHandle::release(handle_);
}

void EventLoop::close_descriptors() noexcept {
  if (wake_event_ != nullptr) event_free(wake_event_);
  if (timer_event_ != nullptr) event_free(timer_event_);
  if (base_ != nullptr) event_base_free(base_);
  if (wake_fd_ >= 0) ::close(wake_fd_);
  if (timer_fd_ >= 0) ::close(timer_fd_);
}

void EventLoop::run() {
  stopping_ = false;
  while (!stopping_) run_once();
}

bool EventLoop::run_once(bool may_sleep) {
  const Running running(this);
  happened_ = false;
  ++turns_;
  poll(may_sleep);
  begin_turn();
  happened_ |= take_inbox();
  happened_ |= wheel_.advance(tick_of(now_, false)) > 0;
  happened_ |= run_ready();
  flush_all();
  bury();
  last_turn_cycles_ = cycle_count() - turn_cycles_;
  if (manual_clock_) last_turn_ = clock_.now() - now_;
  if (happened_ && options_.busy_poll > Duration::zero()) busy_until_ = now_ + options_.busy_poll;
  return happened_;
}

void EventLoop::stop() {
  post([this] { stopping_ = true; });
}

void EventLoop::begin_turn() noexcept {
  if (turn_begun_) return;
  turn_begun_ = true;
  now_ = clock_.now();
  turn_cycles_ = callback_cycles_ = cycle_count();
  oldest_input_cycles_ = turn_cycles_ - last_turn_cycles_;
}

void EventLoop::poll(bool may_sleep) {
  turn_begun_ = false;
  bool sleep = may_sleep && ready_head_ == nullptr && dirty_.empty() && graves_.empty();
  if (!polled_.empty() && look_at_memory(true)) {
    if (++turns_without_poll_ < kMaxTurnsWithoutPoll) return;
    sleep = false;
  }
  turns_without_poll_ = 0;
  if (sleep && busy_until_ > now_) {
    begin_turn();
    sleep = now_ >= busy_until_;
    turn_begun_ = false;
    for (int looks = 0; !sleep && !polled_.empty() && looks < kLooksPerPoll; ++looks) {
      if (look_at_memory(false)) return;
      spin_wait();
    }
  }
  if (sleep && !polled_.empty()) sleep = prepare_sleep();
  if (sleep) {
    arm_poll_timer();
    LoopHandle::State& state = *handle_->state_;
    const std::lock_guard lock(state.mutex);
    sleep = state.inbox.head == nullptr;
    state.sleeping = sleep;
  }
  event_base_loop(base_, sleep ? EVLOOP_ONCE : EVLOOP_ONCE | EVLOOP_NONBLOCK);
}

// By index: what works may add others, and be destroyed; then the last one is met a turn later.
bool EventLoop::look_at_memory(bool may_retire) {
  bool worked = false;
  for (std::size_t i = 0; i < polled_.size(); ++i) {
    Pollable& pollable = *polled_[i];
    if (!pollable.has_work()) {
      if (may_retire && ++pollable.idle_turns_ > kMaxIdleTurns && pollable.prepare_sleep()) stop_looking_at(pollable);
      continue;
    }
    pollable.idle_turns_ = 0;
    begin_turn();
    happened_ = worked = true;
    pollable.work();
  }
  return worked;
}

bool EventLoop::prepare_sleep() noexcept {
  for (std::size_t i = polled_.size(); i > 0; --i) {
    if (polled_[i - 1]->prepare_sleep()) stop_looking_at(*polled_[i - 1]);
  }
  return polled_.empty();
}

void EventLoop::look_at(Pollable& pollable) {
  if (pollable.poll_loop_ != nullptr) return;
  pollable.poll_loop_ = this;
  pollable.poll_index_ = polled_.size();
  pollable.idle_turns_ = 0;
  polled_.push_back(&pollable);
}

void EventLoop::stop_looking_at(Pollable& pollable) noexcept {
  polled_[pollable.poll_index_] = polled_.back();
  polled_[pollable.poll_index_]->poll_index_ = pollable.poll_index_;
  polled_.pop_back();
  pollable.poll_loop_ = nullptr;
}

// Early is harmless (the turn finds nothing due), late is not: only an earlier deadline is set anew.
void EventLoop::arm_poll_timer() {
  const std::uint64_t tick = wheel_.next_tick();
  if (tick == TimingWheel::kNever) return;
  const TimePoint at{std::chrono::milliseconds(tick)};
  if (at >= poll_timer_at_ && poll_timer_at_ > now_) return;
  const Duration delay = clock_.sleep_until(at);
  if (delay == Duration::max()) return;
  poll_timer_at_ = at;
  const Duration::rep nanoseconds = std::max<Duration::rep>(delay.count(), 1);
  const itimerspec when{.it_interval = {},
                        .it_value = {.tv_sec = nanoseconds / 1'000'000'000, .tv_nsec = nanoseconds % 1'000'000'000}};
  timerfd_settime(timer_fd_, 0, &when, nullptr);
}

bool EventLoop::take_inbox() {
  LoopHandle::State& state = *handle_->state_;
  if (!state.has_tasks.load(std::memory_order_acquire)) return false;
  const std::lock_guard lock(state.mutex);
  state.sleeping = false;
  state.has_tasks.store(false, std::memory_order_relaxed);
  TaskList ready{ready_head_, ready_tail_};
  ready.append(state.inbox);
  ready_head_ = ready.head;
  ready_tail_ = ready.tail;
  return true;
}

void EventLoop::push_ready(LoopTask& task) noexcept {
  task.next_task_ = nullptr;
  (ready_tail_ == nullptr ? ready_head_ : ready_tail_->next_task_) = &task;
  ready_tail_ = &task;
}

bool EventLoop::run_ready() {
  if (ready_head_ == nullptr) return false;
  for (std::size_t i = 0; i < kMaxTasksPerTurn && ready_head_ != nullptr; ++i) {
    LoopTask* task = ready_head_;
    ready_head_ = task->next_task_;
    if (ready_head_ == nullptr) ready_tail_ = nullptr;
    task->run();
  }
  return true;
}

void EventLoop::flush_later(Flushable& flushable) {
  if (flushable.flush_loop_ != nullptr) return;
  flushable.flush_loop_ = this;
  flushable.flush_index_ = dirty_.size();
  dirty_.push_back(&flushable);
}

void EventLoop::flush_all() {
  // By index: a flush may add others.
  for (std::size_t i = 0; i < dirty_.size(); ++i) {
    Flushable* flushable = std::exchange(dirty_[i], nullptr);
    if (flushable == nullptr) continue;
    flushable->flush_loop_ = nullptr;
    flushable->flush();
  }
  dirty_.clear();
}

void EventLoop::dispose_erased(Grave grave) { graves_.push_back(grave); }

void EventLoop::bury() {
  for (std::size_t i = 0; i < graves_.size(); ++i) {
    const Grave grave = graves_[i];
    grave.destroy(grave.object);
  }
  graves_.clear();
}

void EventLoop::arm(WheelTimer& timer, TimePoint deadline) { wheel_.arm(timer, tick_of(deadline, true)); }

EventLoop* EventLoop::current() noexcept { return running_loop; }

void EventLoop::check_may_block(const char* what) {
  if (running_loop == nullptr) return;
  throw RpcError(StatusCode::kFailedPrecondition,
                 std::string(what) +
                     " was called on the kernel thread, which must not block: return a Future and use "
                     "then() or add_callback(), or register the function as blocking so that it runs on the pool");
}

void EventLoop::cancel_background(const Status& reason) {
  const detail::ContextRef old(std::exchange(background_, make_background(*handle_)));
  old->cancel(reason);
}

IoWatcher::IoWatcher(EventLoop& loop, int fd, void* context, Callback on_readable, Callback on_writable,
                     bool edge_triggered)
    : loop_(loop), context_(context), on_readable_(on_readable), on_writable_(on_writable) {
  const auto relay = [](int, short what, void* self) {
    const auto* watcher = static_cast<IoWatcher*>(self);
    watcher->loop_.begin_turn();
    watcher->loop_.happened_ = true;
    ((what & EV_READ) != 0 ? watcher->on_readable_ : watcher->on_writable_)(watcher->context_);
  };
  const auto how = static_cast<short>(EV_PERSIST | (edge_triggered ? EV_ET : 0));
  if (on_readable != nullptr) read_event_ = event_new(loop.base_, fd, static_cast<short>(EV_READ | how), relay, this);
  if (on_writable != nullptr) write_event_ = event_new(loop.base_, fd, static_cast<short>(EV_WRITE | how), relay, this);
}

IoWatcher::~IoWatcher() {
  if (read_event_ != nullptr) event_free(read_event_);
  if (write_event_ != nullptr) event_free(write_event_);
}

void IoWatcher::watch_readable(bool on) {
  if (on == reading_ || read_event_ == nullptr) return;
  reading_ = on;
  on ? event_add(read_event_, nullptr) : event_del(read_event_);
}

void IoWatcher::watch_writable(bool on) {
  if (on == writing_ || write_event_ == nullptr) return;
  writing_ = on;
  on ? event_add(write_event_, nullptr) : event_del(write_event_);
}

Timer::Timer(EventLoop& loop, std::move_only_function<void()> on_expired) : entry_(loop, std::move(on_expired)) {}
Timer::~Timer() { cancel(); }
void Timer::arm(Duration delay) { entry_.loop.arm(entry_, entry_.loop.deadline_in(delay)); }
void Timer::cancel() noexcept { entry_.loop.disarm(entry_); }
bool Timer::armed() const noexcept { return entry_.armed(); }

}  // namespace onward
