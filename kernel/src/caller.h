// SPDX-License-Identifier: Apache-2.0
//
// Calls that go out: the table of those that wait for an answer. Loop thread only.
#pragma once

#include <cstdint>
#include <vector>

#include "onward/call.h"
#include "onward/message.h"

namespace onward {

class Link;
class NodeCore;
class Peer;

class Caller {
 public:
  explicit Caller(NodeCore& core) : core_(core) {}

  // Takes the call: arms its deadline, then sends it or lets it wait for its peer's connection.
  void start(OutgoingCall& call, Peer& peer, const CallOptions& options, Message&& message);
  // Gives the call an id and sends it over `link`.
  void send(OutgoingCall& call, Link& link, Message&& message);

  // An answer that came over `link`. One that nobody waits for any more is dropped.
  void on_response(Link& link, InboundMessage& message);
  void on_error(Link& link, InboundMessage& message);

  // Ends a call with an error, wherever it stands.
  void fail(OutgoingCall& call, const Status& error) noexcept;
  // The same for what this node has found: the message is that of `reason` behind "call of FUNCTION at PEER".
  void fail_locally(OutgoingCall& call, const Status& reason);
  void on_deadline(OutgoingCall& call) noexcept;
  // Nobody waits for the answer.
  void cancel(OutgoingCall& call, const Status& reason) noexcept;

  [[nodiscard]] std::size_t in_flight() const noexcept { return in_flight_; }

 private:
  // Call ids are slot and generation, so that a late answer finds nobody rather than somebody else.
  struct Slot {
    OutgoingCall* call = nullptr;
    std::uint32_t generation = 0;
    std::uint32_t next_free = 0;
  };
  static constexpr std::uint32_t kNoSlot = 0xFFFF'FFFF;

  // What `call` inherits from the call that it is made in: `timeout` gets shorter, `message` longer. An error if it is
  // not to be made.
  [[nodiscard]] Status inherit(OutgoingCall& call, bool detached, Duration& timeout, Message& message) const;
  OutgoingCall* find(const Link& link, std::uint64_t call_id) noexcept;
  // The peer has no such function.
  void on_unknown_function(const Link& link, OutgoingCall& call, const Status& status);
  // Takes the call out of table, wheel and list: it is ready to be ended.
  void detach(OutgoingCall& call) noexcept;
  // It has been told what it came to.
  void end(OutgoingCall& call) noexcept;

  NodeCore& core_;
  std::vector<Slot> slots_;
  std::uint32_t first_free_ = kNoSlot;
  std::size_t in_flight_ = 0;
};

}  // namespace onward
