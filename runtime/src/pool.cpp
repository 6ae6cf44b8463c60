// SPDX-License-Identifier: Apache-2.0
#include "onward/pool.h"

#include <pthread.h>

#include <algorithm>
#include <system_error>

namespace onward {

Pool::Pool(LoopHandle& loop, std::string name, PoolOptions options)
    : loop_(loop), name_(std::move(name)), options_(options) {
  LoopHandle::retain(&loop_);
}

Pool::~Pool() {
  stop();
  LoopHandle::release(&loop_);
}

Status Pool::enqueue(Job& job, TimePoint deadline) {
  const std::lock_guard lock(mutex_);
  if (stopping_) return {StatusCode::kUnavailable, "the pool of node " + name_ + " has stopped"};
  // Threads that are free, or not yet started, take as many jobs off the queue at once.
  const std::size_t free_threads = options_.threads - std::min(busy_, options_.threads);
  if (queue_.size() >= options_.queue_limit + free_threads) {
    return {StatusCode::kResourceExhausted,
            "the pool of node " + name_ + " is full: " + std::to_string(busy_) + " threads are busy and " +
                std::to_string(queue_.size()) +
                " jobs wait; try again later, or raise pool.threads or pool.queue_limit"};
  }
  if (threads_.size() <= busy_ + queue_.size() && threads_.size() < options_.threads) {
    try {
      threads_.emplace_back([this, index = threads_.size()] { work(index); });
    } catch (const std::system_error& error) {
      if (threads_.empty())
        return {StatusCode::kResourceExhausted, std::string("cannot start a pool thread: ") + error.what()};
    }
  }
  queue_.push_back({std::move(job), deadline, EventLoop::current_activity()});
  changed_.notify_one();
  return {};
}

void Pool::work(std::size_t index) {
  const std::string thread_name = ("pool/" + std::to_string(index) + " " + name_).substr(0, 15);
  pthread_setname_np(pthread_self(), thread_name.c_str());
  LoopHandle::set_thread_default(&loop_);
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    if (stopping_) break;
    Entry entry = std::move(queue_.front());
    queue_.pop_front();
    ++busy_;
    lock.unlock();
    EventLoop::set_current_activity(entry.activity);
    const bool late = entry.deadline != TimePoint::max() && std::chrono::steady_clock::now() >= entry.deadline;
    entry.job(late ? Status(StatusCode::kDeadlineExceeded, "no thread of the pool was free before the deadline")
                   : Status());
    entry = {};
    EventLoop::set_current_activity(nullptr);
    lock.lock();
    --busy_;
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
    threads.swap(threads_);
    changed_.notify_all();
  }
  const Status stopped(StatusCode::kUnavailable, "the pool of node " + name_ + " has stopped");
  for (Entry& entry : left) entry.job(stopped);
  for (std::thread& thread : threads) thread.join();
}

std::size_t Pool::queued() const {
  const std::lock_guard lock(mutex_);
  return queue_.size();
}

}  // namespace onward
