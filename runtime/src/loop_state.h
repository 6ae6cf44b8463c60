// SPDX-License-Identifier: Apache-2.0
//
// What an EventLoop and its LoopHandle share.
#pragma once

#include <atomic>
#include <mutex>
#include <utility>
#include <vector>

#include "onward/event_loop.h"

namespace onward {

struct TaskList {
  LoopTask* head = nullptr;
  LoopTask* tail = nullptr;

  void push(LoopTask& task) noexcept {
    task.next_task_ = nullptr;
    (tail == nullptr ? head : tail->next_task_) = &task;
    tail = &task;
  }
  LoopTask* pop() noexcept {
    LoopTask* task = head;
    head = task->next_task_;
    if (head == nullptr) tail = nullptr;
    return task;
  }
  void append(TaskList& other) noexcept {
    if (other.head == nullptr) return;
    (tail == nullptr ? head : tail->next_task_) = other.head;
    tail = other.tail;
    other = {};
  }
};

// Drops tasks whose loop has ended.
void drop_all(TaskList tasks) noexcept;

// Whose loop this thread runs.
extern constinit thread_local EventLoop* running_loop;

struct LoopHandle::State {
  std::mutex mutex;
  TaskList inbox;
  bool sleeping = false;
  int wake_fd = -1;
  std::atomic<bool> has_tasks{false};
  std::atomic<EventLoop*> loop{nullptr};
  std::vector<std::pair<void*, void (*)(void*)>> on_close;
  bool waits_ended = false;

  void wake() const noexcept;
};

}  // namespace onward
