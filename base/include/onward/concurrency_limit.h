// SPDX-License-Identifier: Apache-2.0
//
// How many calls of something to have in flight at once, found out from how long they take.
//
// Something that can do C calls at once answers the C+1st later, not more often: its latency grows, its throughput does
// not. So the latency of now, divided by that without a queue, tells how far the number in flight is above C. The limit
// follows this gradient, once a window of time:
//
//   gradient = base latency * kTolerance / average latency       between a half and 1
//   limit    = limit * gradient + sqrt(limit)
//
// and comes to rest a little above C, where there is always a call at hand, and no long queue. The base latency is the
// smallest average of a window. As it can only be seen without a queue, it is measured anew from time to time, with the
// limit lowered to a quarter until there are enough calls that began after the queue had gone. It begins like that.
//
// The gradient, the square root that probes for more, and not growing where the load does not ask for it are those of
// Netflix's concurrency-limits (https://github.com/Netflix/concurrency-limits, GradientLimit and Gradient2Limit;
// "Performance Under Load", Netflix Technology Blog, 2018); measuring the base with few calls in flight, and when the
// limit stays at its minimum, is that of Envoy's adaptive concurrency filter
// (https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/adaptive_concurrency_filter).
#pragma once

#include <cstddef>

#include "onward/clock.h"
#include "onward/export.h"

namespace onward {

struct ConcurrencyLimitOptions {
  std::size_t min = 4;
  std::size_t max = 1000;
  std::size_t initial = 20;
  // The limit changes once in so long, and after so many calls.
  Duration window = std::chrono::milliseconds(100);
  std::size_t window_calls = 20;
  // The base latency is measured anew so long after it last was.
  Duration probe_interval = std::chrono::seconds(30);
};

// Arithmetic alone: no clock, no thread, no memory. One thread at a time.
class ONWARD_API ConcurrencyLimit {
 public:
  // Of the latency that is still taken for the base's, and not for a queue.
  static constexpr double kTolerance = 1.5;

  explicit ConcurrencyLimit(const ConcurrencyLimitOptions& options = {});

  // So many calls may be in flight now.
  [[nodiscard]] std::size_t limit() const noexcept {
    return static_cast<std::size_t>(probing_ ? probe_limit() : limit_);
  }
  // A call has ended at `now`, after `latency`; `in_flight` were under way, it among them. `dropped`: not by an answer,
  // but as it was too late or refused below; its latency then says nothing.
  void record(TimePoint now, Duration latency, std::size_t in_flight, bool dropped) noexcept;
  // Without a queue, as far as that is known; zero before.
  [[nodiscard]] Duration base_latency() const noexcept { return Duration(static_cast<Duration::rep>(base_)); }
  [[nodiscard]] bool probing() const noexcept { return probing_; }

 private:
  // The calls of a window.
  struct Window {
    TimePoint begin = TimePoint::min();
    std::size_t calls = 0;
    std::size_t dropped = 0;
    std::size_t most_in_flight = 0;
    double latencies = 0;  // their sum, in nanoseconds
  };
  [[nodiscard]] double probe_limit() const noexcept;
  void begin_probe() noexcept;
  void record_probe(TimePoint now, Duration latency, std::size_t in_flight) noexcept;
  void end_window() noexcept;
  void move_to(double limit) noexcept;

  ConcurrencyLimitOptions options_;
  double limit_ = 0;
  double base_ = 0;  // nanoseconds
  Window window_;
  TimePoint probe_at_ = TimePoint::max();
  TimePoint queue_gone_ = TimePoint::min();  // of a probe: calls that began later count
  unsigned windows_at_min_ = 0;
  bool probing_ = true;
};

}  // namespace onward
