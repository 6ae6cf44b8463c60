// SPDX-License-Identifier: Apache-2.0
//
// The seam between framing and what moves bytes: a plain socket, or one under TLS. Everything above
// it (frames, queues, closing) is written once.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>

#include "onward/event_loop.h"
#include "onward/export.h"
#include "onward/identity.h"
#include "onward/status.h"
#include "onward/stream/payload_area.h"

namespace onward {

// What one read or write came to.
struct IoResult {
  enum class Outcome : std::uint8_t {
    kDone,       // `bytes` were moved, at least one
    kWantRead,   // nothing moved; try again when the descriptor is readable
    kWantWrite,  // nothing moved; try again when the descriptor is writable
    kEnd,        // reads only: the peer has ended its direction in an orderly way
    kFailed,     // `error` says why, without the peer's name
  };
  Outcome outcome = Outcome::kDone;
  std::size_t bytes = 0;
  Status error = {};
};

// Tells when to try again: calls back from the loop, and may be destroyed only through EventLoop::dispose()
// while it does.
class ONWARD_API StreamWatcher {
 public:
  virtual ~StreamWatcher() = default;
  // Level-triggered, as IoWatcher.
  virtual void watch_readable(bool on) = 0;
  virtual void watch_writable(bool on) = 0;
};

// A connected, full-duplex, non-blocking stream of bytes. Loop thread only. Closes its descriptors
// when destroyed. A handshake, where there is one, happens inside read() and write(), which then
// may want the other direction's readiness.
class ONWARD_API ByteStream {
 public:
  // No more spans are offered at once.
  static constexpr std::size_t kMaxSpans = 64;

  virtual ~ByteStream() = default;

  // Of its readiness. Once; the stream outlives it.
  [[nodiscard]] virtual std::unique_ptr<StreamWatcher> watch(EventLoop& loop, void* context,
                                                             IoWatcher::Callback on_readable,
                                                             IoWatcher::Callback on_writable) = 0;
  // Fills the spans in order. Fewer bytes than asked for: there is no more for now, unless
  // holds_input().
  [[nodiscard]] virtual IoResult read(std::span<const iovec> into) = 0;
  // Takes from the spans in order. Fewer bytes than offered: no more fits for now. What was not taken is offered
  // again, first, by the next call; so a layer may keep bytes that it works on untaken until it is rid of them.
  [[nodiscard]] virtual IoResult write(std::span<const iovec> from) = 0;
  // So many of the first bytes that write() has not taken must come again as they were; what is behind may change, so
  // that urgent messages find a place before it. As it is: all of them, so that none is urgent. 0 for a stream that
  // keeps nothing of what it has not taken.
  [[nodiscard]] virtual std::size_t bytes_in_work() const noexcept { return std::numeric_limits<std::size_t>::max(); }
  // True when bytes wait inside, of which the watcher tells nothing: read again.
  [[nodiscard]] virtual bool holds_input() const noexcept { return false; }
  // Tells the peer that nothing more will be written. Once.
  virtual void end_output() noexcept = 0;
  // Where large segments may lie instead of in the stream; null where there is no such place. Stays the same.
  [[nodiscard]] virtual PayloadArea* payloads() noexcept { return nullptr; }
  // Who the peer is, as far as that is known by now.
  [[nodiscard]] virtual PeerIdentity identity() const { return {}; }
};

}  // namespace onward
