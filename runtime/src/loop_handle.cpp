// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include "loop_state.h"
#include "onward/context_state.h"
#include "onward/object_pool.h"

namespace onward {

constinit thread_local EventLoop* running_loop = nullptr;

namespace {

constinit thread_local LoopHandle* thread_default = nullptr;
constinit std::atomic<LoopHandle*> process_default{nullptr};

// Tasks whose loop has ended, dropped one after the other: dropping one may schedule the next, and a
// chain of them must not become a chain of calls.
constinit thread_local TaskList* dropping = nullptr;

class PostedTask final : public LoopTask {
 public:
  explicit PostedTask(std::move_only_function<void()> function) : function_(std::move(function)) {}
  void run() noexcept override {
    {
      const detail::CurrentContext scope(context_.get());
      function_();
    }
    running_loop->callback_done(context_.activity());
    pool_delete(this);
  }
  void drop() noexcept override { pool_delete(this); }

 private:
  std::move_only_function<void()> function_;
  detail::ContextRef context_ = detail::capture_context();
};

}  // namespace

void drop_all(TaskList tasks) noexcept {
  if (dropping != nullptr) {
    dropping->append(tasks);
    return;
  }
  dropping = &tasks;
  while (tasks.head != nullptr) tasks.pop()->drop();
  dropping = nullptr;
}

void LoopHandle::State::wake() const noexcept {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(wake_fd, &one, sizeof one);
}

LoopHandle::LoopHandle(EventLoop* loop, Clock& clock) : state_(std::make_unique<State>()), clock_(clock) {
  state_->loop = loop;
}
LoopHandle::~LoopHandle() = default;

void LoopHandle::schedule(LoopTask& task) noexcept {
  if (running_loop != nullptr && running_loop->handle_ == this) {
    running_loop->push_ready(task);
    return;
  }
  bool wake = false;
  {
    const std::lock_guard lock(state_->mutex);
    if (state_->loop.load(std::memory_order_relaxed) != nullptr) {
      state_->inbox.push(task);
      state_->has_tasks.store(true, std::memory_order_release);
      wake = std::exchange(state_->sleeping, false);
      if (wake) state_->wake();
      return;
    }
  }
  TaskList orphan;
  orphan.push(task);
  drop_all(orphan);
}

TimePoint LoopHandle::now() const noexcept { return in_loop_thread() ? running_loop->now() : clock_.now(); }

bool LoopHandle::in_loop_thread() const noexcept { return running_loop != nullptr && running_loop->handle_ == this; }

bool LoopHandle::on_close(void* who, void (*wake)(void*)) {
  const std::lock_guard lock(state_->mutex);
  if (state_->loop.load(std::memory_order_relaxed) == nullptr || state_->waits_ended) return false;
  state_->on_close.emplace_back(who, wake);
  return true;
}

void LoopHandle::cancel_on_close(const void* who) noexcept {
  const std::lock_guard lock(state_->mutex);
  std::erase_if(state_->on_close, [&](const auto& entry) { return entry.first == who; });
}

void LoopHandle::end_waits() noexcept {
  const std::lock_guard lock(state_->mutex);
  state_->waits_ended = true;
  for (const auto& [who, wake] : std::exchange(state_->on_close, {})) wake(who);
}

bool LoopHandle::waits_ended() const noexcept {
  const std::lock_guard lock(state_->mutex);
  return state_->waits_ended || state_->loop.load(std::memory_order_relaxed) == nullptr;
}

void LoopHandle::retain(LoopHandle* handle) noexcept { handle->references_.fetch_add(1, std::memory_order_relaxed); }
void LoopHandle::release(LoopHandle* handle) noexcept {
  if (handle->references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete handle;
}

LoopHandle* LoopHandle::current() noexcept {
  if (running_loop != nullptr) return running_loop->handle_;
  if (thread_default != nullptr) return thread_default;
  return process_default.load(std::memory_order_acquire);
}

void LoopHandle::set_thread_default(LoopHandle* handle) noexcept { thread_default = handle; }

void LoopHandle::set_process_default(LoopHandle* handle) noexcept {
  // Kept for ever: another thread may just have read the pointer.
  static auto* kept = new std::vector<LoopHandle*>;
  static std::mutex mutex;
  if (handle != nullptr) {
    const std::lock_guard lock(mutex);
    retain(handle);
    kept->push_back(handle);
  }
  process_default.store(handle, std::memory_order_release);
}

void LoopHandle::post(std::move_only_function<void()> function) {
  schedule(*pool_new<PostedTask>(std::move(function)));
}

}  // namespace onward
