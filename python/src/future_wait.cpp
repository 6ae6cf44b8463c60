// SPDX-License-Identifier: Apache-2.0
//
// Threads that wait for a Future of Python.
#include <sched.h>
#include <semaphore.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <ctime>

#include "call.h"
#include "errors.h"
#include "future_core.h"

namespace onward::python {

// On the stack of a thread that waits. In its Future's list until that is done, and in the list of all until it goes.
struct FutureCore::Waiter {
  sem_t semaphore{};
  Waiter* next = nullptr;
  Waiter* next_of_all = nullptr;
  Waiter** previous_of_all = nullptr;
  Status ended;  // under the lock of all

  Waiter() { sem_init(&semaphore, 0, 0); }
  ~Waiter() { sem_destroy(&semaphore); }
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;
};

namespace {

std::atomic<Duration::rep> spin_time{0};
std::atomic<bool> spinning{false};

std::mutex all_mutex;
FutureCore::Waiter* all_waiters = nullptr;

}  // namespace

FutureCore::Waiter* FutureCore::wake(Waiter& waiter) noexcept {
  Waiter* next = waiter.next;
  sem_post(&waiter.semaphore);
  return next;
}

void FutureCore::end_waits(const Status& reason) noexcept {
  const std::lock_guard lock(all_mutex);
  for (Waiter* waiter = all_waiters; waiter != nullptr; waiter = waiter->next_of_all) {
    waiter->ended = reason;
    sem_post(&waiter->semaphore);
  }
}

bool FutureCore::enter(Waiter& waiter) noexcept {
  {
    const std::lock_guard lock(mutex_);
    if (done()) return false;
    waiter.next = waiters_;
    waiters_ = &waiter;
  }
  const std::lock_guard lock(all_mutex);
  waiter.next_of_all = all_waiters;
  waiter.previous_of_all = &all_waiters;
  if (all_waiters != nullptr) all_waiters->previous_of_all = &waiter.next_of_all;
  all_waiters = &waiter;
  return true;
}

void FutureCore::leave(Waiter& waiter) noexcept {
  {
    const std::lock_guard lock(mutex_);
    for (Waiter** at = &waiters_; *at != nullptr; at = &(*at)->next) {
      if (*at != &waiter) continue;
      *at = waiter.next;
      break;
    }
  }
  const std::lock_guard lock(all_mutex);
  *waiter.previous_of_all = waiter.next_of_all;
  if (waiter.next_of_all != nullptr) waiter.next_of_all->previous_of_all = waiter.previous_of_all;
}

void FutureCore::set_spin(Duration most) noexcept { spin_time.store(most.count(), std::memory_order_relaxed); }

// A call to a node that is near is answered before this thread would have slept and woken up again: where that wakes
// another core, it takes longer than the call. One thread of the process does so at a time, and whoever else wants its
// core gets it. Where several calls are under way, it is their number that counts, and the cores are for their work.
bool FutureCore::spin(std::optional<double> timeout) const {
  Duration most(spin_time.load(std::memory_order_relaxed));
  if (timeout) most = std::min(most, std::chrono::duration_cast<Duration>(std::chrono::duration<double>(*timeout)));
  if (most <= Duration::zero() || cancel_ == nullptr || PyCall::under_way() != 1) return false;
  if (spinning.exchange(true, std::memory_order_acquire)) return false;
  Py_BEGIN_ALLOW_THREADS;
  const auto end = std::chrono::steady_clock::now() + most;
  while (!done() && std::chrono::steady_clock::now() < end) sched_yield();
  spinning.store(false, std::memory_order_release);
  Py_END_ALLOW_THREADS;
  return done();
}

int FutureCore::wait(std::optional<double> timeout) {
  set_observed();
  if (done()) return 1;
  if (EventThread::instance().is_current()) {
    raise_status(StatusCode::kFailedPrecondition,
                 "wait() on the event thread, which runs async functions and callbacks, would stop all of them: use "
                 "then() or await, or do not mark the function as async");
    return -1;
  }
  timespec until{};
  if (timeout) {
    clock_gettime(CLOCK_MONOTONIC, &until);
    const double whole = std::floor(*timeout);
    until.tv_sec += static_cast<time_t>(whole);
    until.tv_nsec += static_cast<long>((*timeout - whole) * 1e9);
    if (until.tv_nsec >= 1'000'000'000) {
      until.tv_nsec -= 1'000'000'000;
      ++until.tv_sec;
    }
  }
  if (spin(timeout)) return 1;
  if (PyErr_CheckSignals() != 0) return -1;  // one that came meanwhile wakes nobody any more
  Waiter waiter;
  if (!enter(waiter)) return 1;
  int outcome = 1;
  while (!done()) {
    int failed = 0;
    Py_BEGIN_ALLOW_THREADS;
    failed = (timeout ? sem_clockwait(&waiter.semaphore, CLOCK_MONOTONIC, &until) : sem_wait(&waiter.semaphore)) == 0
                 ? 0
                 : errno;
    Py_END_ALLOW_THREADS;
    if (done()) break;
    if (failed == ETIMEDOUT) {
      outcome = 0;
    } else if (failed == EINTR && PyErr_CheckSignals() != 0) {
      outcome = -1;
    } else if (const std::lock_guard lock(all_mutex); !waiter.ended.ok()) {
      outcome = -2;
    }
    if (outcome != 1) break;
  }
  leave(waiter);
  if (outcome == -2) raise_status(waiter.ended);
  return outcome < 0 ? -1 : outcome;
}

}  // namespace onward::python
