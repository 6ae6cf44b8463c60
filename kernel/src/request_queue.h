// SPDX-License-Identifier: Apache-2.0
//
// Requests that wait for the kernel thread. Where a turn of the loop has gone on for long, functions that run on that
// thread wait for a later one, so that the node goes on reading: it knows then how long each request has waited, hears
// of those that are cancelled, and refuses what it could not run in time when it comes. Loop thread only.
//
// Each connection has a line of its own, first come, first served; the lines are served in turn, so that one busy peer
// does not keep the others waiting.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_set>
#include <utility>
#include <vector>

#include "onward/buffer.h"
#include "onward/call_context.h"
#include "onward/event_loop.h"
#include "onward/function.h"
#include "onward/message.h"
#include "onward/object_pool.h"
#include "onward/service_times.h"

namespace onward {

class Link;
class NodeCore;

// A request that has been taken, and has not begun. Pooled.
struct WaitingRequest {
  // Keeps what `message` and `context` have. It did not come before `received_at`.
  WaitingRequest(const Function& of, const InboundMessage& message, TimePoint received_at, detail::LazyContext& context,
                 const detail::Permit& held);

  const Function& function;
  MessageHeader header;
  TimePoint received;
  TimePoint deadline;
  std::shared_ptr<const CallMetadata> metadata;
  detail::Permit permit;
  Duration expected{};  // how long it will take; zero where that is not known
  Buffer body;
  std::vector<Buffer> segments;
  WaitingRequest* next = nullptr;

  [[nodiscard]] InboundMessage message() noexcept {
    return {.header = header, .body = body.bytes(), .storage = &body, .segments = segments};
  }
  [[nodiscard]] std::size_t memory() const noexcept { return sizeof *this + permit.bytes; }
};

// Those of one connection.
class RequestLine {
 public:
  RequestLine() = default;
  ~RequestLine() {
    while (first_ != nullptr) pool_delete(std::exchange(first_, first_->next));
  }
  RequestLine(const RequestLine&) = delete;
  RequestLine& operator=(const RequestLine&) = delete;
  [[nodiscard]] bool empty() const noexcept { return first_ == nullptr; }
  // The call of a request that may be here: it will not begin.
  void cancel(std::uint64_t call_id) {
    // A peer may name calls that there are not.
    if (cancelled_.size() < size_) cancelled_.insert(call_id);
  }

 private:
  friend class RequestQueue;
  WaitingRequest* first_ = nullptr;
  WaitingRequest* last_ = nullptr;
  std::size_t size_ = 0;
  std::size_t bytes_ = 0;
  Duration work_{};  // what they are expected to take
  std::unordered_set<std::uint64_t> cancelled_;
  Link* next_in_turn_ = nullptr;
  bool in_turn_ = false;
};

class RequestQueue final : private LoopTask, private Flushable {
 public:
  RequestQueue(NodeCore& core, EventLoop& loop) : core_(core), loop_(loop) {}

  // Whether a function that runs on the kernel thread must wait if it is asked for now, over the link with `line`.
  [[nodiscard]] bool must_wait(const RequestLine& line) const noexcept {
    return first_in_turn_ != nullptr || !line.empty() || loop_.turn_exceeds(kSlice);
  }
  // For how long about.
  [[nodiscard]] Duration expected_wait(Link& link) const noexcept;
  // Takes over `request`.
  void add(Link& link, WaitingRequest& request);
  // A link that was held back for its output goes on.
  void go_on(Link& link);
  // The link has ended: nobody waits for what is in its line.
  void discard(Link& link) noexcept;
  // What waits is answered with `reason`.
  void refuse_all(const Status& reason);

  // The loop ends.
  void stop() noexcept;

  [[nodiscard]] std::size_t size() const noexcept { return size_; }

 private:
  // How long a turn may go on before what comes must wait, and what waits must wait on.
  static constexpr Duration kSlice = std::chrono::milliseconds(4);
  // Most that wait in a line. Then its connection is not read from until half of that is done.
  static constexpr std::size_t kMaxRequests = 4096;
  static constexpr std::size_t kMaxBytes = std::size_t{8} << 20;

  void flush() override;
  void run() noexcept override;
  void drop() noexcept override {}
  struct Release {
    void operator()(WaitingRequest* request) const noexcept { pool_delete(request); }
  };
  using Taken = std::unique_ptr<WaitingRequest, Release>;
  Taken take(RequestLine& line) noexcept;
  // The link whose turn it is, with the reference that its turn had; null if nothing can be run.
  Link* take_turn() noexcept;
  void serve(Link& link);

  NodeCore& core_;
  EventLoop& loop_;
  Link* first_in_turn_ = nullptr;  // each is retained
  Link* last_in_turn_ = nullptr;
  std::size_t lines_ = 0;  // in turn
  std::size_t size_ = 0;
  Duration work_{};
  ServiceTimes times_;
  bool scheduled_ = false;
};

}  // namespace onward
