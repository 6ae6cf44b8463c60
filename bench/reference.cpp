// onward_reference: the client and the server of each reference, as separate processes. See
// README.md.

#include "reference.h"

#include <CLI/CLI.hpp>
#include <array>
#include <csignal>
#include <cstdio>
#include <exception>
#include <optional>
#include <vector>

#include "measure.h"

namespace {

using namespace onward::bench;

struct Shape {
  const char* name;
  Scheme scheme;
  void (*run_server)(const ServerOptions&);
  void (*run_client)(const ClientOptions&);
};

constexpr std::array kShapes = {
    Shape{"pingpong", Scheme::kTcp, run_pingpong_server, run_pingpong_client},
    Shape{"stream", Scheme::kTcp, run_stream_server, run_stream_client},
    Shape{"unix-pingpong", Scheme::kUnix, run_pingpong_server, run_pingpong_client},
    Shape{"unix-stream", Scheme::kUnix, run_stream_server, run_stream_client},
    Shape{"tls-pingpong", Scheme::kTls, run_pingpong_server, run_pingpong_client},
    Shape{"tls-stream", Scheme::kTls, run_stream_server, run_stream_client},
    Shape{"shm-pingpong", Scheme::kShm, run_shm_pingpong_server, run_shm_pingpong_client},
    Shape{"memcpy", Scheme::kTcp, run_memcpy_server, run_memcpy_client},
};

std::vector<std::string> shape_names() {
  std::vector<std::string> names;
  for (const Shape& shape : kShapes) names.emplace_back(shape.name);
  return names;
}

// One of kShapes, which CLI11 has checked.
const Shape& shape_called(const std::string& name) {
  return *std::ranges::find_if(kShapes, [&name](const Shape& each) { return each.name == name; });
}

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
  role.add_option("--shape", arguments.shape, "what to do")->required()->check(CLI::IsMember(shape_names()));
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
  role.add_option("--connect", arguments.client.url, "what the server printed")->required();
  role.add_option("--seconds", arguments.seconds, "how long to measure")->check(CLI::PositiveNumber);
  role.add_option("--warmup", arguments.warmup_seconds, "how long to run before that, in seconds")
      ->check(CLI::NonNegativeNumber);
  role.add_option("--in-flight", arguments.client.in_flight, "ping-pongs: messages under way")
      ->check(CLI::Range(std::size_t{1}, kMaxInFlight));
  role.add_option("--bytes", arguments.client.bytes, "streams: size of one write; memcpy: of one copy")
      ->check(CLI::Range(std::size_t{1}, std::size_t{1} << 30));
  role.add_option("--congestion", arguments.client.congestion,
                  "streams: TCP's congestion control (default: the system's)");
}

void run_server(Arguments& arguments) {
  const Shape& shape = shape_called(arguments.shape);
  arguments.server.scheme = shape.scheme;
  arguments.server.waiting = arguments.spin ? Waiting::kSpin : Waiting::kSleep;
  shape.run_server(arguments.server);
}

void run_client(Arguments& arguments) {
  const Shape& shape = shape_called(arguments.shape);
  arguments.client.scheme = shape.scheme;
  arguments.client.waiting = arguments.spin ? Waiting::kSpin : Waiting::kSleep;
  arguments.client.warmup = std::chrono::duration<double>(arguments.warmup_seconds);
  arguments.client.measured = std::chrono::duration<double>(arguments.seconds);
  shape.run_client(arguments.client);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("What hand-written code reaches at the same work: the references of the benchmarks.");
  app.require_subcommand(1);
  Arguments arguments;
  CLI::App& server = *app.add_subcommand("server", "serve until stdin ends or SIGTERM");
  CLI::App& client = *app.add_subcommand("client", "warm up, measure, print one line of JSON");
  add_server(server, arguments);
  add_client(client, arguments);
  CLI11_PARSE(app, argc, argv);

  try {
    std::signal(SIGPIPE, SIG_IGN);  // OpenSSL writes without MSG_NOSIGNAL
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
