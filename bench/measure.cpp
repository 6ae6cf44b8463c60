#include "measure.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <system_error>

namespace onward::bench {
namespace {

// A value below 2^kLinearBits has a bucket of its own; above, each power of two has 2^kStepBits
// buckets.
constexpr unsigned kStepBits = 8;
constexpr unsigned kLinearBits = kStepBits + 1;
constexpr std::size_t kSteps = std::size_t{1} << kStepBits;
constexpr std::size_t kBuckets = kSteps * (64 - kStepBits + 1);

std::size_t bucket_of(std::uint64_t nanoseconds) {
  const auto width = static_cast<unsigned>(std::bit_width(nanoseconds));
  if (width <= kLinearBits) return static_cast<std::size_t>(nanoseconds);
  const unsigned shift = width - kLinearBits;
  return static_cast<std::size_t>(nanoseconds >> shift) + kSteps * shift;
}

double middle_of(std::size_t bucket) {
  if (bucket < 2 * kSteps) return static_cast<double>(bucket);
  const std::size_t shift = bucket / kSteps - 1;
  const auto lowest = static_cast<double>(bucket - kSteps * shift);
  return (lowest + 0.5) * static_cast<double>(std::uint64_t{1} << shift);
}

}  // namespace

LatencyHistogram::LatencyHistogram() : buckets_(kBuckets, 0) {}

void LatencyHistogram::add(Clock::duration latency, std::uint64_t count) {
  const auto nanoseconds = std::chrono::duration_cast<std::chrono::nanoseconds>(latency).count();
  const std::uint64_t value = nanoseconds > 0 ? static_cast<std::uint64_t>(nanoseconds) : 0;
  buckets_[bucket_of(value)] += count;
  total_ += count;
}

void LatencyHistogram::clear() {
  std::fill(buckets_.begin(), buckets_.end(), 0);
  total_ = 0;
}

double LatencyHistogram::quantile_us(double fraction) const {
  if (total_ == 0) return 0;
  const double wanted = fraction * static_cast<double>(total_);
  std::uint64_t seen = 0;
  for (std::size_t bucket = 0; bucket < buckets_.size(); ++bucket) {
    seen += buckets_[bucket];
    if (seen > 0 && static_cast<double>(seen) >= wanted) return middle_of(bucket) / 1000.0;
  }
  return middle_of(buckets_.size() - 1) / 1000.0;
}

double process_cpu_us() {
  timespec used{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return static_cast<double>(used.tv_sec) * 1e6 + static_cast<double>(used.tv_nsec) / 1e3;
}

std::uint64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::uint64_t size_pages = 0;
  std::uint64_t resident_pages = 0;
  if (!(statm >> size_pages >> resident_pages)) return 0;
  return resident_pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

void pin_to_cpu(int cpu) {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  if (cpu < 0 || cpu >= CPU_SETSIZE) {
    throw std::system_error(EINVAL, std::generic_category(), "pin to core " + std::to_string(cpu));
  }
  CPU_SET(static_cast<std::size_t>(cpu), &cores);
  if (::sched_setaffinity(0, sizeof cores, &cores) != 0) {
    throw std::system_error(errno, std::generic_category(), "pin to core " + std::to_string(cpu));
  }
}

void Phases::begin_measuring() {
  measuring_ = true;
  print_line("measuring");
  cpu_us_ = process_cpu_us();
  began_ = Clock::now();
  ends_ = after(began_, measured_);
}

void Phases::end_measuring(Clock::time_point now) {
  elapsed_ = now - began_;
  cpu_us_ = process_cpu_us() - cpu_us_;
}

void print_line(std::string_view line) {
  std::string text(line);
  text += '\n';
  std::string_view rest = text;
  while (!rest.empty()) {
    const ssize_t written = ::write(STDOUT_FILENO, rest.data(), rest.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) throw std::system_error(errno, std::generic_category(), "write to stdout");
    rest.remove_prefix(static_cast<std::size_t>(written));
  }
}

JsonLine& JsonLine::number(std::string_view name, double value) {
  key(name);
  char text[64];
  std::snprintf(text, sizeof text, "%.6g", value);
  body_ += text;
  return *this;
}

JsonLine& JsonLine::number(std::string_view name, std::uint64_t value) {
  key(name);
  body_ += std::to_string(value);
  return *this;
}

void JsonLine::key(std::string_view name) {
  if (body_.size() > 1) body_ += ", ";
  body_ += '"';
  body_ += name;
  body_ += "\": ";
}

}  // namespace onward::bench
