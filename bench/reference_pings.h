// What the clients of ping-pongs share: when messages were sent, and what became of them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "measure.h"
#include "reference.h"

namespace onward::bench {

inline constexpr std::size_t kMessageBytes = 64;

// When the messages under way were sent: one entry for each write, since those that leave together
// have the same time. There are never more entries than messages under way.
class SendTimes {
 public:
  explicit SendTimes(std::size_t in_flight) : entries_(in_flight + 1) {}

  void push(Clock::time_point sent_at, std::size_t messages) {
    entries_[last_] = {sent_at, messages};
    last_ = after(last_);
  }

  // Takes the oldest `messages`, adding their latencies to `latencies`.
  void pop(std::size_t messages, Clock::time_point now, LatencyHistogram& latencies) {
    while (messages > 0) {
      Entry& oldest = entries_[first_];
      const std::size_t taken = std::min(messages, oldest.messages);
      latencies.add(now - oldest.sent_at, taken);
      oldest.messages -= taken;
      messages -= taken;
      if (oldest.messages == 0) first_ = after(first_);
    }
  }

 private:
  struct Entry {
    Clock::time_point sent_at;
    std::size_t messages = 0;
  };

  [[nodiscard]] std::size_t after(std::size_t index) const { return index + 1 == entries_.size() ? 0 : index + 1; }

  std::vector<Entry> entries_;
  std::size_t first_ = 0;
  std::size_t last_ = 0;
};

// Warms up, measures, reports.
class Pings {
 public:
  explicit Pings(const ClientOptions& options)
      : phases_(options.warmup, options.measured), send_times_(options.in_flight) {}

  void start() { phases_.start(); }
  void sent(std::size_t messages, Clock::time_point now) { send_times_.push(now, messages); }

  // So many have come back. When as many may be sent in their place, or nothing when it is over.
  [[nodiscard]] std::optional<Clock::time_point> came_back(std::size_t messages, Clock::time_point now) {
    completed_ += messages;
    send_times_.pop(messages, now, latencies_);
    return phases_.over(now) ? end_phase() : now;
  }

  // Prints the JSON line.
  void report() const {
    const auto requests = static_cast<double>(completed_);
    print_line(JsonLine()
                   .number("p50_us", latencies_.quantile_us(0.50))
                   .number("p99_us", latencies_.quantile_us(0.99))
                   .number("req_per_s", requests / phases_.seconds())
                   .number("requests", completed_)
                   .number("client_cpu_us", phases_.cpu_us() / requests)
                   .text());
  }

 private:
  std::optional<Clock::time_point> end_phase() {
    if (phases_.measuring()) {
      phases_.end_measuring(Clock::now());
      return std::nullopt;
    }
    latencies_.clear();
    completed_ = 0;
    phases_.begin_measuring();
    return phases_.began();
  }

  Phases phases_;
  SendTimes send_times_;
  LatencyHistogram latencies_;
  std::uint64_t completed_ = 0;
};

}  // namespace onward::bench
