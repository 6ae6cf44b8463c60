// SPDX-License-Identifier: Apache-2.0
#include "onward/module.h"
#include "onward/unix/unix_transport.h"

namespace onward {
namespace {

std::unique_ptr<Transport> make(EventLoop& loop, const MessageLimits& limits, const Arguments& /*arguments*/) {
  return make_unix_transport(loop, limits);
}

}  // namespace

ONWARD_MODULE(unix, .version = kRelease, .summary = "unix:///path and unix://@name, sockets of one machine",
              .make_transport = make);

}  // namespace onward
