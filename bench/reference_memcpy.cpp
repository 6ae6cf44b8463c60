#include <cstring>
#include <vector>

#include "measure.h"
#include "reference.h"
#include "reference_server.h"

namespace onward::bench {
namespace {

// The client copies within itself, so nobody connects.
class NoConnection {
 public:
  NoConnection(Server<NoConnection>&, const Socket&) {}
};

}  // namespace

void run_memcpy_server(const ServerOptions& options) { Server<NoConnection>(options, Waiting::kSleep).run(); }

void run_memcpy_client(const ClientOptions& options) {
  const std::vector<char> from(options.bytes, 'x');
  std::vector<char> into(options.bytes);
  Phases phases(options.warmup, options.measured);
  std::uint64_t copies = 0;
  phases.start();
  while (!phases.measuring() || !phases.over(Clock::now())) {
    if (!phases.measuring() && phases.over(Clock::now())) {
      phases.begin_measuring();
      copies = 0;
    }
    std::memcpy(into.data(), from.data(), from.size());
    asm volatile("" ::"r"(into.data()) : "memory");  // somebody may look at it
    ++copies;
  }
  phases.end_measuring(Clock::now());
  const auto count = static_cast<double>(copies);
  print_line(JsonLine()
                 .number("gb_per_s", count * static_cast<double>(options.bytes) / phases.seconds() / 1e9)
                 .number("req_per_s", count / phases.seconds())
                 .number("requests", copies)
                 .number("client_cpu_us", phases.cpu_us() / count)
                 .text());
}

}  // namespace onward::bench
