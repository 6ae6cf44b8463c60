// SPDX-License-Identifier: Apache-2.0
//
// Module "probe": what the integration tests do to a node, as functions that they call there. Linked into
// the program onward_test_node (test_node.cpp), which is otherwise an ordinary node.
#pragma once

#include <cstdint>
#include <exception>
#include <string>
#include <vector>

#include "onward/buffer.h"
#include "onward/module.h"
#include "onward/rpc.h"

namespace onward {

// "At once" functions run on the kernel thread; async ones are answered later; blocking ones take a
// thread of the pool.
ONWARD_LINKED_MODULE(probe);

namespace probe {

// Node::Statistics of the node that is asked.
struct Statistics {
  std::uint64_t connections = 0;  // the asking one is among them
  std::uint64_t calls_in_flight = 0;
  std::uint64_t requests_in_flight = 0;  // the question is one of them
};
ONWARD_MEMBERS(Statistics, connections, calls_in_flight, requests_in_flight)

// What kFail throws.
struct SeatsTaken : std::exception {
  std::vector<std::string> rows;
  std::int32_t left = 0;
  [[nodiscard]] const char* what() const noexcept override { return "the seats are taken"; }
};
ONWARD_MEMBERS(SeatsTaken, rows, left)
ONWARD_EXCEPTION(SeatsTaken, StatusCode::kFailedPrecondition)

// At once.
inline const auto kEcho = remote<std::string(std::string)>("probe.echo");
// Who calls: "NODE, proved to be NAME".
inline const auto kWhoCalls = remote<std::string()>("probe.who_calls");
inline const auto kAdd = remote<int(int, int)>("probe.add");
// `bytes` bytes, in memory of their own.
inline const auto kBlob = remote<Buffer(std::uint64_t bytes)>("probe.blob");
// Counts its calls, and slow's; when the module stops it logs "answered N counted calls".
inline const auto kCount = remote<void()>("probe.count");
// Throws std::out_of_range(text).
inline const auto kThrow = remote<void(std::string text)>("probe.throw");
// Throws SeatsTaken{{"A", "B"}, 2}.
inline const auto kFail = remote<void()>("probe.fail");
// Keeps the kernel thread until somebody has opened the FIFO `path` to write.
inline const auto kBlock = remote<void(std::string path)>("probe.block");
// Sends itself SIGKILL.
inline const auto kCrash = remote<void()>("probe.crash");

// Async: answered by the next release(), with its text.
inline const auto kPark = remote<std::string()>("probe.park");
// Answers all that are parked and returns how many there were.
inline const auto kRelease = remote<int(std::string text)>("probe.release");
// Async: answered when at least `count` are parked.
inline const auto kAwaitParked = remote<void(int count)>("probe.await_parked");
// Async: counted as kCount is, and answered after that many milliseconds.
inline const auto kSlow = remote<void(int milliseconds)>("probe.slow");

// Async; each calls the named peer.
// ping(own name, depth - 1) there, and so on in turn: depth.
inline const auto kPing = remote<int(std::string peer, int depth)>("probe.ping");
inline const auto kRelayPark = remote<std::string(std::string peer)>("probe.relay_park");
inline const auto kRelayCount = remote<void(std::string peer)>("probe.relay_count");
inline const auto kRelayThrow = remote<void(std::string peer, std::string text)>("probe.relay_throw");
// fail() at node "worker" by that codec, async; and on a thread of the pool, which adds "while booking".
inline Remote<void()> relay_fail(const std::string& codec) { return remote<void()>("probe.relay_fail." + codec); }
inline Remote<void()> sync_relay_fail(const std::string& codec) {
  return remote<void()>("probe.sync_relay_fail." + codec);
}
// relay_throw() at `peer`, which calls throw() at `last`.
inline const auto kRelayTwice = remote<void(std::string peer, std::string last, std::string text)>("probe.relay_twice");
// The sum of add(i, 1) for i from 0 to count - 1, all asked for at once.
inline const auto kFanOut = remote<std::int64_t(std::string peer, int count)>("probe.fan_out");
// count, by that many calls of add(n, 1), one after the other.
inline const auto kChain = remote<int(std::string peer, int count)>("probe.chain");
// `total` calls of echo with texts of about `bytes` bytes, `window` of them in flight: how many came back right.
inline const auto kLoad = remote<int(std::string peer, int total, int window, int bytes)>("probe.load");

// Blocking.
inline const auto kSyncPing = remote<int(std::string peer, int depth)>("probe.sync_ping");
// park() there, on a thread of the pool.
inline const auto kSyncRelayPark = remote<std::string(std::string peer)>("probe.sync_relay_park");
// Never comes to an end.
inline const auto kHang = remote<void()>("probe.hang");
inline const auto kStatistics = remote<Statistics()>("probe.statistics");

}  // namespace probe
}  // namespace onward
