// SPDX-License-Identifier: Apache-2.0
#include "event_thread.h"

#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <utility>

namespace onward::python {

EventThread& EventThread::instance() noexcept {
  static auto* thread = new EventThread;
  return *thread;
}

void EventThread::post(EventTask& task) noexcept {
  bool sleeps = false;
  {
    const std::lock_guard lock(mutex_);
    task.next_ = nullptr;
    *last_ = &task;
    last_ = &task.next_;
    if (!started_) start();
    sleeps = std::exchange(sleeping_, false);
    if (!sleeps) wake_loop();
  }
  // It needs the mutex when it is woken.
  if (sleeps) changed_.notify_one();
}

bool EventThread::started() noexcept {
  const std::lock_guard lock(mutex_);
  return started_;
}

// With the lock.
void EventThread::start() noexcept {
  if (was_forked()) return;
  started_ = true;
  // Signals are for Python's main thread.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread([this] { work(); }).detach();
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

// With the lock.
void EventThread::wake_loop() noexcept {
  if (wake_fd_ < 0 || signalled_) return;
  signalled_ = true;
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = write(wake_fd_, &one, sizeof one);
}

EventTask* EventThread::take_all() noexcept {
  const std::lock_guard lock(mutex_);
  last_ = &first_;
  return std::exchange(first_, nullptr);
}

void EventThread::run_all(EventTask* first) noexcept {
  while (first != nullptr) {
    std::exchange(first, first->next_)->run();
  }
}

void EventThread::work() noexcept {
  id_ = std::this_thread::get_id();
  pthread_setname_np(pthread_self(), "onward-python");
  PythonThread& python = PythonThread::current();
  while (true) {
    EventTask* tasks = take_all();
    if (tasks == nullptr) {
      if (run_loop_ != nullptr) {
        python.acquire();
        run_asyncio();
        continue;
      }
      python.release();
      std::unique_lock lock(mutex_);
      if (stopping_) {
        ended_ = true;
        changed_.notify_all();
        return;
      }
      sleeping_ = first_ == nullptr;
      changed_.wait(lock, [this] { return !sleeping_ || stopping_; });
      sleeping_ = false;
      continue;
    }
    python.acquire();
    run_all(tasks);
  }
}

void EventThread::use_asyncio(py::object run_loop) {
  if (run_loop_ == nullptr) run_loop_ = run_loop.release().ptr();
}

void EventThread::run_asyncio() noexcept {
  const int descriptor = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
  {
    const std::lock_guard lock(mutex_);
    wake_fd_ = descriptor;
    signalled_ = true;
  }
  PyObject* done = PyObject_CallFunction(run_loop_, "i", descriptor);
  if (done == nullptr) PyErr_WriteUnraisable(run_loop_);
  Py_XDECREF(done);
  Py_CLEAR(run_loop_);
  const std::lock_guard lock(mutex_);
  wake_fd_ = -1;
  signalled_ = false;
  close(descriptor);
}

bool EventThread::drain() noexcept {
  EventTask* tasks = nullptr;
  bool stopping = false;
  {
    const std::lock_guard lock(mutex_);
    std::uint64_t count = 0;
    if (wake_fd_ >= 0) [[maybe_unused]]
      const auto bytes = read(wake_fd_, &count, sizeof count);
    signalled_ = false;
    last_ = &first_;
    tasks = std::exchange(first_, nullptr);
    stopping = stopping_;
  }
  run_all(tasks);
  return !stopping;
}

void EventThread::stop() noexcept {
  std::unique_lock lock(mutex_);
  if (!started_) return;
  stopping_ = true;
  changed_.notify_all();
  wake_loop();
  changed_.wait_for(lock, std::chrono::seconds(1), [this] { return ended_; });
}

}  // namespace onward::python
