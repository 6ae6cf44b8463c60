// SPDX-License-Identifier: Apache-2.0
//
// The interface between the kernel and what moves messages. It speaks of messages, not bytes, so that
// shared memory and fabrics need no second framing; byte streams share theirs in transports/stream.
//
// Threads: everything here is called, and calls back, on the loop's thread only. Use from another
// thread is a bug.
//
// Callbacks never come from inside a call that the user of these types makes: a transport calls back
// from the loop, never from connect(), listen(), start(), send(), close() or abort().
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "onward/event_loop.h"
#include "onward/export.h"
#include "onward/identity.h"
#include "onward/message.h"
#include "onward/status.h"
#include "onward/url.h"

namespace onward {

// Who is told what happens on a Connection. Must outlive it, or outlive on_closed.
class ONWARD_API ConnectionEvents {
 public:
  // Messages in the order they were sent. May call any method of the connection, and may destroy it
  // (through EventLoop::dispose, as always).
  virtual void on_message(InboundMessage& message) = 0;
  // queued_bytes() was above MessageLimits::output_high_bytes and has fallen to output_low_bytes.
  virtual void on_drained() {}
  // Once, last, with the first error that happened: OK when the peer closed in an orderly way between
  // two messages, the reason given to close() or abort(), UNAVAILABLE when the peer or the network
  // failed, INVALID_ARGUMENT when the peer broke the protocol (what it did, in the message).
  virtual void on_closed(const Status& reason) = 0;

 protected:
  ~ConnectionEvents() = default;
};

// An ordered, message-framed, full-duplex path to one peer. Owned by whoever called connect() or got
// it from on_accept. To let go of it at any time, also from its own callbacks, hand it to
// EventLoop::dispose: it is closed at once (as by abort), calls back no more, and is freed at the end
// of the turn.
class ONWARD_API Connection {
 public:
  virtual ~Connection() = default;

  // Begins to deliver to `events`; nothing is delivered before. Once.
  virtual void start(ConnectionEvents& events) = 0;

  // Takes the message; never blocks, throws or calls back. Messages sent before the connection is
  // established wait for it; those sent in one turn leave at its end, or before
  // when they are many. After close(), abort() or a failure they are dropped (on_closed tells, or has told). Body
  // and segment sizes go into the header here. At most kMaxSegments segments.
  virtual void send(Message message) = 0;
  // As send(), for a small message that is not to wait: it leaves before what is queued and has not begun to leave, at
  // the next place between two messages, but behind the connection's first message, and behind what was sent so
  // before. A transport that does not queue sends it in order. Bytes count in queued_bytes() as others do.
  virtual void send_urgent(Message message) { send(std::move(message)); }

  // No more is read and nothing more may be sent; what was sent before is still written, while the peer
  // takes some of it within each kCloseTimeout, for at most kLongestClose; then on_closed(reason). A second call
  // changes nothing.
  virtual void close(Status reason) = 0;
  // Drops everything, now; on_closed(reason) follows from the loop.
  virtual void abort(Status reason) = 0;

  // Stops and resumes on_message; what has been read already may wait inside. Idempotent. A paused
  // connection still writes, and may notice only on resume that its peer has gone.
  virtual void pause() = 0;
  virtual void resume() = 0;

  // Bytes taken by send() and not yet given to the peer or the operating system.
  [[nodiscard]] virtual std::size_t queued_bytes() const = 0;

  // What is delivered now may have been sent at this time or later, as far as the transport can tell: since then there
  // was always more than a turn of the loop has delivered. TimePoint::max() where that is not so, or nobody can tell.
  [[nodiscard]] virtual TimePoint backlog_since() const noexcept { return TimePoint::max(); }

  // For messages and logs: "tcp://127.0.0.1:4711".
  [[nodiscard]] virtual std::string description() const = 0;

  // Who the peer is, as far as the transport has proof. Does not change once the first message has come.
  [[nodiscard]] virtual PeerIdentity identity() const { return {}; }

  // From EventLoop::dispose: closes it as abort() does, but nothing is called back any more.
  virtual void on_dispose() noexcept = 0;

  static constexpr Duration kCloseTimeout = std::chrono::seconds(1);
  static constexpr Duration kLongestClose = std::chrono::seconds(30);
};

class ONWARD_API ListenerEvents {
 public:
  // A peer has connected. Whoever implements this owns the connection and calls start() on it, or
  // lets it go to refuse.
  virtual void on_accept(std::unique_ptr<Connection> connection) = 0;

 protected:
  ~ListenerEvents() = default;
};

// Accepts until it is destroyed (hand it to EventLoop::dispose from within callbacks). Running out of
// file descriptors is logged and retried, never fatal. Connections that it accepted outlive it.
class ONWARD_API Listener {
 public:
  virtual ~Listener() = default;
  // Where it listens really: with the port that the system chose for port 0.
  [[nodiscard]] virtual const Url& url() const = 0;
  // From EventLoop::dispose: accepts no more, at once.
  virtual void on_dispose() noexcept = 0;
};

// A factory for one URL scheme, bound to one loop. Outlives what it made.
class ONWARD_API Transport {
 public:
  virtual ~Transport() = default;
  [[nodiscard]] virtual std::string_view scheme() const = 0;

  enum class Use : std::uint8_t { kConnect, kListen };
  // What can be said about a URL without trying: INVALID_ARGUMENT where connect() or listen() would return it, or
  // FAILED_PRECONDITION where the transport has not been told what it needs for that.
  // So that a configuration is refused with file and line. By default nothing is.
  [[nodiscard]] virtual Status check([[maybe_unused]] const Url& url, [[maybe_unused]] Use use) const { return {}; }

  // Returns at once. What is wrong with the URL itself is INVALID_ARGUMENT; whatever happens later
  // (no such host, refused) comes as on_closed with UNAVAILABLE, naming the address.
  [[nodiscard]] virtual Result<std::unique_ptr<Connection>> connect(const Url& url) = 0;
  // The same for a transport that authenticates: the peer must prove to be `node`. Where only the URL is known,
  // connect() has it prove to be the URL's host.
  [[nodiscard]] virtual Result<std::unique_ptr<Connection>> connect_to_node(const Url& url,
                                                                            [[maybe_unused]] std::string_view node) {
    return connect(url);
  }

  // Listens when it returns. INVALID_ARGUMENT for a bad URL; ALREADY_EXISTS when the address is
  // taken; PERMISSION_DENIED; UNAVAILABLE for the rest; each naming the URL. `events` must outlive
  // the listener.
  [[nodiscard]] virtual Result<std::unique_ptr<Listener>> listen(const Url& url, ListenerEvents& events) = 0;
  // False if who listens there lets in, from other machines, peers that prove nothing.
  [[nodiscard]] virtual bool is_guarded([[maybe_unused]] const Url& url) const { return true; }

  // Reads again what comes from files, certificates for one. Connections that exist go on as they are; after an
  // error, so does the transport.
  [[nodiscard]] virtual Status reload() { return {}; }
};

}  // namespace onward
