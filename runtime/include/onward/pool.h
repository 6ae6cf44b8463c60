// SPDX-License-Identifier: Apache-2.0
//
// The auxiliary pool: a fixed number of threads for what blocks. Its queue is bounded, so that a node
// that cannot keep up says so at once.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "onward/export.h"
#include "onward/future.h"

namespace onward {

struct PoolOptions {
  std::size_t threads = 4;
  std::size_t queue_limit = 4096;  // jobs that wait for a thread
};

class ONWARD_API Pool {
 public:
  // `loop` is the one on whose thread the Futures' callbacks run. Threads start with the first job.
  Pool(LoopHandle& loop, std::string name, PoolOptions options);
  // As stop().
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  // Runs `function` on a pool thread; what it returns or throws completes the Future (Futures and Results
  // are opened). Any thread; never blocks. RESOURCE_EXHAUSTED when the queue is full, UNAVAILABLE after
  // stop(). A job that no thread has taken by `deadline` is not run: DEADLINE_EXCEEDED.
  template <class F>
  auto submit(F function, TimePoint deadline = TimePoint::max())
      -> Future<typename detail::CompletedValue<std::invoke_result_t<F&>>::Type>;

  // Refuses new jobs, fails those that wait with UNAVAILABLE, and joins the threads once their jobs have
  // ended. Not from the loop's thread. Twice is fine.
  void stop();

  [[nodiscard]] std::size_t queued() const;
  [[nodiscard]] const PoolOptions& options() const noexcept { return options_; }

 private:
  // Called once: with OK on a pool thread to run, with the reason if it will not be run.
  using Job = std::move_only_function<void(const Status&)>;
  struct Entry {
    Job job;
    TimePoint deadline;
    const Activity* activity;
  };
  Status enqueue(Job& job, TimePoint deadline);
  void work(std::size_t index);

  LoopHandle& loop_;
  std::string name_;
  PoolOptions options_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Entry> queue_;
  std::vector<std::thread> threads_;
  std::size_t busy_ = 0;
  bool stopping_ = false;
};

template <class F>
auto Pool::submit(F function, TimePoint deadline)
    -> Future<typename detail::CompletedValue<std::invoke_result_t<F&>>::Type> {
  using T = typename detail::CompletedValue<std::invoke_result_t<F&>>::Type;
  Future<T> future(&loop_);
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
