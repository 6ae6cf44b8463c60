// SPDX-License-Identifier: Apache-2.0
//
// What a node has taken on, and whether it takes on more. Loop thread only.
//
// A request's permit is given back when its response has left. To find that out for each would cost more than many
// requests do: what has been answered is added up, and compared with what the connection still has queued only when a
// limit is near. So a load may look larger than it is, but never when it is asked whether there is room.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

#include "onward/buffer.h"
#include "onward/concurrency_limit.h"
#include "onward/event_loop.h"
#include "onward/function.h"
#include "onward/load_limits.h"
#include "onward/message.h"

namespace onward {

class Link;
class NodeCore;

// Permits that are held.
struct Load {
  std::size_t calls = 0;
  std::uint64_t bytes = 0;

  void add(const Load& more) noexcept {
    calls += more.calls;
    bytes += more.bytes;
  }
  void remove(const Load& less) noexcept {
    calls -= less.calls;
    bytes -= less.bytes;
  }
  // With `bytes` more, in one call, it may be for one of `limits` to act.
  [[nodiscard]] bool is_near(const Load& limits, std::uint64_t more) const noexcept {
    return calls + 1 >= limits.calls || bytes + more >= limits.bytes;
  }
  [[nodiscard]] bool must_pause(const LoadLimits& limits) const noexcept {
    return calls >= limits.pause_in_flight || bytes >= limits.pause_in_flight_bytes;
  }
};

// A connection's permits, and those of them whose responses are on their way out.
class LinkLoad {
 public:
  [[nodiscard]] const Load& held() const noexcept { return held_; }
  void take(std::uint64_t bytes) noexcept { held_.add({1, bytes}); }
  // There was no response.
  void give_back(std::uint64_t bytes) noexcept { held_.remove({1, bytes}); }
  // The response has been handed over to the connection.
  void answered(std::uint64_t bytes) noexcept { open_.add({1, bytes}); }
  // Of all that was handed over to the connection, `left_bytes` have left. Returns what was given back.
  Load release(std::uint64_t handed_over, std::uint64_t left_bytes) noexcept;

 private:
  Load held_;
  // Two batches: the first leaves when this position has left, meanwhile the second collects.
  Load leaving_;
  std::uint64_t leaving_at_ = 0;
  Load open_;
};

// Of a function that has limits.
struct FunctionLoad {
  RunMode mode;
  FunctionLimits limits = {};
  Load held = {};  // that are not answered
  std::optional<ConcurrencyLimit> adaptive = std::nullopt;

  [[nodiscard]] std::size_t max_calls() const noexcept;
};

class Admission {
 public:
  // Why a request is not taken.
  enum class Shed : std::uint8_t {
    kConnectionCalls,
    kConnectionBytes,
    kNodeCalls,
    kNodeBytes,
    kFunctionCalls,
    kFunctionBytes,
    kAge,
    kWait,
    kExpired,
  };
  [[nodiscard]] static StatusCode code(Shed why) noexcept {
    return why == Shed::kExpired ? StatusCode::kDeadlineExceeded : StatusCode::kResourceExhausted;
  }

  explicit Admission(NodeCore& core);

  // The loop ends.
  void stop() noexcept { recheck_.reset(); }
  // The options have changed.
  void take_limits();
  // Of a function, if it has limits; else null. Valid until take_limits().
  [[nodiscard]] FunctionLoad* find(const Function& function);

  // Whether a limit is so near that admit() must be asked about one more call with so many bytes.
  [[nodiscard]] bool is_near(const LinkLoad& link, std::uint64_t bytes) const noexcept {
    // A link holds no more than the node.
    return held_.is_near(any_near_, bytes) &&
           (link.held().is_near(connection_near_, bytes) || held_.is_near(node_near_, bytes));
  }
  // Nothing, or why not.
  [[nodiscard]] std::optional<Shed> admit(Link& link, const FunctionLoad* function);
  // The node's share of what links take and give back.
  void take(std::uint64_t bytes) noexcept { held_.add({1, bytes}); }
  void give_back(const Load& load) noexcept { held_.remove(load); }
  // A request of a function that has limits begins, and ends.
  detail::Permit begin(FunctionLoad& function, std::uint32_t bytes) const noexcept;
  void end(const FunctionName& function, const detail::Permit& permit, bool dropped) noexcept;

  // Whether `link` may read on, by the limits at which it pauses.
  [[nodiscard]] bool must_pause(const LinkLoad& link) const noexcept;
  // A connection has paused, or reads on again.
  void count_paused() noexcept;
  void count_resumed() noexcept { --paused_; }
  // `link` has given back permits: connections that wait for that read on.
  void resume_paused(Link& link) noexcept;

  // The answer to a request that is not taken: encoded once for each function and reason.
  [[nodiscard]] Message refusal(std::uint64_t call_id, const FunctionName& name, Shed why);

  [[nodiscard]] const Load& held() const noexcept { return held_; }
  [[nodiscard]] std::size_t paused() const noexcept { return paused_; }
  [[nodiscard]] std::uint64_t shed() const noexcept { return shed_; }
  [[nodiscard]] std::uint64_t expired() const noexcept { return expired_; }
  // Those that are found out, by function.
  [[nodiscard]] std::map<std::string, std::size_t> adaptive_limits() const;

 private:
  // How often connections that wait for room are looked at, where nothing else does.
  static constexpr Duration kRecheck = std::chrono::milliseconds(5);

  // Most that a limit that is found out can be, where nothing else is said.
  static constexpr std::size_t kMaxAdaptive = 10'000;

  void set_limits(const FunctionName& function, FunctionLoad& load) const;
  void sweep() noexcept;
  void resume_all() const noexcept;
  [[nodiscard]] std::string text(const FunctionName& name, Shed why) const;

  NodeCore& core_;
  Load held_;
  Load connection_near_;
  Load node_near_;
  Load any_near_;  // the lesser of both
  bool limits_functions_ = false;
  std::unordered_map<const FunctionName*, FunctionLoad> functions_;
  std::map<std::pair<const FunctionName*, Shed>, Buffer> refusals_;
  std::uint64_t swept_in_ = 0;  // the loop's turn
  std::size_t paused_ = 0;
  std::unique_ptr<Timer> recheck_;
  std::uint64_t shed_ = 0;
  std::uint64_t expired_ = 0;
};

}  // namespace onward
