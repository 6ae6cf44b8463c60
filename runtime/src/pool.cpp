// SPDX-License-Identifier: Apache-2.0
#include "onward/pool.h"

#include <pthread.h>

#include <algorithm>
#include <system_error>

namespace onward {
namespace {

std::string in_milliseconds(Duration time) {
  const auto tenths = std::chrono::duration_cast<std::chrono::microseconds>(time).count() / 100;
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " ms";
}

}  // namespace

Pool::Pool(LoopHandle& loop, std::string name, PoolOptions options, Clock& clock)
    : loop_(loop), name_(std::move(name)), options_(std::move(options)), clock_(clock) {
  LoopHandle::retain(&loop_);
}

Pool::~Pool() {
  stop();
  LoopHandle::release(&loop_);
}

Status Pool::enqueue(Job& job, TimePoint deadline) {
  std::vector<Entry> expired;
  Status refused;
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return {StatusCode::kUnavailable, "the pool of node " + name_ + " has stopped"};
    const TimePoint now = clock_.now();
    drop_expired(now, expired);
    Entry entry{.deadline = deadline, .context = detail::capture_context()};
    if (entry.context) entry.deadline = std::min(deadline, entry.context->deadline());
    refused = admit(entry, now);
    if (refused.ok()) {
      entry.job = std::move(job);
      queued_work_ += entry.expected;
      queue_.push_back(std::move(entry));
    }
  }
  // A thread that is woken needs the mutex.
  if (refused.ok()) changed_.notify_one();
  for (Entry& entry : expired) {
    entry.job(Status(StatusCode::kDeadlineExceeded, "no thread of the pool was free before the deadline"));
  }
  return refused;
}

Status Pool::admit(Entry& entry, TimePoint now) {
  if (entry.deadline <= now) {
    ++expired_;
    return {StatusCode::kDeadlineExceeded, "the deadline had passed before the pool of node " + name_ + " got the job"};
  }
  entry.expected = times_.expected(entry.context.activity());
  const std::size_t free = free_threads();
  if (queue_.size() >= options_.queue_limit + free) {
    ++refused_;
    return {StatusCode::kResourceExhausted,
            "the pool of node " + name_ + " is full: " + std::to_string(busy_) + " threads are busy and " +
                std::to_string(queue_.size()) +
                " jobs wait; try again later, or raise pool.threads or pool.queue_limit"};
  }
  if (entry.deadline != TimePoint::max() && queue_.size() >= free) {
    const Duration left = entry.deadline - now;
    const Duration wait = expected_wait(now);
    if (wait > left / kWaitShare) {
      ++refused_;
      return {StatusCode::kResourceExhausted, "the pool of node " + name_ + " is busy: a job would wait for about " +
                                                  in_milliseconds(wait) + " of the " + in_milliseconds(left) +
                                                  " that are left; try again later, or raise pool.threads"};
    }
  }
  return start_thread();
}

// Where one more is wanted, and allowed.
Status Pool::start_thread() {
  if (threads_.size() > busy_ + queue_.size() || threads_.size() >= options_.threads) return {};
  try {
    running_.emplace_back();
    threads_.emplace_back([this, index = threads_.size()] { work(index); });
  } catch (const std::system_error& error) {
    running_.pop_back();
    if (threads_.empty())
      return {StatusCode::kResourceExhausted, std::string("cannot start a pool thread: ") + error.what()};
  }
  return {};
}

// Threads that are free, or not yet started, take as many jobs off the queue at once.
std::size_t Pool::free_threads() const noexcept { return options_.threads - std::min(busy_, options_.threads); }

// Until a job that comes now would begin.
Duration Pool::expected_wait(TimePoint now) const noexcept {
  Duration work = queued_work_;
  for (const Running& running : running_) {
    if (running.begun != TimePoint::max()) work += std::max(running.begun + running.expected - now, Duration::zero());
  }
  return work / static_cast<Duration::rep>(std::max<std::size_t>(options_.threads, 1));
}

void Pool::drop_expired(TimePoint now, std::vector<Entry>& expired) {
  while (!queue_.empty() && queue_.front().deadline <= now) {
    ++expired_;
    queued_work_ -= queue_.front().expected;
    expired.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
}

// Why a thread that has taken `entry` does not begin it; OK if it does. What a job takes is only known by running it
// again, so one that nobody waits behind gets its chance.
Status Pool::too_late(const Entry& entry, TimePoint now) {
  if (Status over = entry.context ? entry.context->status() : Status(); !over.ok()) {
    ++expired_;
    return over;
  }
  if (entry.deadline == TimePoint::max()) return {};
  const Duration left = entry.deadline - now;
  if (left <= Duration::zero()) {
    ++expired_;
    return {StatusCode::kDeadlineExceeded, "no thread of the pool was free before the deadline"};
  }
  if (left >= entry.expected || queue_.empty()) return {};
  ++expired_;
  return {StatusCode::kDeadlineExceeded, "no thread of the pool was free in time: of the deadline " +
                                             in_milliseconds(left) + " were left, and such a job takes about " +
                                             in_milliseconds(entry.expected)};
}

void Pool::work(std::size_t index) {
  const std::string thread_name = ("pool/" + std::to_string(index) + " " + name_).substr(0, 15);
  pthread_setname_np(pthread_self(), thread_name.c_str());
  LoopHandle::set_thread_default(&loop_);
  std::unique_lock lock(mutex_);
  for (;;) {
    // stop() leaves no jobs, so none is run between this and the thread's end.
    if (queue_.empty() && options_.on_idle) {
      lock.unlock();
      options_.on_idle();
      lock.lock();
    }
    changed_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    if (stopping_) break;
    Entry entry = std::move(queue_.front());
    queue_.pop_front();
    queued_work_ -= entry.expected;
    const TimePoint begun = clock_.now();
    const Status late = too_late(entry, begun);
    if (late.ok()) running_[index] = {.begun = begun, .expected = entry.expected};
    ++busy_;
    lock.unlock();
    {
      const detail::CurrentContext scope(entry.context.get());
      entry.job(late);
    }
    const TimePoint ended = clock_.now();
    const Activity* activity = entry.context.activity();
    entry = {};
    lock.lock();
    --busy_;
    running_[index] = {};
    if (late.ok()) times_.learn(activity, ended - begun);
  }
  LoopHandle::set_thread_default(nullptr);
}

void Pool::stop() {
  std::deque<Entry> left;
  std::vector<std::thread> threads;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    left.swap(queue_);
    queued_work_ = {};
    threads.swap(threads_);
    changed_.notify_all();
  }
  const Status stopped(StatusCode::kUnavailable, "the pool of node " + name_ + " has stopped");
  for (Entry& entry : left) entry.job(stopped);
  for (std::thread& thread : threads) thread.join();
}

Pool::Statistics Pool::statistics() const {
  const std::lock_guard lock(mutex_);
  return {.queued = queue_.size(), .running = busy_, .refused = refused_, .expired = expired_};
}

}  // namespace onward
