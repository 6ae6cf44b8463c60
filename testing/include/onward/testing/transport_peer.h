// SPDX-License-Identifier: Apache-2.0
//
// The two sides of a transport as a test has them: they record what they are told, and check when they are.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "onward/event_loop.h"
#include "onward/message.h"
#include "onward/transport.h"

namespace onward::testing_support {

// Calls of a test into a connection, during which no callback may come.
class CallGuard {
 public:
  CallGuard() { ++depth_; }
  ~CallGuard() { --depth_; }
  CallGuard(const CallGuard&) = delete;
  CallGuard& operator=(const CallGuard&) = delete;
  static bool inside() { return depth_ > 0; }

 private:
  static inline thread_local int depth_ = 0;
};

// One end of a connection: owns it, records what it tells, and checks when it does.
class Peer final : public ConnectionEvents {
 public:
  explicit Peer(EventLoop& loop) : loop_(loop) {}
  ~Peer();
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  void adopt(std::unique_ptr<Connection> connection) { connection_ = std::move(connection); }
  void start();
  void send(Message message);
  void send_urgent(Message message);
  void close(Status reason = {});
  void abort(Status reason = {});
  void pause();
  void resume();
  void dispose();

  [[nodiscard]] std::size_t queued_bytes() const { return connection_->queued_bytes(); }
  [[nodiscard]] bool has_connection() const { return connection_ != nullptr; }
  [[nodiscard]] std::string description() const { return connection_->description(); }

  // What has been told. The HELLO that opens every connection is not counted.
  std::size_t received = 0;
  int hellos = 0;
  int drained = 0;
  int closed = 0;
  Status reason;
  std::uint64_t last_id = 0;
  bool started = false;

  // Called for each message but the HELLO, on_drained and on_closed.
  std::function<void(InboundMessage&)> message_hook;
  std::function<void()> drained_hook;
  std::function<void()> closed_hook;

 private:
  void on_message(InboundMessage& message) override;
  void on_drained() override;
  void on_closed(const Status& why) override;
  void check_callback(const char* which) const;

  EventLoop& loop_;
  std::unique_ptr<Connection> connection_;
  bool disposed_ = false;
};

// Takes what a listener accepts, in order; connections wait in `accepted` until a test takes them.
class Acceptor final : public ListenerEvents {
 public:
  std::vector<std::unique_ptr<Connection>> accepted;
  std::function<void(std::unique_ptr<Connection>)> hook;  // instead, if set

 private:
  void on_accept(std::unique_ptr<Connection> connection) override;
};

inline Peer::~Peer() { dispose(); }

inline void Peer::start() {
  const CallGuard guard;
  started = true;
  connection_->start(*this);
}

inline void Peer::send(Message message) {
  const CallGuard guard;
  connection_->send(std::move(message));
}

inline void Peer::send_urgent(Message message) {
  const CallGuard guard;
  connection_->send_urgent(std::move(message));
}

inline void Peer::close(Status why) {
  const CallGuard guard;
  connection_->close(std::move(why));
}

inline void Peer::abort(Status why) {
  const CallGuard guard;
  connection_->abort(std::move(why));
}

inline void Peer::pause() {
  const CallGuard guard;
  connection_->pause();
}

inline void Peer::resume() {
  const CallGuard guard;
  connection_->resume();
}

inline void Peer::dispose() {
  if (connection_ == nullptr) return;
  const CallGuard guard;
  disposed_ = true;
  loop_.dispose(std::move(connection_));
}

inline void Peer::check_callback(const char* which) const {
  if (CallGuard::inside()) ADD_FAILURE() << which << " came from inside a call";
  if (closed > 0) ADD_FAILURE() << which << " came after on_closed";
  if (disposed_) ADD_FAILURE() << which << " came after dispose";
  if (!loop_.in_loop_thread()) ADD_FAILURE() << which << " came from another thread";
}

inline void Peer::on_message(InboundMessage& message) {
  check_callback("on_message");
  if (message.header.kind == MessageKind::kHello) {
    ++hellos;
    return;
  }
  ++received;
  last_id = message.header.call_id;
  if (message_hook) message_hook(message);
}

inline void Peer::on_drained() {
  check_callback("on_drained");
  ++drained;
  if (drained_hook) drained_hook();
}

inline void Peer::on_closed(const Status& why) {
  check_callback("on_closed");
  ++closed;
  reason = why;
  if (closed_hook) closed_hook();
}

inline void Acceptor::on_accept(std::unique_ptr<Connection> connection) {
  if (CallGuard::inside()) ADD_FAILURE() << "on_accept came from inside a call";
  if (hook) {
    hook(std::move(connection));
  } else {
    accepted.push_back(std::move(connection));
  }
}

}  // namespace onward::testing_support
