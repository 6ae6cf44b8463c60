// SPDX-License-Identifier: Apache-2.0
//
// One connection as the kernel uses it: handshake, then requests and answers both ways. Loop thread only.
// Counted: responses that are parked keep the Link, not the Connection.
#pragma once

#include <bitset>
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_set>

#include "admission.h"
#include "onward/call.h"
#include "onward/event_loop.h"
#include "onward/function.h"
#include "onward/transport.h"
#include "reply_table.h"
#include "request_queue.h"
#include "wire.h"

namespace onward {

class NodeCore;
class Peer;
struct ListenOptions;

// What a transport says about a connection begins with its address. Without it, where `who` ("b (ADDRESS)", or the
// address alone) has named it already.
[[nodiscard]] std::string reason_beside(const std::string& who, const std::string& reason);

class Link final : public ConnectionEvents, public ReplySink, private Flushable {
 public:
  enum class State : std::uint8_t { kHandshake, kReady, kDraining, kClosed };
  // A peer must have said HELLO by then; sooner where the node waits for it to end.
  static constexpr Duration kHandshakeTimeout = std::chrono::seconds(10);
  static constexpr Duration kDrainHandshakeTimeout = std::chrono::seconds(1);
  // Output beyond that many times limits.output_high_bytes is too much, and a peer that sends this many messages
  // more is let go.
  static constexpr std::size_t kOverloadFactor = 4;
  static constexpr std::uint32_t kMaxShed = 1 << 16;

  // `dialled` is the peer that this node connected to; null for a connection that was accepted, from `listener`.
  // One reference, for the core's list.
  Link(NodeCore& core, std::unique_ptr<Connection> connection, Peer* dialled, const ListenOptions* listener);

  void start();
  // Returns where it ends, in all that was handed over to the connection. A peer that owes an answer is read from in
  // any case: two busy nodes would wait for each other.
  std::uint64_t send_request(Message&& message) {
    send(std::move(message));
    if (paused_ != 0) read_on(kForOutput | kForLoad);
    return handed_over_;
  }
  // Goes before what is queued, unless the request, which ends there, is among that.
  void send_cancel(std::uint64_t call_id, std::uint64_t request_end);
  // Flushes what was sent; then the connection closes.
  void close(const Status& reason);
  // Asks the peer to send no more requests: GOAWAY, and behind it PING. Those that come before its PONG are served,
  // as it sent them before it knew; later ones are refused. Nothing on a link of the node with itself, where what
  // comes is part of what the node still does.
  void drain(const Status& reason);
  // Requests may still come that the peer sent before it knew.
  [[nodiscard]] bool awaits_acknowledgement() const noexcept {
    return drain_ == Drain::kAsked && (state_ != State::kHandshake || !dialled_);
  }
  // Has the peer say when it has read what is queued: PING behind it. Nothing where nothing is queued.
  void ask_for_receipt();
  [[nodiscard]] bool awaits_receipt() const noexcept { return awaits_receipt_; }
  // No new calls, either way; it closes when those that are in flight are done.
  void retire(const Status& reason);
  [[nodiscard]] bool is_retired() const noexcept { return retirement_ != Retirement::kNone; }
  void close_if_retired();
  // The rules have changed.
  void forget_allowed() {
    allowed_.clear();
    last_function_ = nullptr;
  }
  [[nodiscard]] const LinkLoad& load() const noexcept { return load_; }
  // Gives back the permits of responses that have left.
  void release_departed() noexcept;
  // It paused for its load, and goes on if that has fallen.
  void resume_if_room() noexcept;

  [[nodiscard]] State state() const noexcept { return state_; }
  [[nodiscard]] std::string describe() const;  // "b (tcp://127.0.0.1:7000)"
  [[nodiscard]] Peer* peer() const noexcept { return peer_; }
  // From HELLO on.
  [[nodiscard]] const PeerIdentity& identity() const noexcept { return origin_->caller()->identity; }
  [[nodiscard]] bool knows_context() const noexcept { return (features_ & wire::kFeatureContext) != 0; }
  [[nodiscard]] bool knows_codec(std::uint8_t id) const noexcept { return codecs_[id]; }
  // Whether the peer takes a message of that size; OK, or why not.
  [[nodiscard]] Status check_size(const Payload& payload) const;
  // What waits here for its Future fails with `reason`, and is answered so.
  void abandon_parked(const Status& reason) const noexcept;
  [[nodiscard]] std::size_t queued_bytes() const { return connection_->queued_bytes(); }

  // What waits here for the kernel thread.
  [[nodiscard]] RequestLine& line() noexcept { return line_; }
  // Runs it, or tells why not: then false.
  bool run_waiting(WaitingRequest& request, TimePoint now);
  void refuse_waiting(const WaitingRequest& request, const Status& reason);
  // Nobody waits for its answer.
  void drop_waiting(const WaitingRequest& request) noexcept;
  // The peer does not read its answers, so that there should be no more.
  [[nodiscard]] bool is_held_back() const noexcept { return (paused_ & kForOutput) != 0; }
  void pause_for_line() { pause(kForLine); }
  void resume_for_line() { read_on(kForLine); }

  // ConnectionEvents
  void on_message(InboundMessage& message) override;
  void on_drained() override;
  void on_closed(const Status& reason) override;

  // ReplySink
  void send_result(std::uint64_t call_id, const Codec& codec, const FunctionName& function,
                   FunctionRef<void(Encoder&)> write) override;
  void send_payload(std::uint64_t call_id, const Codec& codec, const FunctionName& function,
                    Payload&& payload) override;
  void send_error(std::uint64_t call_id, const FunctionName& function, const Status& error) override;
  [[nodiscard]] bool may_call(const Function& function) override;
  [[nodiscard]] bool park(detail::ParkedReply& reply) noexcept override;
  void unpark(detail::ParkedReply& reply, Unpark how) noexcept override;
  [[nodiscard]] const Codec& codec(std::uint8_t id) const noexcept override;
  void retain() noexcept override { ++references_; }
  void release() noexcept override;

  // The calls that were sent over this link and wait for an answer, and the bytes of their requests.
  OutgoingCall* calls = nullptr;
  std::uint64_t call_bytes = 0;
  std::size_t requests_in_flight = 0;  // the peer's
  // In the core's list.
  Link* next = nullptr;
  Link** previous = nullptr;

 private:
  ~Link();
  void on_hello(const InboundMessage& message);
  // Whether what HELLO says may be so: versions, and who the peer is.
  [[nodiscard]] Status check_hello(const wire::Hello& hello) const;
  void on_goaway(const InboundMessage& message);
  void on_pong(std::uint64_t number);
  [[nodiscard]] bool is_with_itself() const;
  void on_request(InboundMessage& message);
  // Whether last_function_ is the one that is asked for, and may be run.
  [[nodiscard]] bool is_for_last_function(const MessageHeader& header) const noexcept;
  // Makes the one that is asked for last_function_; false if it may not be run, and the peer has been told.
  [[nodiscard]] bool take_function(const MessageHeader& header);
  void run(const Function& function, InboundMessage& message, detail::LazyContext& context,
           const detail::Permit& permit);
  // It is kept until the kernel thread has time for it.
  void wait(const Function& function, InboundMessage& message, detail::LazyContext& context,
            const detail::Permit& permit);
  // The metadata that came with a request, if any; false if it is malformed, and the peer has been told.
  [[nodiscard]] bool take_metadata(InboundMessage& message, std::shared_ptr<const CallMetadata>& metadata);
  [[nodiscard]] const Function* find_function(const MessageHeader& header);
  // Answers with a result, or with what is wrong with it.
  void send_encoded(std::uint64_t call_id, const Codec& codec, const FunctionName& function, Message&& message,
                    Status encoded);
  // Answers with an error that no function gave.
  void refuse(std::uint64_t call_id, const FunctionName* name, const Status& error, const std::string& signature = {});
  void send(Message&& message) {
    handed_over_ += sizeof message.header + message.payload.size_bytes();
    connection_->send(std::move(message));
  }
  // Answers that `function`, or the node, has too much to do.
  void shed(std::uint64_t call_id, const Function& function, Admission::Shed why);
  // The same of one that has waited.
  void shed_waiting(const WaitingRequest& request, Admission::Shed why);
  // Whether the request has waited here for too long, or will, to be run; then the peer has been told.
  [[nodiscard]] bool is_stale(const MessageHeader& header, const Function& function, bool must_wait);
  [[nodiscard]] bool shed_if_stale(const MessageHeader& header, const Function& function, bool must_wait);
  // Of a request that has ended.
  void end_permit(const detail::Permit& permit, const FunctionName& function, Unpark how) noexcept;
  // What was handed over to the connection and has left it.
  [[nodiscard]] std::uint64_t left_bytes() const;
  void flush() override;
  void hold_back();
  // Why it does not read.
  using Pauses = std::uint8_t;
  static constexpr Pauses kForOutput = 1;
  static constexpr Pauses kForLoad = 2;
  static constexpr Pauses kForLine = 4;
  void pause(Pauses why);
  void read_on(Pauses why);
  // So much output is queued that what comes in is refused. To be asked once for each message that does.
  [[nodiscard]] bool is_overloaded();
  void finish_request() noexcept;

  NodeCore& core_;
  std::unique_ptr<Connection> connection_;
  Peer* peer_;  // the one dialled, or the one that said HELLO by its name
  const ListenOptions* listener_;
  bool dialled_;
  Pauses paused_ = 0;
  bool running_parked_ = false;  // the request that is being run waits for its Future
  bool dropped_ = false;         // the answer says that it was too much, or too late
  enum class Retirement : std::uint8_t { kNone, kWaits, kCloses };
  Retirement retirement_ = Retirement::kNone;
  enum class Drain : std::uint8_t { kNone, kAsked, kAcknowledged };
  Drain drain_ = Drain::kNone;
  bool awaits_receipt_ = false;
  State state_ = State::kHandshake;
  Timer handshake_timer_;
  std::string description_;
  std::string node_;
  Status goaway_;                                // what the peer has said
  detail::ContextOrigin* origin_ = nullptr;      // from HELLO on: who calls
  std::unordered_set<const Function*> allowed_;  // where there are rules: what the peer has been found to be allowed
  ReplyTable parked_;
  std::bitset<256> codecs_;
  std::uint64_t features_ = 0;
  std::uint32_t max_body_bytes_ = 0;
  std::uint64_t max_message_bytes_ = 0;
  const Function* last_function_ = nullptr;
  FunctionLoad* last_load_ = nullptr;  // that function's, if it has limits
  LinkLoad load_;
  RequestLine line_;
  detail::Permit running_;  // of the request that is being run
  // Bytes of messages given to the connection, but for urgent ones and framing: less than it counts in queued_bytes(),
  // so that nothing is taken to have left that has not.
  std::uint64_t handed_over_ = 0;
  std::uint64_t first_in_ = 0;                  // the loop's turn in which the last request came
  TimePoint backlog_since_ = TimePoint::max();  // the connection's, in that turn
  std::uint32_t shed_ = 0;
  std::uint32_t references_ = 1;
};

}  // namespace onward
