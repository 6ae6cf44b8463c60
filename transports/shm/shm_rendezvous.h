// SPDX-License-Identifier: Apache-2.0
//
// How two processes come to share memory: over a SOCK_SEQPACKET unix socket each offers its memory and its bell,
// maps what the other offers, and says whether that has worked. The stream is there when both have.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>

#include "onward/event_loop.h"
#include "onward/shm/shm_transport.h"
#include "onward/stream/stream_connection.h"
#include "shm/shm_stream.h"
#include "stream/local_connector.h"

namespace onward {

// The packets, little-endian. An offer carries two descriptors: the memory, the bell.
struct ShmOffer {
  static constexpr std::array<char, 8> kMagic = {'O', 'N', 'W', 'S', 'H', 'M', '/', '1'};
  std::array<char, 8> magic = kMagic;
  std::uint64_t ring_bytes = 0;
  std::uint64_t payload_bytes = 0;
};
struct ShmVerdict {
  static constexpr std::array<char, 8> kMagic = {'O', 'N', 'W', 'S', 'H', 'M', '=', '1'};
  static constexpr std::size_t kMaxReasonBytes = 240;
  std::array<char, 8> magic = kMagic;
  std::uint32_t accepted = 0;
  std::uint32_t code = 0;  // StatusCode of a refusal
  std::array<char, kMaxReasonBytes> reason = {};
};

// From a socket to the established stream, or the reason why there is none, for `connection`, which owns it.
class ShmRendezvous final : public StreamConnector {
 public:
  ShmRendezvous(EventLoop& loop, const ShmOptions& options, StreamConnection& connection,
                std::shared_ptr<ShmCopier> copier);
  ~ShmRendezvous() override;

  // One of them, once. The second takes a socket that was accepted.
  void connect(LocalAddress address);
  void begin(FileDescriptor socket);

 private:
  void look();
  void receive();
  void take(std::span<const std::byte> packet, FileDescriptor memory, FileDescriptor bell);
  void take_offer(const ShmOffer& offer, FileDescriptor memory, FileDescriptor bell);
  void take_verdict(const ShmVerdict& verdict);
  [[nodiscard]] Status check_user() const;
  [[nodiscard]] Status offer();
  [[nodiscard]] bool send(std::span<const std::byte> packet, std::span<const int> descriptors) const;
  void give_verdict(const Status& status);
  void establish();
  void give_up(const Status& why);

  EventLoop& loop_;
  const ShmOptions& options_;
  StreamConnection& connection_;
  std::unique_ptr<LocalConnector> connector_;
  std::unique_ptr<IoWatcher> watcher_;
  Timer timer_;
  std::shared_ptr<ShmPair> pair_ = std::make_shared<ShmPair>();
  ShmChannel channel_;
  LocalPeer peer_;
  bool accepted_ = false;  // by the peer
  bool over_ = false;
};

}  // namespace onward
