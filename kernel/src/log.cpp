// SPDX-License-Identifier: Apache-2.0
#include "onward/log.h"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <array>
#include <atomic>
#include <mutex>
#include <string>

namespace onward {
namespace {

constexpr std::array<std::string_view, 6> kNames = {"trace", "debug", "info", "warning", "error", "off"};

std::atomic<LogLevel> threshold{LogLevel::kInfo};

// Never destroyed: threads may log while the process ends.
struct Output {
  std::mutex mutex;
  LogSink sink;
  std::shared_ptr<spdlog::logger> logger;

  Output() : logger(std::make_shared<spdlog::logger>("onward", std::make_shared<spdlog::sinks::stderr_color_sink_mt>())) {
    logger->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %^%-7l%$ %v");
    logger->set_level(spdlog::level::trace);
    logger->flush_on(spdlog::level::trace);
  }
  static Output& instance() {
    static auto* output = new Output;
    return *output;
  }
};

}  // namespace

void log(LogLevel level, std::string_view component, std::string_view message) noexcept {
  if (!log_enabled(level)) return;
  try {
    Output& output = Output::instance();
    const std::lock_guard lock(output.mutex);
    if (output.sink) {
      output.sink(level, component, message);
    } else {
      output.logger->log(static_cast<spdlog::level::level_enum>(level), "[{}] {}", component, message);
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
