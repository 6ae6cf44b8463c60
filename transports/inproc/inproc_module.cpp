// SPDX-License-Identifier: Apache-2.0
#include "onward/inproc/inproc_transport.h"
#include "onward/module.h"

namespace onward {
namespace {

std::unique_ptr<Transport> make(EventLoop& loop, const MessageLimits& limits, const Arguments& /*arguments*/) {
  return make_inproc_transport(loop, limits);
}

}  // namespace

ONWARD_MODULE(inproc, .version = kRelease, .summary = "inproc://name, between the nodes of one process",
              .make_transport = make);

}  // namespace onward
