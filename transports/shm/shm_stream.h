// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>

#include "onward/event_loop.h"
#include "onward/stream/byte_stream.h"
#include "onward/stream/file_descriptor.h"
#include "shm/shm_payloads.h"
#include "shm/shm_ring.h"

namespace onward {

// What the rendezvous has brought about.
struct ShmChannel {
  std::shared_ptr<const ShmPair> pair;
  FileDescriptor own_bell;   // eventfd: the peer rings it
  FileDescriptor peer_bell;  // and this end the peer's
  FileDescriptor socket;     // the peer lives as long as its end is open
  PeerIdentity peer;
  std::shared_ptr<ShmCopier> copier;
};

// Bytes through a ring in shared memory each way.
//
// Nobody is woken who is awake: an end that is about to sleep says so in its memory, with what it waits for, looks
// once more, and sleeps; the other rings its bell, once for each sleep, after a change that ends it. Both sides put
// a full fence between their write and their look, so that at least one sees the other's.
class ShmStream final : public ByteStream {
 public:
  ShmStream(EventLoop& loop, ShmChannel channel);

  [[nodiscard]] std::unique_ptr<StreamWatcher> watch(EventLoop& loop, void* context, IoWatcher::Callback on_readable,
                                                     IoWatcher::Callback on_writable) override;
  [[nodiscard]] IoResult read(std::span<const iovec> into) override;
  [[nodiscard]] IoResult write(std::span<const iovec> from) override;
  [[nodiscard]] std::size_t bytes_in_work() const noexcept override { return 0; }
  void end_output() noexcept override;
  [[nodiscard]] PayloadArea* payloads() noexcept override { return &payloads_; }
  [[nodiscard]] PeerIdentity identity() const override { return channel_.peer; }

 private:
  class Watcher;
  // Memory of large segments goes back to the system when none has been sent for so long.
  static constexpr Duration kTrimDelay = std::chrono::seconds(1);

  // Whether read() would find something, or an end; write() room, or a failure.
  [[nodiscard]] bool readable() const noexcept { return reader_.available() != 0 || peer_gone_ || reader_.ended(); }
  [[nodiscard]] bool writable() noexcept { return writer_.has_room() || peer_gone_; }
  // After a change: wakes the peer if it sleeps until `what`.
  void ring_for(std::uint32_t what) noexcept;
  void look_at_socket() noexcept;

  ShmChannel channel_;
  ShmRingReader reader_;
  ShmRingWriter writer_;
  ShmPayloads payloads_;
  Timer trim_timer_;
  std::uint32_t last_rung_ = 0;  // the peer's sleep for which its bell has been rung
  std::uint32_t sleeps_ = 0;     // of this end
  bool peer_gone_ = false;       // its end of the socket is closed
};

}  // namespace onward
