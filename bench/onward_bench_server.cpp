// SPDX-License-Identifier: Apache-2.0
#include <poll.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <vector>

#include "allocation_counter.h"
#include "measure.h"
#include "onward_bench.h"

namespace onward::bench {
namespace {

// By then every pool has what it needs; allocations are counted from there on, to the last request. What the end of
// the client's connection takes is not a call's.
constexpr std::uint64_t kSteadyAfter = 100'000;

struct Server {
  std::uint64_t requests = 0;
  std::uint64_t steady_allocations = 0;
  std::uint64_t last_allocations = 0;
  PeerHandle next;
  std::vector<std::pair<Future<Buffer>, Buffer>> parked;

  void count() {
    last_allocations = allocations();
    if (++requests == kSteadyAfter) steady_allocations = last_allocations;
  }
};

// Without a timeout: an idle process does not wake up.
class EndOfInput {
 public:
  // Before any thread starts, which would take the signal.
  EndOfInput() {
    std::signal(SIGTERM, [](int) {});
    sigset_t term;
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    ::pthread_sigmask(SIG_BLOCK, &term, &before_);
  }

  // Until standard input ends or SIGTERM comes.
  void wait() const {
    char bytes[64];
    do {
      pollfd input{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
      if (::ppoll(&input, 1, nullptr, &before_) < 0) return;
    } while (::read(STDIN_FILENO, bytes, sizeof bytes) > 0);
  }

 private:
  sigset_t before_{};
};

void register_functions(FunctionTable& functions, Server& server) {
  const auto echo = [&](Buffer value) {
    server.count();
    return value;
  };
  const auto measure = [&](const Buffer& value) {
    server.count();
    return Buffer::copy_of(std::to_string(value.size()));
  };
  const auto relay = [&](const Buffer& value) {
    server.count();
    Future<Buffer> answer;
    rpc_async(server.next, kEcho, value).add_callback([answer](const Buffer& echoed) { answer.mark_complete(echoed); });
    return answer;
  };
  const auto park = [&](const Buffer& value) {
    server.count();
    server.parked.emplace_back(Future<Buffer>(), value);
    return server.parked.back().first;
  };
  const auto release = [&](Buffer value) {
    for (const auto& [future, parked] : server.parked) future.mark_complete(parked);
    server.parked.clear();
    return value;
  };
  functions.add("bench.echo", echo).throw_if_error();
  functions.add("bench.measure", measure).throw_if_error();
  functions.add("bench.relay", relay).throw_if_error();
  functions.add("bench.park", park).throw_if_error();
  functions.add("bench.release", release).throw_if_error();
}

}  // namespace

int run_server(const Settings& settings, bool middle) {
  Server server;
  server.parked.reserve(100'000);
  const EndOfInput end_of_input;
  NodeOptions options = node_options(settings, middle ? "middle" : "server", "server");
  options.listen = {listen_url(settings.transport)};
  Node node(std::move(options));
  register_functions(node.functions(), server);
  node.start().throw_if_error();
  if (middle) server.next = node.peer("server");
  print_line("listening " + node.listening().front().to_string());
  end_of_input.wait();
  const double cpu_us = process_cpu_us();
  const std::uint64_t resident = resident_bytes();
  node.stop(std::chrono::seconds(1));
  JsonLine line;
  line.number("requests", server.requests).number("cpu_us", cpu_us).number("rss_bytes", resident);
  if (server.requests > kSteadyAfter) {
    line.number("per_call", static_cast<double>(server.last_allocations - server.steady_allocations) /
                                static_cast<double>(server.requests - kSteadyAfter));
  }
  print_line(line.text());
  return 0;
}

}  // namespace onward::bench
