// SPDX-License-Identifier: Apache-2.0
//
// Onward measured: one program, as server, as middle node and as client. bench/README.md has the shapes;
// bench/run.py starts the processes.
#include "onward_bench.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>

#include "measure.h"

int main(int argc, char** argv) {
  using namespace onward::bench;
  CLI::App app("Measures Onward; see bench/README.md");
  Settings settings;
  app.require_subcommand(1);
  CLI::App* server = app.add_subcommand("server", "answers calls");
  CLI::App* middle = app.add_subcommand("middle", "answers calls by calling another node");
  CLI::App* client = app.add_subcommand("client", "makes calls and measures them");
  CLI::App* transports = app.add_subcommand("transports", "prints what --transport takes, a name a line");
  for (CLI::App* role : {server, middle, client}) {
    role->add_option("--shape", settings.shape, "what to measure");
    role->add_option("--codec", settings.codec, "flex or raw");
    role->add_option("--cpu", settings.cpu, "the core to run on");
    role->add_option("--busy-poll-us", settings.busy_poll_us, "how long to poll before sleeping");
    role->add_option("--certs", settings.certs, "for tls: the folder with ROLE.pem, ROLE.key and ca.pem");
  }
  for (CLI::App* role : {server, middle}) {
    role->add_option("--transport", settings.transport, "where to listen")->check(CLI::IsMember(transport_names()));
  }
  for (CLI::App* role : {middle, client})
    role->add_option("--connect", settings.connect, "the URL to call")->required();
  client->add_option("--in-flight", settings.in_flight, "calls under way at once");
  client->add_option("--bytes", settings.bytes, "size of the argument");
  client->add_option("--seconds", settings.seconds, "how long to measure");
  client->add_option("--warmup", settings.warmup, "how long to run before");
  CLI11_PARSE(app, argc, argv);
  try {
    if (transports->parsed()) {
      for (const std::string& name : transport_names()) print_line(name);
      return 0;
    }
    if (settings.cpu >= 0) pin_to_cpu(settings.cpu);
    return client->parsed() ? run_client(settings) : run_server(settings, middle->parsed());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "onward_bench: %s\n", error.what());
    return 1;
  }
}
