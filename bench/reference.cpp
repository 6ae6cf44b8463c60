// onward_reference: the client and the server of each reference, as separate processes. See
// README.md.

#include "reference.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <optional>

#include "measure.h"

namespace {

using onward::bench::ClientOptions;
using onward::bench::ServerOptions;
using onward::bench::Waiting;

struct Arguments {
  std::string shape;
  std::optional<int> cpu;
  bool spin = false;
  double warmup_seconds = 0.5;
  double seconds = 2.0;
  ServerOptions server;
  ClientOptions client;
};

void add_common(CLI::App& role, Arguments& arguments) {
  role.add_option("--shape", arguments.shape, "pingpong or stream")
      ->required()
      ->check(CLI::IsMember({"pingpong", "stream"}));
  role.add_option("--cpu", arguments.cpu, "run on this core only")->check(CLI::NonNegativeNumber);
  role.add_flag("--spin", arguments.spin, "poll without sleeping");
}

void add_server(CLI::App& role, Arguments& arguments) {
  add_common(role, arguments);
  role.add_option("--buffer-bytes", arguments.server.buffer_bytes, "what one recv() may take")
      ->check(CLI::Range(std::size_t{64 * 1024}, std::size_t{1} << 30));
}

void add_client(CLI::App& role, Arguments& arguments) {
  add_common(role, arguments);
  role.add_option("--connect", arguments.client.url, "what the server printed: tcp://127.0.0.1:PORT")->required();
  role.add_option("--seconds", arguments.seconds, "how long to measure")->check(CLI::PositiveNumber);
  role.add_option("--warmup", arguments.warmup_seconds, "how long to run before that, in seconds")
      ->check(CLI::NonNegativeNumber);
  role.add_option("--in-flight", arguments.client.in_flight, "pingpong: messages under way")
      ->check(CLI::Range(std::size_t{1}, std::size_t{16384}));
  role.add_option("--bytes", arguments.client.bytes, "stream: size of one write")
      ->check(CLI::Range(std::size_t{1}, std::size_t{1} << 30));
  role.add_option("--congestion", arguments.client.congestion,
                  "stream: TCP's congestion control (default: the system's)");
}

void run_server(Arguments& arguments) {
  arguments.server.waiting = arguments.spin ? Waiting::kSpin : Waiting::kSleep;
  if (arguments.shape == "stream") return onward::bench::run_stream_server(arguments.server);
  onward::bench::run_pingpong_server(arguments.server);
}

void run_client(Arguments& arguments) {
  arguments.client.waiting = arguments.spin ? Waiting::kSpin : Waiting::kSleep;
  arguments.client.warmup = std::chrono::duration<double>(arguments.warmup_seconds);
  arguments.client.measured = std::chrono::duration<double>(arguments.seconds);
  if (arguments.shape == "stream") return onward::bench::run_stream_client(arguments.client);
  onward::bench::run_pingpong_client(arguments.client);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(
      "What hand-written libevent code reaches at the same work: the references of the "
      "benchmarks.");
  app.require_subcommand(1);
  Arguments arguments;
  CLI::App& server = *app.add_subcommand("server", "serve until stdin ends or SIGTERM");
  CLI::App& client = *app.add_subcommand("client", "warm up, measure, print one line of JSON");
  add_server(server, arguments);
  add_client(client, arguments);
  CLI11_PARSE(app, argc, argv);

  try {
    if (arguments.cpu) onward::bench::pin_to_cpu(*arguments.cpu);
    if (server.parsed()) {
      run_server(arguments);
    } else {
      run_client(arguments);
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "onward_reference: %s\n", error.what());
    return 1;
  }
  return 0;
}
