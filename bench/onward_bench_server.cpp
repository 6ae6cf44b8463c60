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

volatile std::sig_atomic_t terminated = 0;

void wait_for_end_of_input() {
  char bytes[64];
  while (terminated == 0) {
    pollfd input{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
    if (::poll(&input, 1, 1000) > 0 && ::read(STDIN_FILENO, bytes, sizeof bytes) <= 0) return;
  }
}

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
  NodeOptions options = node_options(settings, middle ? "middle" : "server");
  options.listen = {"tcp://127.0.0.1:0"};
  Node node(std::move(options));
  register_functions(node.functions(), server);
  node.start().throw_if_error();
  if (middle) server.next = node.peer(settings.connect);
  std::signal(SIGTERM, [](int) { terminated = 1; });
  print_line("listening " + node.listening().front().to_string());
  wait_for_end_of_input();
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
