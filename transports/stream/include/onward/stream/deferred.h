// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>

#include "onward/event_loop.h"
#include "onward/export.h"

namespace onward {

// A function to call from the loop's ready queue instead of at once, and not at all if this is
// destroyed first. Loop thread only.
class ONWARD_API Deferred {
 public:
  Deferred(EventLoop& loop, std::move_only_function<void()> function) : loop_(loop), function_(std::move(function)) {}
  Deferred(const Deferred&) = delete;
  Deferred& operator=(const Deferred&) = delete;
  ~Deferred();

  // Calls it once, soon. Nothing changes if that is already due.
  void schedule();

 private:
  // What stands in the queue; outlives a Deferred that is destroyed meanwhile.
  struct Ticket;

  EventLoop& loop_;
  std::move_only_function<void()> function_;
  Ticket* ticket_ = nullptr;
};

}  // namespace onward
