// SPDX-License-Identifier: Apache-2.0
//
// Module "deflate": the transport deflate://HOST:PORT, which is TCP with compressed bytes.
#include <memory>
#include <utility>

#include "deflate_stream.h"
#include "onward/module.h"
#include "onward/tcp/tcp_transport.h"

namespace {

constexpr onward::Parameter kParameters[] = {
    onward::parameter("level", 6, "from 1, fastest, to 9, smallest").range(1, 9),
};

std::unique_ptr<onward::Transport> make(onward::EventLoop& loop, const onward::MessageLimits& limits,
                                        const onward::Arguments& arguments) {
  const int level = arguments.get<int>("level");
  return onward::make_layered_tcp_transport(loop, limits, "deflate",
                                            [level](std::unique_ptr<onward::ByteStream> below) {
                                              return std::make_unique<example::DeflateStream>(std::move(below), level);
                                            });
}

}  // namespace

ONWARD_MODULE(deflate, .version = "1.0", .summary = "deflate://HOST:PORT, compressed and in the clear",
              .parameters = kParameters, .make_transport = make);
