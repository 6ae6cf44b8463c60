// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>
#include <vector>

#include "onward/event_loop.h"
#include "onward/message.h"
#include "onward/status.h"

namespace onward {

// Bytes that a message weighs in a queue.
[[nodiscard]] std::size_t weight(const Message& message) noexcept;

// What is under way between the two ends of an inproc connection. Each end has an inbox here, which
// the other fills. Any thread, but for what is said to be for an end's own.
class InprocLink {
 public:
  // Who is told, on its own loop's thread, that there is something new for its end.
  class End {
   public:
    virtual void on_wake() = 0;

   protected:
    ~End() = default;
  };
  struct Messages {
    std::vector<Message> urgent;  // go before the others, even such as were sent earlier
    std::vector<Message> in_order;

    [[nodiscard]] bool empty() const noexcept { return urgent.empty() && in_order.empty(); }
    void clear() noexcept {
      urgent.clear();
      in_order.clear();
    }
    // Puts what `from` has behind what is here, and empties it.
    void take(Messages& from);
  };
  struct Arrivals {
    Messages messages;
    bool ended = false;  // nothing follows `messages`
    Status reason;       // why: OK if the other end has closed
  };

  ~InprocLink();

  // End `side`, 0 or 1, lives on `loop` from now on. Once for each side, on that loop's thread.
  static void attach(const std::shared_ptr<InprocLink>& link, std::size_t side, EventLoop& loop, End& end);
  // It is called no more; what has been sent to it is dropped. On its loop's thread.
  void detach(std::size_t side) noexcept;

  // Empties `messages` into the other end's inbox.
  static void send(const std::shared_ptr<InprocLink>& link, std::size_t from, Messages& messages);
  // The last word of end `from`. A second one is not heard.
  static void finish(const std::shared_ptr<InprocLink>& link, std::size_t from, Status reason);

  // Moves what has arrived for end `side` behind what `arrivals` holds.
  void receive(std::size_t side, Arrivals& arrivals);
  // `bytes` of what end `side` has received are done with. Wakes the sender if it waits for that.
  static void consumed(const std::shared_ptr<InprocLink>& link, std::size_t side, std::size_t bytes);

  // Bytes on their way to end `side`, in its inbox or with it.
  [[nodiscard]] std::size_t pending_bytes(std::size_t side) const noexcept {
    return sides_[side].pending_bytes.load(std::memory_order_relaxed);
  }
  // Wakes the other end of `side` once pending_bytes(side) has fallen to `bytes`, now or later.
  static void wake_when_pending(const std::shared_ptr<InprocLink>& link, std::size_t side, std::size_t bytes);

 private:
  // Queued with the loop while `link` is set, which keeps all of it alive.
  struct Wake final : LoopTask {
    void run() noexcept override;
    void drop() noexcept override;
    std::shared_ptr<InprocLink> link;
    std::size_t side = 0;
  };
  struct Side {
    Messages inbox;
    std::atomic<std::size_t> pending_bytes{0};  // written with the mutex held
    std::size_t wake_sender_at = kNever;
    Status reason;
    bool ended = false;  // the other end has had its last word
    bool gone = false;   // detached: nothing more is taken
    bool wake_queued = false;
    LoopHandle* loop = nullptr;
    End* end = nullptr;  // this side's thread only
    Wake wake;
  };
  static constexpr std::size_t kNever = ~std::size_t{0};

  // Both want the mutex held. The wake that they decide on is queued by queue(), without it: a loop
  // that has ended drops it there and then, and with it maybe the link.
  [[nodiscard]] bool should_wake(Side& side) noexcept;
  [[nodiscard]] bool take_drained(Side& side) noexcept;
  static void queue(const std::shared_ptr<InprocLink>& link, std::size_t side);

  std::mutex mutex_;
  std::array<Side, 2> sides_;
};

}  // namespace onward
