// What every bench program needs to measure itself: clocks, a latency histogram, the process's own
// CPU time and memory, a core to run on, and one line of JSON. Shared by the references and by
// Onward's own bench program, so that both are measured with the same instruments.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace onward::bench {

using Clock = std::chrono::steady_clock;

// Counts latencies in buckets whose width is at most 1/256 of their value, from 1 ns to centuries,
// so that a percentile is off by less than 0.4 %. Adding is a few instructions and never allocates.
class LatencyHistogram {
 public:
  LatencyHistogram();

  // Adds `count` samples of the same latency. A negative latency counts as zero.
  void add(Clock::duration latency, std::uint64_t count = 1);

  // Forgets all samples, for the end of the warm-up.
  void clear();

  // The latency that `fraction` (0 to 1) of the samples do not exceed, in microseconds; 0 without
  // samples.
  [[nodiscard]] double quantile_us(double fraction) const;

 private:
  std::vector<std::uint64_t> buckets_;
  std::uint64_t total_ = 0;
};

// User and system CPU time of this process so far, all threads, in microseconds.
[[nodiscard]] double process_cpu_us();

// Resident memory of this process in bytes; 0 if /proc cannot be read.
[[nodiscard]] std::uint64_t resident_bytes();

// Keeps this process, and the threads it starts later, on one core. Throws std::system_error.
void pin_to_cpu(int cpu);

// The two phases of a client: it warms up, then it is measured.
class Phases {
 public:
  using Seconds = std::chrono::duration<double>;

  Phases(Seconds warm_up, Seconds measured) : warm_up_(warm_up), measured_(measured) {}

  void start() { ends_ = after(Clock::now(), warm_up_); }
  [[nodiscard]] bool over(Clock::time_point now) const { return now >= ends_; }
  [[nodiscard]] bool measuring() const { return measuring_; }
  // Says so in a line on standard output; times count from its return.
  void begin_measuring();
  // Must have been begun.
  void end_measuring(Clock::time_point now);

  [[nodiscard]] Clock::time_point began() const { return began_; }
  // Of the whole measurement, which has ended.
  [[nodiscard]] double seconds() const { return elapsed_.count(); }
  [[nodiscard]] double cpu_us() const { return cpu_us_; }

 private:
  static Clock::time_point after(Clock::time_point now, Seconds span) {
    return now + std::chrono::duration_cast<Clock::duration>(span);
  }

  Seconds warm_up_;
  Seconds measured_;
  Clock::time_point ends_;
  Clock::time_point began_;
  Seconds elapsed_{};
  double cpu_us_ = 0;
  bool measuring_ = false;
};

// Writes one whole line to standard output at once, since whoever reads it waits for it.
// Throws std::system_error.
void print_line(std::string_view line);

// One flat JSON object of numbers, built in the order of the calls.
class JsonLine {
 public:
  JsonLine& number(std::string_view name, double value);
  JsonLine& number(std::string_view name, std::uint64_t value);

  [[nodiscard]] std::string text() const { return body_ + "}"; }

 private:
  void key(std::string_view name);

  std::string body_ = "{";
};

}  // namespace onward::bench
