// SPDX-License-Identifier: Apache-2.0
//
// A hierarchical timing wheel (Varghese and Lauck, 1987, scheme 7): four wheels of 256 slots, one tick a
// millisecond; timers beyond 49 days go round the top wheel again. Arming and cancelling are O(1) and
// touch two list links: a million armed timers cost memory, not CPU.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "onward/export.h"

namespace onward {

class TimingWheel;

// Derive from it (privately owned by whoever waits). Must not move while armed; destroying an armed
// timer without cancelling it is a bug.
class ONWARD_API WheelTimer {
 public:
  WheelTimer() = default;
  WheelTimer(const WheelTimer&) = delete;
  WheelTimer& operator=(const WheelTimer&) = delete;

  // Not armed any more; may arm itself again, and may destroy itself.
  virtual void on_timer() = 0;
  // Not armed any more, and will not fire: its wheel is at its end. May destroy itself.
  virtual void on_dropped() noexcept {}
  [[nodiscard]] bool armed() const noexcept { return previous_ != nullptr; }

 protected:
  ~WheelTimer() = default;

 private:
  friend class TimingWheel;
  WheelTimer* next_ = nullptr;
  WheelTimer** previous_ = nullptr;  // the link that points here
  std::uint64_t tick_ = 0;
};

// Not thread-safe. Ticks only ever grow.
class ONWARD_API TimingWheel {
 public:
  static constexpr std::uint64_t kNever = ~std::uint64_t{0};

  explicit TimingWheel(std::uint64_t now_tick = 0) : now_(now_tick) {}

  // Fires at `tick`, or at the next advance() if that has passed. Re-arms an armed timer.
  void arm(WheelTimer& timer, std::uint64_t tick);
  void cancel(WheelTimer& timer) noexcept;

  // Fires all timers due at or before `tick`, in order of their ticks (any order within one tick). Callbacks may arm
  // and cancel any. Returns how many fired.
  std::size_t advance(std::uint64_t tick);

  // Drops all timers.
  void clear() noexcept;

  // A lower bound of the next tick at which anything can fire (exact within 256 ticks); kNever when
  // empty. A wake-up then may find nothing due: ask again.
  [[nodiscard]] std::uint64_t next_tick() noexcept;
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

 private:
  static constexpr std::size_t kBits = 8;
  static constexpr std::size_t kSlots = std::size_t{1} << kBits;
  static constexpr std::size_t kLevels = 4;
  struct Level {
    std::array<WheelTimer*, kSlots> slots{};
    std::array<std::uint64_t, kSlots / 64> occupied{};  // a set bit may be stale, a clear one is not
    std::size_t next_occupied(std::size_t from) noexcept;
  };
  static void push(WheelTimer*& head, WheelTimer& timer) noexcept;
  static void unlink(WheelTimer& timer) noexcept;
  void insert(WheelTimer& timer) noexcept;
  void cascade(std::size_t level) noexcept;
  std::size_t fire();

  std::array<Level, kLevels> levels_{};
  WheelTimer* due_ = nullptr;
  std::uint64_t now_;
  std::size_t size_ = 0;
};

}  // namespace onward
