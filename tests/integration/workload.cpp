// SPDX-License-Identifier: Apache-2.0
#include "workload.h"

#include <ctime>
#include <deque>
#include <memory>
#include <thread>
#include <utility>

#include "onward/call_context.h"
#include "onward/sleep.h"

namespace onward::workload {
namespace {

Duration cpu_time() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

bool burn(int milliseconds) {
  const Duration until = cpu_time() + std::chrono::milliseconds(milliseconds);
  while (cpu_time() < until) {
  }
  return true;
}

class Backend {
 public:
  Future<bool> ask(int milliseconds) {
    waiting_.push_back({Future<bool>(), milliseconds});
    Future<bool> answer = waiting_.back().first;
    begin();
    return answer;
  }

 private:
  // Its time passes whether the call is still awaited or not.
  void begin() {
    if (busy_ == kBackendCalls || waiting_.empty()) return;
    ++busy_;
    auto [answer, milliseconds] = std::move(waiting_.front());
    waiting_.pop_front();
    const ContextScope own(CallContext::current().detached());
    sleep_for(std::chrono::milliseconds(milliseconds)).on_done([this, answer](const auto& slept) {
      --busy_;
      if (slept) answer.try_complete(true);
      begin();
    });
  }

  std::deque<std::pair<Future<bool>, int>> waiting_;
  int busy_ = 0;
};

}  // namespace

Status add_functions(FunctionTable& table) {
  const auto first_of = [](Status first, Status second) { return first.ok() ? second : first; };
  const auto backend = std::make_shared<Backend>();
  Status status = table.add(kHold.name().name, blocking([](int milliseconds, const std::string&) {
                              std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
                              return true;
                            }));
  status = first_of(
      status, table.add(kBurn.name().name, [](int milliseconds, const std::string&) { return burn(milliseconds); }));
  return first_of(status, table.add(kAsk.name().name, [backend](int milliseconds, const std::string&) {
    return backend->ask(milliseconds);
  }));
}

}  // namespace onward::workload
