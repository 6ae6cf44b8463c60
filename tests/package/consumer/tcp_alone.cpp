// SPDX-License-Identifier: Apache-2.0
//
// A node binary that names but one transport and one codec, so that the linker leaves the others out.
#include <cstdio>

#include "onward/flex/flex_codec.h"
#include "onward/node.h"
#include "onward/rpc.h"
#include "onward/tcp/tcp_transport.h"

namespace {

onward::NodeOptions options_for(const char* name) {
  return {.name = name,
          .transports = {[](onward::EventLoop& loop, const onward::MessageLimits& limits) {
            return onward::make_tcp_transport(loop, limits);
          }},
          .codecs = {onward::make_flex_codec()}};
}

}  // namespace

int main() {
  onward::NodeOptions options = options_for("server");
  options.listen = {"tcp://127.0.0.1:0"};
  onward::Node server(std::move(options));
  if (!server.functions().add("add", [](int a, int b) { return a + b; }).ok() || !server.start().ok()) return 1;
  onward::NodeOptions client_options = options_for("client");
  client_options.peers = {{"server", {server.listening().front().to_string()}}};
  onward::Node client(std::move(client_options));
  if (!client.start().ok()) return 1;
  auto sum = onward::rpc_async(client, "server", onward::remote<int(int, int)>("add"), 2, 3);
  std::printf("add: %d\n", std::move(sum).wait());
  client.stop();
  server.stop();
}
