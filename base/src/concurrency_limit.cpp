// SPDX-License-Identifier: Apache-2.0
#include "onward/concurrency_limit.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace onward {
namespace {

constexpr double kSteepest = 0.5;
// What a window in which calls were dropped leaves of the limit, at most.
constexpr double kAfterDrop = 0.9;
// A probe lowers the limit to one in so many.
constexpr double kProbeShare = 4;
// A limit that stays at its minimum so long may come from a base that is no longer true.
constexpr unsigned kWindowsAtMin = 5;
// What a window without a queue, which took longer than the base, moves the base by.
constexpr double kDrift = 0.2;

}  // namespace

ConcurrencyLimit::ConcurrencyLimit(const ConcurrencyLimitOptions& options) : options_(options) {
  options_.min = std::max<std::size_t>(options_.min, 1);
  options_.max = std::max(options_.max, options_.min);
  options_.window_calls = std::max<std::size_t>(options_.window_calls, 1);
  move_to(static_cast<double>(options_.initial));
}

double ConcurrencyLimit::probe_limit() const noexcept {
  return std::max(static_cast<double>(options_.min), std::floor(limit_ / kProbeShare));
}

void ConcurrencyLimit::move_to(double limit) noexcept {
  limit_ = std::clamp(limit, static_cast<double>(options_.min), static_cast<double>(options_.max));
}

void ConcurrencyLimit::record(TimePoint now, Duration latency, std::size_t in_flight, bool dropped) noexcept {
  if (now >= probe_at_ && !probing_) begin_probe();
  if (probing_) {
    if (!dropped) record_probe(now, latency, in_flight);
    return;
  }
  if (window_.calls == 0 && window_.dropped == 0) window_.begin = now;
  window_.most_in_flight = std::max(window_.most_in_flight, in_flight);
  if (dropped) {
    ++window_.dropped;
  } else {
    ++window_.calls;
    window_.latencies += static_cast<double>(latency.count());
  }
  if (window_.calls + window_.dropped >= options_.window_calls && now - window_.begin >= options_.window) {
    end_window();
  }
}

void ConcurrencyLimit::end_window() noexcept {
  const Window window = std::exchange(window_, {});
  double gradient = 1;
  if (window.calls > 0) {
    const double average = window.latencies / static_cast<double>(window.calls);
    const bool queueless = static_cast<double>(window.most_in_flight) <= probe_limit();
    if (average < base_) {
      base_ = average;
    } else if (queueless) {
      base_ += (average - base_) * kDrift;
    }
    if (average > 0) gradient = std::clamp(base_ * kTolerance / average, kSteepest, 1.0);
  }
  if (window.dropped > 0) gradient = std::min(gradient, kAfterDrop);
  // Where the load does not ask for more, nothing is known about more.
  const bool wanted = static_cast<double>(window.most_in_flight) * 2 >= limit_;
  if (wanted || window.dropped > 0) move_to(limit_ * gradient + (wanted ? std::sqrt(limit_) : 0));
  windows_at_min_ = limit_ <= static_cast<double>(options_.min) ? windows_at_min_ + 1 : 0;
  if (windows_at_min_ >= kWindowsAtMin) begin_probe();
}

void ConcurrencyLimit::begin_probe() noexcept {
  probing_ = true;
  windows_at_min_ = 0;
  queue_gone_ = TimePoint::max();
  window_ = {};
}

void ConcurrencyLimit::record_probe(TimePoint now, Duration latency, std::size_t in_flight) noexcept {
  if (queue_gone_ == TimePoint::max() && static_cast<double>(in_flight) <= probe_limit()) queue_gone_ = now;
  if (queue_gone_ == TimePoint::max() || now - latency < queue_gone_) return;
  ++window_.calls;
  window_.latencies += static_cast<double>(latency.count());
  if (window_.calls < options_.window_calls) return;
  base_ = window_.latencies / static_cast<double>(window_.calls);
  window_ = {};
  probing_ = false;
  probe_at_ = now + options_.probe_interval;
}

}  // namespace onward
