// SPDX-License-Identifier: Apache-2.0
#include "signal_pipe.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <utility>

#include "onward/status.h"

namespace onward {
namespace {

// A signal handler can reach nothing else.
std::array<int, 2> pipe_ends{-1, -1};

void write_byte(int signal_number) noexcept {
  const int saved_errno = errno;
  const auto byte = static_cast<unsigned char>(signal_number);
  // A full pipe has enough to wake who waits.
  [[maybe_unused]] const ssize_t written = ::write(pipe_ends[1], &byte, 1);
  errno = saved_errno;
}

}  // namespace

SignalPipe::SignalPipe() {
  if (::pipe2(pipe_ends.data(), O_CLOEXEC | O_NONBLOCK) != 0) {
    throw RpcError(StatusCode::kResourceExhausted, "no file descriptor is left for a pipe");
  }
  struct sigaction action{};
  action.sa_handler = write_byte;
  action.sa_flags = SA_RESTART;
  ::sigaction(SIGTERM, &action, &old_term_);
  ::sigaction(SIGINT, &action, &old_interrupt_);
  ::sigaction(SIGHUP, &action, &old_hangup_);
}

SignalPipe::~SignalPipe() {
  ::sigaction(SIGTERM, &old_term_, nullptr);
  ::sigaction(SIGINT, &old_interrupt_, nullptr);
  ::sigaction(SIGHUP, &old_hangup_, nullptr);
  for (int& end : pipe_ends) ::close(std::exchange(end, -1));
}

void SignalPipe::wake() noexcept { write_byte(kWoken); }

std::optional<int> SignalPipe::wait(std::optional<Duration> timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout.value_or(Duration::zero());
  for (;;) {
    unsigned char byte = 0;
    if (::read(pipe_ends[0], &byte, 1) == 1) return byte;
    int wait_ms = -1;
    if (timeout) {
      const auto left =
          std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
      if (left <= 0) return std::nullopt;
      constexpr std::int64_t kHour = 3'600'000;
      wait_ms = static_cast<int>(std::min<std::int64_t>(left, kHour));
    }
    pollfd readable{.fd = pipe_ends[0], .events = POLLIN, .revents = 0};
    ::poll(&readable, 1, wait_ms);
  }
}

}  // namespace onward
