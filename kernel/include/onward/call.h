// SPDX-License-Identifier: Apache-2.0
//
// Calls that go out: where to, with which options, and the object that stands for one until its answer is
// there. Users want rpc.h.
#pragma once

#include <cstdint>
#include <optional>
#include <source_location>
#include <string_view>

#include "onward/codec.h"
#include "onward/export.h"
#include "onward/function.h"
#include "onward/future.h"
#include "onward/identity.h"
#include "onward/timing_wheel.h"

namespace onward {

class Link;
class Peer;

inline constexpr Duration kNoTimeout = Duration::max();

struct CallOptions {
  // How long the caller waits, from now. Unset: the node's default. kNoTimeout: for ever. Zero or less:
  // the call has expired already, fails at once and is not sent.
  std::optional<Duration> timeout = std::nullopt;
  // Which codec carries arguments and result; empty: the node's default. Must outlive the call's start.
  std::string_view codec = {};
  // True: fail with UNAVAILABLE when the peer cannot be reached now. False: wait for it until the timeout.
  bool fail_fast = false;
  // True: the call outlives the one that it is made in. Else it ends with that, and waits no longer than that call's
  // caller does, whatever `timeout` says; see CallContext. Trace and baggage go along in any case.
  bool detached = false;
};

// A peer that has been looked up, for callers who count nanoseconds. Valid while its node lives.
class PeerHandle {
 public:
  PeerHandle() = default;

 private:
  friend class Node;
  explicit PeerHandle(Peer* peer) : peer_(peer) {}
  Peer* peer_ = nullptr;
};

// Where a call goes: a peer by its name, a URL, or a PeerHandle, each with options:
//   rpc_async("b", my_add_2, 1, 2);
//   rpc_async(to("b", {.timeout = 2s}), my_add_2, 1, 2);
class Destination {
 public:
  // `origin` is the line of the call, which the log names when nobody looks at how it has failed.
  using Origin = std::source_location;
  Destination(const char* name, Origin origin = Origin::current())  // NOLINT(google-explicit-constructor)
      : name_(name), origin_(origin) {}
  Destination(const std::string& name, Origin origin = Origin::current())  // NOLINT(google-explicit-constructor)
      : name_(name), origin_(origin) {}
  Destination(std::string_view name, Origin origin = Origin::current())  // NOLINT(google-explicit-constructor)
      : name_(name), origin_(origin) {}
  Destination(PeerHandle peer, Origin origin = Origin::current())  // NOLINT(google-explicit-constructor)
      : peer_(peer), origin_(origin) {}
  Destination(const Destination& base, const CallOptions& options) : Destination(base) { options_ = options; }

  [[nodiscard]] std::string_view name() const noexcept { return name_; }
  [[nodiscard]] PeerHandle peer() const noexcept { return peer_; }
  [[nodiscard]] const CallOptions& options() const noexcept { return options_; }
  [[nodiscard]] const Origin& origin() const noexcept { return origin_; }

 private:
  std::string_view name_;
  PeerHandle peer_;
  Origin origin_;
  CallOptions options_;
};
[[nodiscard]] inline Destination to(const Destination& base, const CallOptions& options) { return {base, options}; }

// A call under way. Pooled; belongs to the kernel from start_call() on, which calls exactly one of
// on_response() and on_failure(), on the loop's thread, and then destroy(); but see on_unknown_function().
class ONWARD_API OutgoingCall : public WheelTimer, public detail::CancelListener {
 public:
  virtual void on_response(const Codec& codec, InboundMessage& message) noexcept = 0;
  virtual void on_failure(const Status& error) noexcept = 0;
  virtual void destroy() noexcept = 0;
  // In place of on_failure() where the peer does not know the function; one that answers UNIMPLEMENTED itself is not
  // meant. True: its owner has seen to it, by another call for instance, and only destroy() follows. False:
  // on_failure() follows, which says so.
  [[nodiscard]] virtual bool on_unknown_function() noexcept { return false; }
  // The call's deadline has come.
  void on_timer() final;
  // The call that it was made in is cancelled.
  void on_cancelled(const Status& reason) noexcept final;

  // Its owner waits no longer. The peer is told; on_failure("call of NAME at PEER: …" with the code of `reason`, its
  // message and detail) and destroy() follow before this returns. Where start_call(), from another thread, has not come
  // to the kernel thread yet, they follow when it does, with the code alone, and nothing is sent. A reason of OK stands
  // for CANCELLED. On the kernel thread, behind start_call(), before on_response() or on_failure() has been called.
  void cancel(const Status& reason) noexcept;

  [[nodiscard]] const FunctionName& name() const noexcept { return name_; }
  [[nodiscard]] const Signature& signature() const noexcept { return signature_; }

 protected:
  OutgoingCall(const FunctionName& name, const Signature& signature)
      : name_(name), signature_(signature), context_(detail::capture_context()) {}
  ~OutgoingCall() = default;
  // Who has answered. Only within on_response() and on_unknown_function().
  [[nodiscard]] const PeerIdentity& answered_by() const noexcept;

 private:
  friend class Caller;
  friend class Peer;
  friend class Link;
  const FunctionName& name_;
  const Signature& signature_;
  detail::ContextRef context_;
  Peer* peer_ = nullptr;
  Link* link_ = nullptr;               // once sent
  OutgoingCall* next_call_ = nullptr;  // among the link's, or the peer's waiting
  OutgoingCall** previous_call_ = nullptr;
  std::uint64_t call_id_ = 0;        // once sent
  std::uint64_t request_bytes_ = 0;  // once sent
  std::uint64_t request_end_ = 0;    // once sent: Link::handed_over() behind it
  std::uint32_t timeout_ms_ = MessageHeader::kNoTimeout;
  bool fail_fast_ = false;
  StatusCode cancelled_ = StatusCode::kOk;  // before it was started
};

}  // namespace onward
