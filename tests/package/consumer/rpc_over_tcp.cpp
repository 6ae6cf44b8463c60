// SPDX-License-Identifier: Apache-2.0
//
// A user's program: an rpc over TCP from one node to another, an error that is thrown from the library, and, with a
// folder as argument, a function of the module greeter.so in it.
#include <cstdio>
#include <span>
#include <string>

#include "onward/init_rpc.h"
#include "onward/module_library.h"

namespace {

int run(std::span<char*> arguments) {
  onward::NodeOptions options{.name = "server",
                              .listen = {"tcp://127.0.0.1:0"},
                              .transports = onward::standard_transports(),
                              .codecs = onward::standard_codecs()};
  for (const char* folder : arguments) {
    const auto greeter = onward::load_module(std::string(folder) + "/greeter.so");
    if (!greeter) throw onward::RpcError(greeter.error());
    options.modules.push_back({.descriptor = *greeter});
  }
  onward::Node server(std::move(options));
  server.functions().add("add", [](int a, int b) { return a + b; }).throw_if_error();
  server.start().throw_if_error();

  onward::init_rpc({.name = "client", .peers = {{"server", {server.listening().front().to_string()}}}});
  std::printf("add: %d\n", onward::rpc_sync("server", onward::remote<int(int, int)>("add"), 2, 3));
  try {
    onward::rpc_sync("server", onward::remote<void()>("nothing"));
  } catch (const onward::RpcError& error) {
    std::printf("nothing: %s\n",
                error.code() == onward::StatusCode::kUnimplemented ? "no such function" : error.what());
  }
  if (!arguments.empty()) {
    const auto greet = onward::remote<std::string(std::string)>("greet");
    std::printf("greet: %s\n", onward::rpc_sync("server", greet, "Ada").c_str());
  }
  onward::shutdown();
  server.stop();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(std::span(argv, static_cast<std::size_t>(argc)).subspan(1));
  } catch (const onward::RpcError& error) {
    std::printf("%s\n", error.what());
    return 1;
  }
}
