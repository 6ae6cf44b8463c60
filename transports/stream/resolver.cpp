// SPDX-License-Identifier: Apache-2.0
#include "stream/resolver.h"

#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

namespace onward {

// Travels to the thread and back. Freed when it comes back, or is dropped because there is no loop
// any more to come back to.
class Resolver::Question final : public LoopTask {
 public:
  Question(LoopHandle& loop, std::string host, Answer answer)
      : loop_(loop), host_(std::move(host)), answer_(std::move(answer)) {
    LoopHandle::retain(&loop_);
  }
  ~Question() { LoopHandle::release(&loop_); }
  Question(const Question&) = delete;
  Question& operator=(const Question&) = delete;

  void look_up(const Lookup& lookup) {
    if (!withdrawn_.load(std::memory_order_relaxed)) result_ = lookup(host_);
  }
  void fail(Status status) { result_ = std::unexpected(std::move(status)); }
  void go_home() noexcept { loop_.schedule(*this); }
  void withdraw() noexcept {
    withdrawn_.store(true, std::memory_order_relaxed);
    if (answered_) delete this;
  }

  void run() noexcept override {
    if (withdrawn_.load(std::memory_order_relaxed)) {
      delete this;
      return;
    }
    // From here on it belongs to its handle alone, which the answer may destroy.
    answered_ = true;
    Answer answer = std::move(answer_);
    answer(std::move(result_));
  }
  void drop() noexcept override {
    // A handle that outlives its loop leaves no question behind.
    if (withdrawn_.load(std::memory_order_relaxed))
      delete this;
    else
      answered_ = true;
  }

 private:
  LoopHandle& loop_;
  std::string host_;
  Answer answer_;
  Result<std::vector<std::string>> result_;
  std::atomic<bool> withdrawn_{false};
  bool answered_ = false;
};

void Resolver::Withdraw::operator()(Question* question) const noexcept { question->withdraw(); }

// What the thread shares with the resolver.
struct Resolver::Desk {
  explicit Desk(Lookup function) : lookup(std::move(function)) {}

  void work() {
    while (Question* question = take()) {
      question->look_up(lookup);
      question->go_home();
    }
  }

  Question* take() {
    std::unique_lock lock(mutex);
    changed.wait(lock, [this] { return closed || !questions.empty(); });
    if (questions.empty()) return nullptr;
    Question* question = questions.front();
    questions.pop_front();
    return question;
  }

  const Lookup lookup;
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<Question*> questions;
  bool closed = false;
};

Resolver::Resolver(EventLoop& loop, Lookup lookup)
    : loop_(loop), desk_(std::make_shared<Desk>(lookup ? std::move(lookup) : look_up_host)) {}

Resolver::~Resolver() {
  std::deque<Question*> left;
  {
    const std::lock_guard lock(desk_->mutex);
    desk_->closed = true;
    left.swap(desk_->questions);
  }
  desk_->changed.notify_one();
  for (Question* question : left) {
    question->fail(Status(StatusCode::kCancelled, "the transport is gone"));
    question->go_home();
  }
}

Resolver::QuestionHandle Resolver::resolve(std::string host, Answer answer) {
  QuestionHandle handle(new Question(loop_.handle(), std::move(host), std::move(answer)));
  if (!started_) {
    try {
      std::thread([desk = desk_] { desk->work(); }).detach();
      started_ = true;
    } catch (const std::system_error& error) {
      handle->fail(
          Status(StatusCode::kUnavailable, std::string("cannot start the resolver's thread: ") + error.what()));
      handle->go_home();
      return handle;
    }
  }
  {
    const std::lock_guard lock(desk_->mutex);
    desk_->questions.push_back(handle.get());
  }
  desk_->changed.notify_one();
  return handle;
}

Result<std::vector<std::string>> look_up_host(const std::string& host) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int error = ::getaddrinfo(host.c_str(), nullptr, &hints, &found); error != 0) {
    const std::string reason = error == EAI_SYSTEM ? std::generic_category().message(errno) : ::gai_strerror(error);
    return fail(StatusCode::kUnavailable, "cannot resolve \"" + host + "\": " + reason);
  }
  std::vector<std::string> addresses;
  for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
    std::array<char, NI_MAXHOST> text{};
    if (::getnameinfo(at->ai_addr, at->ai_addrlen, text.data(), text.size(), nullptr, 0, NI_NUMERICHOST) != 0) continue;
    if (std::ranges::find(addresses, text.data()) == addresses.end()) addresses.emplace_back(text.data());
  }
  ::freeaddrinfo(found);
  return addresses;
}

}  // namespace onward
