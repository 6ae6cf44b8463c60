// SPDX-License-Identifier: Apache-2.0
#include "loopback.h"

#include <deque>

namespace onward {
namespace {

// What is sent while messages are delivered is delivered too, so there must be an end.
constexpr std::size_t kMaxMessagesPerTurn = 256;

class LoopbackConnection final : public Connection {
 public:
  explicit LoopbackConnection(EventLoop& loop) : loop_(loop) {}
  ~LoopbackConnection() override {
    if (delivery_ != nullptr) delivery_->connection = nullptr;
    if (other_ != nullptr) other_->lose_partner();
  }

  static void join(LoopbackConnection& a, LoopbackConnection& b) {
    a.other_ = &b;
    b.other_ = &a;
  }

  void start(ConnectionEvents& events) override {
    events_ = &events;
    wake();
  }
  void send(Message message) override {
    if (closing_ || other_ == nullptr) return;
    message.header.body_bytes = static_cast<std::uint32_t>(message.payload.body.size());
    message.header.segment_count = static_cast<std::uint8_t>(message.payload.segments.size());
    other_->inbox_.push_back(std::move(message));
    other_->wake();
  }
  void close(Status reason) override {
    if (std::exchange(closing_, true)) return;
    reason_ = std::move(reason);
    inbox_.clear();
    if (other_ != nullptr) std::exchange(other_, nullptr)->lose_partner();
    wake();
  }
  void abort(Status reason) override { close(std::move(reason)); }
  void pause() override { paused_ = true; }
  void resume() override {
    paused_ = false;
    wake();
  }
  [[nodiscard]] std::size_t queued_bytes() const override { return 0; }
  [[nodiscard]] std::string description() const override { return "itself"; }
  [[nodiscard]] PeerIdentity identity() const override { return {.names = {"self"}}; }
  void on_dispose() noexcept override {
    events_ = nullptr;
    close({});
  }

 private:
  struct Delivery final : LoopTask {
    explicit Delivery(LoopbackConnection& to) : connection(&to) {}
    void run() noexcept override {
      if (connection != nullptr) connection->deliver();
      delete this;
    }
    void drop() noexcept override {
      if (connection != nullptr) connection->delivery_ = nullptr;
      delete this;
    }
    LoopbackConnection* connection;
  };

  // What the partner sent before is still delivered, then on_closed.
  void lose_partner() {
    other_ = nullptr;
    wake();
  }
  void wake() {
    if (delivery_ != nullptr || events_ == nullptr || closed_) return;
    delivery_ = new Delivery(*this);
    loop_.schedule(*delivery_);
  }
  void deliver() {
    delivery_ = nullptr;
    for (std::size_t left = kMaxMessagesPerTurn; !inbox_.empty() && !paused_ && events_ != nullptr; --left) {
      if (left == 0) return wake();
      Message message = std::move(inbox_.front());
      inbox_.pop_front();
      InboundMessage inbound{.header = message.header,
                             .body = message.payload.body.bytes(),
                             .storage = &message.payload.body,
                             .segments = message.payload.segments};
      events_->on_message(inbound);
    }
    if (events_ == nullptr || other_ != nullptr || !inbox_.empty() || closed_) return;
    closed_ = true;
    closing_ = true;
    events_->on_closed(reason_);
  }

  EventLoop& loop_;
  LoopbackConnection* other_ = nullptr;
  ConnectionEvents* events_ = nullptr;
  Delivery* delivery_ = nullptr;
  std::deque<Message> inbox_;
  Status reason_;
  bool closing_ = false;
  bool closed_ = false;
  bool paused_ = false;
};

}  // namespace

std::pair<std::unique_ptr<Connection>, std::unique_ptr<Connection>> make_loopback(EventLoop& loop) {
  auto a = std::make_unique<LoopbackConnection>(loop);
  auto b = std::make_unique<LoopbackConnection>(loop);
  LoopbackConnection::join(*a, *b);
  return {std::move(a), std::move(b)};
}

}  // namespace onward
