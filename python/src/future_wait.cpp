// SPDX-License-Identifier: Apache-2.0
//
// Threads that wait for a Future of Python.
#include <sched.h>
#include <semaphore.h>
#include <unistd.h>

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

timespec after(double seconds) noexcept {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  const double whole = std::floor(seconds);
  time.tv_sec += static_cast<time_t>(whole);
  time.tv_nsec += static_cast<long>((seconds - whole) * 1e9);
  if (time.tv_nsec >= 1'000'000'000) {
    time.tv_nsec -= 1'000'000'000;
    ++time.tv_sec;
  }
  return time;
}

bool is_before(const timespec& one, const timespec& other) noexcept {
  return one.tv_sec != other.tv_sec ? one.tv_sec < other.tv_sec : one.tv_nsec < other.tv_nsec;
}

// A signal that comes between a look for one and the sleep behind it, or to another thread, wakes nobody. So the main
// thread, where Python runs its handlers, sleeps in stretches, and looks in between.
class Sleep {
 public:
  enum class End : std::uint8_t { kWoken, kTimeout, kLook };

  explicit Sleep(std::optional<double> timeout) noexcept : limited_(timeout.has_value()) {
    if (timeout) end_ = after(*timeout);
  }

  [[nodiscard]] End until_posted(sem_t& semaphore) noexcept {
    timespec wake = end_;
    bool limited = limited_;
    bool is_stretch = false;
    if (is_main_) {
      const timespec soon = after(stretch_s_);
      stretch_s_ = std::min(2 * stretch_s_, kLongestStretchS);
      is_stretch = !limited_ || is_before(soon, end_);
      if (is_stretch) wake = soon;
      limited = true;
    }
    if ((limited ? sem_clockwait(&semaphore, CLOCK_MONOTONIC, &wake) : sem_wait(&semaphore)) == 0) return End::kWoken;
    return errno == ETIMEDOUT && !is_stretch ? End::kTimeout : End::kLook;
  }

 private:
  static constexpr double kFirstStretchS = 0.01;
  static constexpr double kLongestStretchS = 1;
  bool limited_;
  timespec end_{};
  bool is_main_ = gettid() == getpid();
  double stretch_s_ = kFirstStretchS;
};

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
  Sleep sleep(timeout);
  if (spin(timeout)) return 1;
  Waiter waiter;
  if (!enter(waiter)) return 1;
  int outcome = 1;
  while (!done()) {
    Sleep::End end = Sleep::End::kWoken;
    Py_BEGIN_ALLOW_THREADS;
    end = sleep.until_posted(waiter.semaphore);
    Py_END_ALLOW_THREADS;
    if (done()) break;
    if (end == Sleep::End::kTimeout) {
      outcome = 0;
    } else if (end == Sleep::End::kLook && PyErr_CheckSignals() != 0) {
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
