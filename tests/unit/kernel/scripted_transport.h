// SPDX-License-Identifier: Apache-2.0
//
// A transport whose other end is the test: it says what it likes, byte for byte, and sees all that the
// node sends. Scheme "script".
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "loop_fixture.h"
#include "onward/transport.h"
#include "wire.h"

namespace onward::test {

// The test's end of one connection. Any thread.
class ScriptedPeer {
 public:
  ScriptedPeer(EventLoop& loop, std::string name) : name_(std::move(name)), handle_(loop.handle()) {
    LoopHandle::retain(&handle_);
  }
  ~ScriptedPeer() { LoopHandle::release(&handle_); }
  ScriptedPeer(const ScriptedPeer&) = delete;
  ScriptedPeer& operator=(const ScriptedPeer&) = delete;

  [[nodiscard]] const std::string& name() const { return name_; }
  // What the node receives next. Nothing is counted or checked on the way.
  static void say(const std::shared_ptr<ScriptedPeer>& peer, Message message) {
    std::vector<Message> messages;
    messages.push_back(std::move(message));
    say(peer, std::move(messages));
  }
  // The same, of several at once.
  static void say(const std::shared_ptr<ScriptedPeer>& peer, std::vector<Message> messages) {
    peer->handle_.post([peer, all = std::move(messages)]() mutable {
      for (Message& said : all) {
        if (peer->events == nullptr) return;
        said.header.body_bytes = static_cast<std::uint32_t>(said.payload.body.size());
        InboundMessage inbound{.header = said.header,
                               .body = said.payload.body.bytes(),
                               .storage = said.payload.body.empty() ? nullptr : &said.payload.body,
                               .segments = said.payload.segments};
        peer->events->on_message(inbound);
      }
    });
  }
  // It goes: the node's on_closed(reason).
  static void hang_up(const std::shared_ptr<ScriptedPeer>& peer, Status reason) {
    peer->handle_.post([peer, why = std::move(reason)] {
      if (peer->events != nullptr) std::exchange(peer->events, nullptr)->on_closed(why);
    });
  }
  static void drain(const std::shared_ptr<ScriptedPeer>& peer) {
    peer->handle_.post([peer] {
      peer->set_queued(0);
      if (peer->events != nullptr) peer->events->on_drained();
    });
  }

  // The next message of `kind` that the node sends; others before it are passed over.
  [[nodiscard]] std::optional<Message> next(MessageKind kind) {
    std::unique_lock lock(mutex_);
    std::optional<Message> found;
    static_cast<void>(changed_.wait_for(lock, kHang, [&] {
      while (!sent_.empty() && !found) {
        if (sent_.front().header.kind == kind) found = std::move(sent_.front());
        sent_.pop_front();
      }
      return found.has_value();
    }));
    return found;
  }
  // The next message of any kind.
  [[nodiscard]] std::optional<Message> next_of_any() {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, kHang, [&] { return !sent_.empty(); })) return std::nullopt;
    Message message = std::move(sent_.front());
    sent_.pop_front();
    return message;
  }
  // Why the node closed the connection; DEADLINE_EXCEEDED if it does not.
  [[nodiscard]] Status wait_closed() {
    std::unique_lock lock(mutex_);
    if (changed_.wait_for(lock, kHang, [&] { return closed_; })) return reason_;
    return {StatusCode::kDeadlineExceeded, "it stayed open"};
  }
  [[nodiscard]] bool closed() const {
    const std::lock_guard lock(mutex_);
    return closed_;
  }
  [[nodiscard]] bool wait_paused(bool paused) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kHang, [&] { return paused_ == paused; });
  }
  // How often it was not read from.
  [[nodiscard]] unsigned pauses() const {
    const std::lock_guard lock(mutex_);
    return pauses_;
  }
  // Of all that was sent so far.
  [[nodiscard]] bool last_was_urgent() const {
    const std::lock_guard lock(mutex_);
    return last_was_urgent_;
  }
  [[nodiscard]] std::size_t queued() const {
    const std::lock_guard lock(mutex_);
    return queued_;
  }
  void set_queued(std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    queued_ = bytes;
  }

  // From the connection.
  void on_sent(Message message, bool urgent) {
    const std::lock_guard lock(mutex_);
    sent_.push_back(std::move(message));
    last_was_urgent_ = urgent;
    changed_.notify_all();
  }
  bool on_closing(const Status& reason) {
    const std::lock_guard lock(mutex_);
    if (std::exchange(closed_, true)) return false;
    reason_ = reason;
    changed_.notify_all();
    return true;
  }
  void on_paused(bool paused) {
    const std::lock_guard lock(mutex_);
    paused_ = paused;
    pauses_ += paused ? 1 : 0;
    changed_.notify_all();
  }
  ConnectionEvents* events = nullptr;  // loop thread

 private:
  std::string name_;
  LoopHandle& handle_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Message> sent_;
  Status reason_;
  std::size_t queued_ = 0;
  bool closed_ = false;
  bool paused_ = false;
  unsigned pauses_ = 0;
  bool last_was_urgent_ = false;
};

class ScriptedConnection final : public Connection {
 public:
  explicit ScriptedConnection(std::shared_ptr<ScriptedPeer> peer) : peer_(std::move(peer)) {}
  ~ScriptedConnection() override { peer_->events = nullptr; }
  void on_dispose() noexcept override { peer_->events = nullptr; }
  void start(ConnectionEvents& events) override { peer_->events = &events; }
  void send(Message message) override {
    if (!peer_->closed()) peer_->on_sent(std::move(message), false);
  }
  void send_urgent(Message message) override {
    if (!peer_->closed()) peer_->on_sent(std::move(message), true);
  }
  void close(Status reason) override {
    if (peer_->on_closing(reason)) ScriptedPeer::hang_up(peer_, std::move(reason));
  }
  void abort(Status reason) override { close(std::move(reason)); }
  void pause() override { peer_->on_paused(true); }
  void resume() override { peer_->on_paused(false); }
  [[nodiscard]] std::size_t queued_bytes() const override { return peer_->queued(); }
  [[nodiscard]] std::string description() const override { return "script://" + peer_->name(); }

 private:
  std::shared_ptr<ScriptedPeer> peer_;
};

// What the test holds of a node's ScriptedTransport. Any thread.
class Stage {
 public:
  // The test connects to the node, which must listen on script://.
  [[nodiscard]] std::shared_ptr<ScriptedPeer> enter(const std::string& name) {
    auto peer = std::make_shared<ScriptedPeer>(*loop, name);
    loop->post([this, peer] { listener->on_accept(std::make_unique<ScriptedConnection>(peer)); });
    return peer;
  }
  // The node has connected to script://NAME; null if it does not.
  [[nodiscard]] std::shared_ptr<ScriptedPeer> next_dialled() {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, kHang, [&] { return !dialled_.empty(); })) return nullptr;
    auto peer = std::move(dialled_.front());
    dialled_.pop_front();
    return peer;
  }
  void on_dialled(std::shared_ptr<ScriptedPeer> peer) {
    const std::lock_guard lock(mutex_);
    dialled_.push_back(std::move(peer));
    changed_.notify_all();
  }
  EventLoop* loop = nullptr;
  ListenerEvents* listener = nullptr;

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::shared_ptr<ScriptedPeer>> dialled_;
};

class ScriptedTransport final : public Transport {
 public:
  ScriptedTransport(EventLoop& loop, std::shared_ptr<Stage> stage) : loop_(loop), stage_(std::move(stage)) {
    stage_->loop = &loop;
  }
  [[nodiscard]] std::string_view scheme() const override { return "script"; }
  [[nodiscard]] Result<std::unique_ptr<Connection>> connect(const Url& url) override {
    auto peer = std::make_shared<ScriptedPeer>(loop_, url.rest);
    auto connection = std::make_unique<ScriptedConnection>(peer);
    stage_->on_dialled(std::move(peer));
    return connection;
  }
  [[nodiscard]] Result<std::unique_ptr<Listener>> listen(const Url& url, ListenerEvents& events) override {
    struct Open final : Listener {
      explicit Open(Url where) : at(std::move(where)) {}
      void on_dispose() noexcept override {}
      [[nodiscard]] const Url& url() const override { return at; }
      Url at;
    };
    stage_->listener = &events;
    return std::make_unique<Open>(url);
  }

 private:
  EventLoop& loop_;
  std::shared_ptr<Stage> stage_;
};

}  // namespace onward::test
