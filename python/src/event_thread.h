// SPDX-License-Identifier: Apache-2.0
//
// The one thread that runs async functions and callbacks of Python, so that they need no locks. It holds the GIL while
// it has something to do. Once a coroutine function was called, it runs an asyncio loop, of which this queue is a part.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "gil.h"

namespace onward::python {

// Something to do there, with the GIL. Intrusive: queueing allocates nothing.
class EventTask {
 public:
  // Once; may destroy itself. No Python error is set, before or after.
  virtual void run() noexcept = 0;

 protected:
  EventTask() noexcept = default;
  ~EventTask() = default;

 private:
  friend class EventThread;
  EventTask* next_ = nullptr;
};

class EventThread {
 public:
  // One for the process; never destroyed.
  [[nodiscard]] static EventThread& instance() noexcept;

  // To the end of the queue. Any thread, with the GIL or without. Starts the thread.
  void post(EventTask& task) noexcept;
  // Whether it was ever needed.
  [[nodiscard]] bool started() noexcept;
  [[nodiscard]] bool is_current() const noexcept {
    return id_.load(std::memory_order_relaxed) == std::this_thread::get_id();
  }

  // From now on it runs asyncio's event loop. On the thread itself; `run_loop(wake_fd, drain)` runs until stop().
  void use_asyncio(py::object run_loop);
  // What the asyncio loop calls when the descriptor is readable: runs what is queued. False: the loop has to stop.
  [[nodiscard]] bool drain() noexcept;

  // The thread ends, behind what it is doing. Waits for that for a second at most. Without the GIL.
  void stop() noexcept;

 private:
  void start() noexcept;
  void work() noexcept;
  void run_asyncio() noexcept;
  void wake_loop() noexcept;
  [[nodiscard]] EventTask* take_all() noexcept;
  static void run_all(EventTask* first) noexcept;

  std::mutex mutex_;
  std::condition_variable changed_;
  EventTask* first_ = nullptr;
  EventTask** last_ = &first_;
  bool sleeping_ = false;
  bool started_ = false;
  bool stopping_ = false;
  bool ended_ = false;
  int wake_fd_ = -1;        // of an asyncio loop
  bool signalled_ = false;  // it is readable
  PyObject* run_loop_ = nullptr;
  std::atomic<std::thread::id> id_;
};

}  // namespace onward::python
