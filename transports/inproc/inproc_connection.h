// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "inproc/inproc_link.h"
#include "onward/event_loop.h"
#include "onward/message.h"
#include "onward/stream/deferred.h"
#include "onward/transport.h"

namespace onward {

// One end of an inproc connection.
class InprocConnection final : public Connection, private Flushable, private InprocLink::End {
 public:
  // Most messages of one turn, so that others get theirs.
  static constexpr std::size_t kMaxMessagesPerTurn = 1024;

  InprocConnection(EventLoop& loop, const MessageLimits& limits, std::string description,
                   std::shared_ptr<InprocLink> link, std::size_t side);
  ~InprocConnection() override;
  // Nobody is there.
  void fail(Status reason) { finish(std::move(reason)); }

  void start(ConnectionEvents& events) override;
  void send(Message message) override;
  void send_urgent(Message message) override;
  void close(Status reason) override;
  void abort(Status reason) override;
  void pause() override { paused_ = true; }
  void resume() override;
  [[nodiscard]] std::size_t queued_bytes() const override;
  [[nodiscard]] std::string description() const override { return description_; }
  [[nodiscard]] PeerIdentity identity() const override { return {.names = {"self"}}; }
  void on_dispose() noexcept override;

 private:
  enum class State : std::uint8_t {
    kOpen,
    kClosing,  // close() was called; the output leaves at the end of the turn
    kClosed,
  };

  void on_wake() override;
  void flush() override;
  void look();
  void deliver();
  void queue(std::vector<Message>& where, Message&& message);
  [[nodiscard]] Message* next_arrival() noexcept;
  [[nodiscard]] bool deliver_one(Message message);
  void finish(Status reason);
  [[nodiscard]] Status check(const MessageHeader& header, std::size_t bytes);
  [[nodiscard]] bool delivers() const noexcept { return events_ != nullptr && !paused_ && state_ == State::kOpen; }

  EventLoop& loop_;
  MessageLimits limits_;
  std::string description_;
  std::shared_ptr<InprocLink> link_;
  std::size_t side_;
  ConnectionEvents* events_ = nullptr;
  State state_ = State::kOpen;
  bool paused_ = false;
  bool first_ = true;        // no message has been delivered
  bool above_high_ = false;  // queued_bytes() has been, and has not fallen to low
  InprocLink::Messages output_;
  std::size_t output_bytes_ = 0;
  InprocLink::Arrivals arrivals_;
  std::size_t next_ = 0;         // of arrivals_.messages.in_order
  std::size_t next_urgent_ = 0;  // of arrivals_.messages.urgent
  Deferred notices_;
  Status reason_;
};

}  // namespace onward
