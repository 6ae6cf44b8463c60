// SPDX-License-Identifier: Apache-2.0
//
// The auxiliary pool: a fixed number of threads for what blocks. It takes no more than it can do in time: its queue
// is bounded, and a job that has a deadline is refused at once when it would have to wait for too much of its time.
// So a pool that is asked for ten times what it can do still spends its threads on jobs whose answers are awaited.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "onward/clock.h"
#include "onward/export.h"
#include "onward/future.h"
#include "onward/service_times.h"

namespace onward {

struct PoolOptions {
  std::size_t threads = 4;
  std::size_t queue_limit = 4096;  // jobs that wait for a thread
  // Called on each pool thread when it finds no job to do, before it waits for one, or ends; it must not throw. So a
  // job may leave something in place for the next one on its thread, a lock for instance, which is let go of here.
  // Never with the pool's lock held: it may ask, and use, the pool. Before its first job a thread may call it, too.
  std::function<void()> on_idle = {};
};

class ONWARD_API Pool {
 public:
  // `loop` is the one on whose thread the Futures' callbacks run. Threads start with the first job. `clock` tells how
  // long jobs take, and when it is too late for one; it must outlive the pool.
  Pool(LoopHandle& loop, std::string name, PoolOptions options, Clock& clock = Clock::steady());
  // As stop().
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  // Runs `function` on a pool thread; what it returns or throws completes the Future (Futures and Results
  // are opened). Any thread; never blocks. Jobs begin in the order in which they came, and run in the CallContext that
  // they were given in, whose deadline is theirs, if that is earlier. A coroutine that awaits one waits for its end
  // even when its call is cancelled, as the job may use the coroutine's locals. The Future fails with
  //   RESOURCE_EXHAUSTED  at once when queue_limit jobs wait; or when the job has a deadline, and would wait for more
  //                       than half of the time until then. How long that is, is told by how long jobs of the same
  //                       functions took before: a moving average for each
  //   DEADLINE_EXCEEDED   when no thread has taken the job by `deadline`, or so late that it would not end in time
  //                       while others wait that might; it is not run
  //   CANCELLED           when its call was cancelled before a thread has taken it
  //   UNAVAILABLE         after stop()
  template <class F>
  auto run(F function, TimePoint deadline = TimePoint::max())
      -> Future<typename detail::CompletedValue<std::invoke_result_t<F&>>::Type>;

  // Refuses new jobs, fails those that wait with UNAVAILABLE, and joins the threads once their jobs have
  // ended. Not from the loop's thread. Twice is fine.
  void stop();

  // What it is doing, and has refused since it began. Any thread.
  struct Statistics {
    std::size_t queued = 0;
    std::size_t running = 0;
    std::uint64_t refused = 0;  // RESOURCE_EXHAUSTED
    std::uint64_t expired = 0;  // DEADLINE_EXCEEDED
  };
  [[nodiscard]] Statistics statistics() const;
  [[nodiscard]] std::size_t queued() const { return statistics().queued; }
  [[nodiscard]] const PoolOptions& options() const noexcept { return options_; }

 private:
  // Called once: with OK on a pool thread to run, with the reason if it will not be run.
  using Job = std::move_only_function<void(const Status&)>;
  struct Entry {
    Job job = {};
    TimePoint deadline = TimePoint::max();
    detail::ContextRef context = {};  // that it was given in, and runs in
    Duration expected{};              // how long it will take; zero where that is not known
  };
  // What a thread is at; begun at TimePoint::max(): at nothing.
  struct Running {
    TimePoint begun = TimePoint::max();
    Duration expected{};
  };
  Status enqueue(Job& job, TimePoint deadline);
  // These want the mutex held.
  [[nodiscard]] Status admit(Entry& entry, TimePoint now);
  [[nodiscard]] Status start_thread();
  [[nodiscard]] std::size_t free_threads() const noexcept;
  [[nodiscard]] Duration expected_wait(TimePoint now) const noexcept;
  void drop_expired(TimePoint now, std::vector<Entry>& expired);
  [[nodiscard]] Status too_late(const Entry& entry, TimePoint now);

  void work(std::size_t index);

  LoopHandle& loop_;
  std::string name_;
  PoolOptions options_;
  Clock& clock_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Entry> queue_;
  Duration queued_work_{};  // what the queue's jobs are expected to take
  std::vector<std::thread> threads_;
  std::vector<Running> running_;  // one for each of threads_
  std::size_t busy_ = 0;
  ServiceTimes times_;
  std::uint64_t refused_ = 0;
  std::uint64_t expired_ = 0;
  bool stopping_ = false;
};

template <class F>
auto Pool::run(F function, TimePoint deadline)
    -> Future<typename detail::CompletedValue<std::invoke_result_t<F&>>::Type> {
  using T = typename detail::CompletedValue<std::invoke_result_t<F&>>::Type;
  Future<T> future(&loop_);
  detail::FutureAccess::state(future)->shield();
  Job job([future, function = std::move(function)](const Status& go) mutable {
    if (!go.ok()) {
      future.try_fail(go);
      return;
    }
    try {
      detail::complete_with(future, function);
    } catch (...) {
      future.try_fail(status_from_current_exception());
    }
  });
  if (const Status refused = enqueue(job, deadline); !refused.ok()) job(refused);
  return future;
}

}  // namespace onward
