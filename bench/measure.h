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
