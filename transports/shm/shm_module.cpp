// SPDX-License-Identifier: Apache-2.0
#include "onward/module.h"
#include "onward/shm/shm_transport.h"
#include "shm/shm_memory.h"

namespace onward {
namespace {

constexpr std::int64_t kMaxUser = 0xFFFF'FFFE;

constexpr Parameter kParameters[] = {
    parameter("ring_bytes", std::int64_t{256} << 10, "of a connection's ring, each way: a power of two")
        .unit("bytes")
        .range(ShmSizes::kMinRingBytes, ShmSizes::kMaxRingBytes),
    parameter("payload_bytes", std::int64_t{256} << 20,
              "of a connection's memory for large segments, each way: a multiple of 4096; the system provides what is "
              "in use")
        .unit("bytes")
        .range(0, ShmSizes::kMaxPayloadBytes),
    optional_parameter<std::vector<std::int64_t>>("users",
                                                  "ids of users that may connect, besides this node's own and root")
        .range(0, kMaxUser),
};

ShmOptions shm_options(const Arguments& arguments) {
  ShmOptions options;
  options.ring_bytes = arguments.get<std::uint64_t>("ring_bytes");
  options.payload_bytes = arguments.get<std::uint64_t>("payload_bytes");
  for (const std::int64_t user :
       arguments.find<std::vector<std::int64_t>>("users").value_or(std::vector<std::int64_t>{}))
    options.users.push_back(static_cast<uid_t>(user));
  return options;
}

Status check(const Arguments& arguments) {
  const ShmOptions options = shm_options(arguments);
  const ShmSizes sizes{.ring_bytes = options.ring_bytes, .payload_bytes = options.payload_bytes};
  if (sizes.valid()) return {};
  return {StatusCode::kInvalidArgument, "ring_bytes must be a power of two, and payload_bytes a multiple of 4096"};
}

std::unique_ptr<Transport> make(EventLoop& loop, const MessageLimits& limits, const Arguments& arguments) {
  return make_shm_transport(loop, limits, shm_options(arguments));
}

}  // namespace

ONWARD_MODULE(shm, .version = kRelease, .summary = "shm://@name and shm:///path, memory that two processes share",
              .parameters = kParameters, .check = check, .make_transport = make);

}  // namespace onward
