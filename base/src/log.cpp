// SPDX-License-Identifier: Apache-2.0
#include "onward/log.h"

#include <poll.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <mutex>
#include <string>
#include <utility>

namespace onward {
namespace {

constexpr std::array<std::string_view, 6> kNames = {"trace", "debug", "info", "warning", "error", "off"};

std::atomic<LogLevel> threshold{LogLevel::kInfo};

// What a pipe takes without blocking once it takes anything (PIPE_BUF), less what stands in front of a message.
constexpr std::size_t kMaxMessageBytes = 4096 - 512;

// A message may hold what a peer has sent: it stays on its line, does not steer a terminal, and has an end.
std::string printable(std::string_view message) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const char c : message) {
    const auto byte = static_cast<unsigned char>(c);
    if (text.size() >= kMaxMessageBytes && (byte & 0xC0U) != 0x80) return text + "…";
    if (c == '\n') {
      text += "\\n";
    } else if (byte < ' ' || byte == 0x7F) {
      text += {'\\', 'x', kDigits[byte >> 4U], kDigits[byte & 15U]};
    } else {
      text += c;
    }
  }
  return text;
}

bool standard_error_is_full() noexcept {
  pollfd poll{.fd = STDERR_FILENO, .events = POLLOUT, .revents = 0};
  return ::poll(&poll, 1, 0) == 0;
}

// Never destroyed: threads may log while the process ends.
struct Output {
  std::mutex mutex;
  LogSink sink;
  std::shared_ptr<spdlog::logger> logger;
  std::size_t lost = 0;

  Output()
      : logger(std::make_shared<spdlog::logger>("onward", std::make_shared<spdlog::sinks::stderr_color_sink_mt>())) {
    logger->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %^%-7l%$ %v");
    logger->set_level(spdlog::level::trace);
    logger->flush_on(spdlog::level::trace);
  }
  static Output& instance() {
    static auto* output = new Output;
    return *output;
  }
  // Whoever reads the log may be slow, or have stopped: the node does not wait.
  void write(LogLevel level, std::string_view component, std::string_view message) {
    if (standard_error_is_full()) {
      ++lost;
      return;
    }
    if (lost > 0) {
      const std::size_t count = std::exchange(lost, 0);
      logger->log(spdlog::level::warn, "[log] {} lines are missing here: nobody read them in time", count);
      write(level, component, message);
    } else {
      logger->log(static_cast<spdlog::level::level_enum>(level), "[{}] {}", component, message);
    }
  }
};

}  // namespace

void log(LogLevel level, std::string_view component, std::string_view message) noexcept {
  if (!log_enabled(level)) return;
  try {
    const std::string text = printable(message);
    Output& output = Output::instance();
    const std::lock_guard lock(output.mutex);
    if (output.sink) {
      output.sink(level, component, text);
    } else {
      output.write(level, component, text);
    }
  } catch (...) {  // NOLINT(bugprone-empty-catch): there is nowhere left to say it
  }
}

void set_log_level(LogLevel level) noexcept { threshold.store(level, std::memory_order_relaxed); }

bool log_enabled(LogLevel level) noexcept {
  return level >= threshold.load(std::memory_order_relaxed) && level != LogLevel::kOff;
}

Result<LogLevel> parse_log_level(std::string_view text) {
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == text) return static_cast<LogLevel>(i);
  }
  return fail(StatusCode::kInvalidArgument,
              "log level \"" + std::string(text) + "\" is not known: use trace, debug, info, warning, error or off");
}

void set_log_sink(LogSink sink) {
  Output& output = Output::instance();
  const std::lock_guard lock(output.mutex);
  output.sink = std::move(sink);
}

}  // namespace onward
