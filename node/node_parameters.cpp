// SPDX-License-Identifier: Apache-2.0
#include "node_parameters.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <limits>

namespace onward {
namespace {

constexpr std::int64_t kYearMs = std::int64_t{365} * 24 * 3600 * 1000;
constexpr std::int64_t kMaxInt = std::numeric_limits<std::int64_t>::max();

constexpr Parameter limit(const Parameter& of) { return of.range(1, kMaxInt).or_word("none").reloadable(); }

constexpr Parameter kCalls[] = {
    parameter("timeout_ms", 30'000, "of calls that set none; with `\"none\"` they wait for ever")
        .unit("ms")
        .range(1, kYearMs)
        .or_word("none")
        .reloadable(),
    parameter("trace", false,
              "whether calls that belong to no trace begin one, a W3C traceparent that travels with them"),
};

constexpr Parameter kPool[] = {
    parameter("threads", 4, "threads for functions that block").range(1, 1024),
    parameter("queue_limit", 4096, "jobs that wait for a thread; more are refused with RESOURCE_EXHAUSTED")
        .range(1, 100'000'000),
};

constexpr Parameter kLimits[] = {
    parameter("max_body_bytes", std::int64_t{64} << 20, "of a message that is accepted, without its segments")
        .unit("bytes")
        .range(1024, std::numeric_limits<std::uint32_t>::max()),
    parameter("max_message_bytes", std::int64_t{1} << 30, "of a message that is accepted, with its segments")
        .unit("bytes")
        .range(1024, kMaxInt),
    parameter("output_high_bytes", std::int64_t{8} << 20,
              "queued for a peer that does not read; from there on it is not read from either,")
        .unit("bytes")
        .range(1, kMaxInt),
    parameter("output_low_bytes", std::int64_t{2} << 20, "until this little is left").unit("bytes").range(0, kMaxInt),
    limit(parameter("max_in_flight", 1 << 20,
                    "requests of one connection that are not answered; more are refused with RESOURCE_EXHAUSTED")),
    limit(parameter("max_in_flight_bytes", std::int64_t{512} << 20, "the same, by the size of their messages"))
        .unit("bytes"),
    limit(optional_parameter<std::int64_t>(
              "pause_in_flight", "so many requests of one connection, and it is not read from until they are fewer"))
        .otherwise("none"),
    limit(optional_parameter<std::int64_t>("pause_in_flight_bytes", "the same, by the size of their messages"))
        .unit("bytes")
        .otherwise("none"),
    limit(optional_parameter<std::int64_t>("node_max_in_flight", "requests of all connections; more are refused"))
        .otherwise("none"),
    limit(parameter("node_max_in_flight_bytes", std::int64_t{2} << 30, "the same, by the size of their messages"))
        .unit("bytes"),
    limit(optional_parameter<std::int64_t>("node_pause_in_flight",
                                           "so many requests, and no connection is read from until they are fewer"))
        .otherwise("none"),
    limit(optional_parameter<std::int64_t>("node_pause_in_flight_bytes", "the same, by the size of their messages"))
        .unit("bytes")
        .otherwise("none"),
    parameter("adaptive", false,
              "whether the node finds out, from how long each function takes, how many calls of it to have in flight")
        .reloadable(),
    parameter("max_waiting_calls", 1 << 16, "calls that wait for one peer's connection").range(1, kMaxInt).reloadable(),
};

constexpr Parameter kFunctionLimits[] = {
    limit(optional_parameter<std::int64_t>("max_in_flight",
                                           "calls of the function that are not answered; more are refused with "
                                           "RESOURCE_EXHAUSTED; with `adaptive`, at most so many"))
        .otherwise("none"),
    limit(optional_parameter<std::int64_t>("max_in_flight_bytes", "the same, by the size of their messages"))
        .unit("bytes")
        .otherwise("none"),
    optional_parameter<bool>("adaptive", "whether the limit of calls is found out from how long the function takes")
        .otherwise("`adaptive` of `[limits]`")
        .reloadable(),
};

constexpr Parameter kLoop[] = {
    parameter("busy_poll_us", 0, "how long the kernel thread polls before it sleeps: a core for less latency")
        .unit("µs")
        .range(0, kYearMs),
    parameter("slow_callback_ms", 100, "functions that hold the kernel thread longer are reported; 0: never")
        .unit("ms")
        .range(0, kYearMs),
};

constexpr Parameter kConnect[] = {
    parameter("backoff_ms", 50, "before the second attempt to connect; doubles, with jitter,")
        .unit("ms")
        .range(1, kYearMs)
        .reloadable(),
    parameter("backoff_max_ms", 5000, "up to this").unit("ms").range(1, kYearMs).reloadable(),
};

constexpr Parameter kReflection[] = {
    parameter("enabled", true,
              "whether the node tells what it offers, to `onward list` and `onward call`; who may ask is said by "
              "`[access]`, of the function `onward.describe`"),
};

constexpr Parameter kLog[] = {
    parameter("level", "info", "what is logged, and all that is graver")
        .one_of("trace", "debug", "info", "warning", "error", "off")
        .reloadable(),
};

constexpr Parameter kShutdown[] = {
    parameter("drain_ms", 5000, "how long calls in flight may take to finish")
        .unit("ms")
        .range(0, kYearMs)
        .reloadable(),
};

constexpr std::array kTables = {
    ConfigTable{"calls", "Calls that this node makes.", kCalls},
    ConfigTable{"pool", "Threads for functions that block.", kPool},
    ConfigTable{"limits", "What this node takes on at once: [Overload](OVERLOAD.md).", kLimits},
    ConfigTable{
        "limits.functions.PATTERN",
        "The same for each function whose name matches the pattern, in quotes; the most specific pattern decides.",
        kFunctionLimits},
    ConfigTable{"loop", "The kernel thread.", kLoop},
    ConfigTable{"connect", "Connections to peers.", kConnect},
    ConfigTable{"reflection", "What the node tells about itself.", kReflection},
    ConfigTable{"log", "The log, on standard error.", kLog},
    ConfigTable{"shutdown", "How the node ends.", kShutdown},
};

}  // namespace

std::span<const ConfigTable> config_tables() { return kTables; }

std::span<const Parameter> config_parameters(std::string_view table) {
  const auto found = std::ranges::find(kTables, table, &ConfigTable::name);
  if (found == kTables.end()) std::abort();
  return found->parameters;
}

}  // namespace onward
