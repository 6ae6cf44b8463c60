// SPDX-License-Identifier: Apache-2.0
//
// One line an event, through spdlog, to standard error: time, level, component, message.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

#include "onward/export.h"
#include "onward/status.h"

namespace onward {

enum class LogLevel : std::uint8_t { kTrace, kDebug, kInfo, kWarning, kError, kOff };

// Any thread; never throws; never waits: a disk or pipe that is full loses the line, not the node, and a later
// line says how many. `component` is a node's name or a part of the kernel. Control characters in `message` are
// escaped, and what is beyond 3.5 KiB is cut: it may hold what a peer has sent.
ONWARD_API void log(LogLevel level, std::string_view component, std::string_view message) noexcept;
// Lines below `level` are dropped; at start, kInfo.
ONWARD_API void set_log_level(LogLevel level) noexcept;
[[nodiscard]] ONWARD_API bool log_enabled(LogLevel level) noexcept;
// "trace", "debug", "info", "warning", "error", "off"; INVALID_ARGUMENT lists them otherwise.
[[nodiscard]] ONWARD_API Result<LogLevel> parse_log_level(std::string_view text);

// Sends lines to `sink` instead of standard error, for programs with a log of their own and for tests;
// an empty function restores standard error. The sink may be called from any thread, one at a time.
using LogSink = std::function<void(LogLevel, std::string_view component, std::string_view message)>;
ONWARD_API void set_log_sink(LogSink sink);

}  // namespace onward
