// SPDX-License-Identifier: Apache-2.0
//
// Signals as something that a thread waits for. While a SignalPipe lives, SIGTERM, SIGINT and SIGHUP do nothing but
// wake who waits in it. One at a time.
#pragma once

#include <csignal>
#include <optional>

#include "onward/clock.h"

namespace onward {

class SignalPipe {
 public:
  // Throws RpcError(RESOURCE_EXHAUSTED) if the system has no descriptors left.
  SignalPipe();
  // Signals do what they did before.
  ~SignalPipe();
  SignalPipe(const SignalPipe&) = delete;
  SignalPipe& operator=(const SignalPipe&) = delete;

  static constexpr int kWoken = 0;
  // What came first: a signal's number, or kWoken; nothing after `timeout`. Each is given once.
  [[nodiscard]] std::optional<int> wait(std::optional<Duration> timeout = std::nullopt);
  // Any thread.
  void wake() noexcept;

 private:
  struct sigaction old_term_{};
  struct sigaction old_interrupt_{};
  struct sigaction old_hangup_{};
};

}  // namespace onward
