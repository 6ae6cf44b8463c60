// SPDX-License-Identifier: Apache-2.0
//
// inproc://NAME: between nodes of one process, each with its own loop, on threads of their own or
// on one. Messages are handed over, not copied: what a receiver gets may share memory with what the
// sender has kept a slice of.
#pragma once

#include <memory>

#include "onward/event_loop.h"
#include "onward/export.h"
#include "onward/message.h"
#include "onward/transport.h"

namespace onward {

// Where names are known: nodes find each other that use the same hub. Any thread.
class ONWARD_API InprocHub {
 public:
  InprocHub();
  ~InprocHub();
  InprocHub(const InprocHub&) = delete;
  InprocHub& operator=(const InprocHub&) = delete;

  // The one for who has no reason to have another. Lives for ever.
  [[nodiscard]] static const std::shared_ptr<InprocHub>& process_wide();

  struct Names;
  [[nodiscard]] Names& names() noexcept { return *names_; }

 private:
  std::unique_ptr<Names> names_;
};

// `loop` must outlive the transport and what it makes.
[[nodiscard]] ONWARD_API std::unique_ptr<Transport> make_inproc_transport(
    EventLoop& loop, const MessageLimits& limits = {}, std::shared_ptr<InprocHub> hub = InprocHub::process_wide());

}  // namespace onward
