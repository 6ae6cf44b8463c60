// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "onward/event_loop.h"
#include "onward/status.h"

namespace onward {

// Looks names up on a thread of its own, one after the other. The thread is started by the first
// resolve(). Nothing here blocks, the destructor included: a look-up that hangs keeps its thread,
// and nothing else.
class Resolver {
 public:
  using Lookup = std::function<Result<std::vector<std::string>>(const std::string& host)>;
  using Answer = std::move_only_function<void(Result<std::vector<std::string>>)>;

  // A question that waits for its answer. Destroying it withdraws the question. Loop thread only.
  class Question;
  struct Withdraw {
    void operator()(Question* question) const noexcept;
  };
  using QuestionHandle = std::unique_ptr<Question, Withdraw>;

  Resolver(EventLoop& loop, Lookup lookup);
  ~Resolver();
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  // `answer` is called from the loop, never from here. It may destroy the handle.
  [[nodiscard]] QuestionHandle resolve(std::string host, Answer answer);

 private:
  struct Desk;

  EventLoop& loop_;
  std::shared_ptr<Desk> desk_;  // with the thread
  bool started_ = false;
};

// The system's resolver: numeric addresses of `host`. Blocks.
[[nodiscard]] Result<std::vector<std::string>> look_up_host(const std::string& host);

}  // namespace onward
