// SPDX-License-Identifier: Apache-2.0
#include "onward/module.h"
#include "onward/tcp/tcp_transport.h"
#include "stream/tcp_parameters.h"

namespace onward {
namespace {

constexpr Parameter kParameters[] = {kTcpConnectTimeout, kTcpSendBuffer, kTcpReceiveBuffer};

std::unique_ptr<Transport> make(EventLoop& loop, const MessageLimits& limits, const Arguments& arguments) {
  return make_tcp_transport(loop, limits, tcp_options(arguments));
}

}  // namespace

ONWARD_MODULE(tcp, .version = kRelease, .summary = "tcp://HOST:PORT, in the clear", .parameters = kParameters,
              .make_transport = make);

}  // namespace onward
