// SPDX-License-Identifier: Apache-2.0
//
// A node binary of one's own, from the public API alone: onward_custom_node NAME LISTEN_URL.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>

#include "onward/init_rpc.h"
#include "probe.h"

namespace {

std::string from_environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  // Before there are threads, which inherit it.
  sigset_t ending;
  sigemptyset(&ending);
  sigaddset(&ending, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &ending, nullptr);
  try {
    onward::NodeOptions options{.name = argv[1], .listen = {argv[2]}};
    options.transports = onward::standard_transports({.tls = {.certificate = from_environment("ONWARD_TLS_CERT"),
                                                              .key = from_environment("ONWARD_TLS_KEY"),
                                                              .ca = from_environment("ONWARD_TLS_CA"),
                                                              .crl = {}}});
    options.modules.push_back({.descriptor = &onward::onward_module_probe});
    const onward::Node& node = onward::init_rpc(std::move(options));
    std::printf("ready %s %s\n", node.name().c_str(), node.listening().front().to_string().c_str());
    std::fflush(stdout);
  } catch (const onward::RpcError& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  int signal_number = 0;
  sigwait(&ending, &signal_number);
  onward::shutdown();
}
