// SPDX-License-Identifier: Apache-2.0
#include "shm/shm_rendezvous.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "onward/stream/socket_stream.h"

namespace onward {
namespace {

constexpr std::size_t kDescriptors = 2;

struct Packet {
  alignas(std::uint64_t) std::array<std::byte, sizeof(ShmVerdict)> bytes;
  ssize_t size = 0;  // as recvmsg() has it
  bool truncated = false;
  std::array<FileDescriptor, kDescriptors> descriptors;
};

Packet receive_packet(int socket) {
  Packet packet;
  iovec into{.iov_base = packet.bytes.data(), .iov_len = packet.bytes.size()};
  // Room for one more, so that too many are noticed; the system closes what does not fit.
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * (kDescriptors + 1))> control{};
  msghdr message{};
  message.msg_iov = &into;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  packet.size = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  if (packet.size < 0) return packet;
  packet.truncated = (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0;
  std::size_t count = 0;
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr; part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t here = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < here; ++i) {
      int descriptor = -1;
      std::memcpy(&descriptor, CMSG_DATA(part) + i * sizeof(int), sizeof descriptor);
      FileDescriptor owned(descriptor);
      if (count < kDescriptors) packet.descriptors[count] = std::move(owned);
      ++count;
    }
  }
  packet.truncated |= count > kDescriptors;
  return packet;
}

// It is written to on the loop, so it must not block. An eventfd has no type of file, and refuses one number. Others
// are not written to at all: a pipe or socket that nobody reads would raise SIGPIPE.
bool is_bell(int descriptor) {
  struct stat status{};
  if (::fstat(descriptor, &status) != 0 || (status.st_mode & S_IFMT) != 0) return false;
  const int flags = ::fcntl(descriptor, F_GETFL);
  if (flags < 0 || ::fcntl(descriptor, F_SETFL, flags | O_NONBLOCK) != 0) return false;
  constexpr std::uint64_t kRefused = ~std::uint64_t{0};
  return ::write(descriptor, &kRefused, sizeof kRefused) < 0 && errno == EINVAL;
}

Status unavailable(std::string what) { return {StatusCode::kUnavailable, std::move(what)}; }

}  // namespace

ShmRendezvous::ShmRendezvous(EventLoop& loop, const ShmOptions& options, StreamConnection& connection,
                             std::shared_ptr<ShmCopier> copier)
    : loop_(loop),
      options_(options),
      connection_(connection),
      timer_(loop, [this] { give_up(unavailable("the other side does not answer; does it hang?")); }) {
  channel_.copier = std::move(copier);
}

ShmRendezvous::~ShmRendezvous() = default;

void ShmRendezvous::connect(LocalAddress address) {
  connector_ = std::make_unique<LocalConnector>(
      loop_,
      LocalConnector::Options{
          .type = SOCK_SEQPACKET, .timeout = options_.connect_timeout, .about = connection_.description()},
      std::move(address),
      [this](Result<FileDescriptor> socket) { socket ? begin(std::move(*socket)) : connection_.fail(socket.error()); });
  connector_->begin();
}

void ShmRendezvous::begin(FileDescriptor socket) {
  channel_.socket = std::move(socket);
  peer_ = LocalPeer::of(channel_.socket.get());
  channel_.peer = peer_.identity();
  timer_.arm(options_.connect_timeout);
  if (const Status refused = check_user(); !refused.ok()) {
    give_verdict(refused);
    return give_up(refused);
  }
  if (const Status failed = offer(); !failed.ok()) {
    give_verdict(failed);
    return give_up(failed);
  }
  watcher_ = std::make_unique<IoWatcher>(
      loop_, channel_.socket.get(), this, [](void* self) { static_cast<ShmRendezvous*>(self)->look(); }, nullptr);
  watcher_->watch_readable(true);
}

// Who shares memory with us may fill it, and see what we send.
Status ShmRendezvous::check_user() const {
  constexpr uid_t kRoot = 0;
  const uid_t mine = ::geteuid();
  if (peer_.user == mine || peer_.user == kRoot || std::ranges::count(options_.users, peer_.user) > 0) return {};
  return {StatusCode::kPermissionDenied, "user " + std::to_string(mine) + " shares no memory with user " +
                                             std::to_string(peer_.user) +
                                             ": run both as one user, or list the other in [shm] users"};
}

Status ShmRendezvous::offer() {
  const ShmSizes sizes{.ring_bytes = options_.ring_bytes, .payload_bytes = options_.payload_bytes};
  Result<std::unique_ptr<ShmMemory>> memory = ShmMemory::create(sizes);
  if (!memory) return memory.error();
  pair_->own = std::move(*memory);
  channel_.own_bell = FileDescriptor(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!channel_.own_bell.is_open()) return unavailable("no eventfd: " + error_text(errno));
  const ShmOffer offer{.ring_bytes = sizes.ring_bytes, .payload_bytes = sizes.payload_bytes};
  const std::array<int, kDescriptors> descriptors = {pair_->own->descriptor().get(), channel_.own_bell.get()};
  if (send(std::as_bytes(std::span(&offer, 1)), descriptors)) return {};
  return unavailable("cannot offer shared memory: " + error_text(errno));
}

bool ShmRendezvous::send(std::span<const std::byte> packet, std::span<const int> descriptors) const {
  iovec from{.iov_base = const_cast<std::byte*>(packet.data()), .iov_len = packet.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * kDescriptors)> control{};
  msghdr message{};
  message.msg_iov = &from;
  message.msg_iovlen = 1;
  if (!descriptors.empty()) {
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* part = CMSG_FIRSTHDR(&message);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(descriptors.size_bytes());
    std::memcpy(CMSG_DATA(part), descriptors.data(), descriptors.size_bytes());
  }
  return ::sendmsg(channel_.socket.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT) == static_cast<ssize_t>(packet.size());
}

void ShmRendezvous::give_verdict(const Status& status) {
  ShmVerdict verdict;
  verdict.accepted = status.ok() ? 1 : 0;
  verdict.code = static_cast<std::uint32_t>(status.code());
  const std::string_view reason = std::string_view(status.message()).substr(0, ShmVerdict::kMaxReasonBytes);
  std::ranges::copy(reason, verdict.reason.begin());
  // Where it cannot be sent, the peer sees the socket's end.
  static_cast<void>(send(std::as_bytes(std::span(&verdict, 1)), {}));
}

void ShmRendezvous::look() {
  // The offer and the verdict, at most.
  for (int packets = 0; packets < 2 && !over_; ++packets) receive();
}

void ShmRendezvous::receive() {
  Packet packet = receive_packet(channel_.socket.get());
  if (packet.size < 0) {
    if (errno == EAGAIN || errno == EINTR) return;
    if (errno != ECONNRESET) return give_up(unavailable(error_text(errno)));
    packet.size = 0;
  }
  if (packet.size == 0) return give_up(unavailable("the other side ended before memory was shared"));
  if (packet.truncated) {
    return give_up({StatusCode::kInvalidArgument, "it does not speak the protocol of shared memory: too much at once"});
  }
  take(std::span(packet.bytes).first(static_cast<std::size_t>(packet.size)), std::move(packet.descriptors[0]),
       std::move(packet.descriptors[1]));
}

void ShmRendezvous::take(std::span<const std::byte> packet, FileDescriptor memory, FileDescriptor bell) {
  if (packet.size() == sizeof(ShmOffer) && pair_->peer == nullptr) {
    ShmOffer offer;
    std::memcpy(&offer, packet.data(), sizeof offer);
    if (offer.magic == ShmOffer::kMagic) return take_offer(offer, std::move(memory), std::move(bell));
  }
  if (packet.size() == sizeof(ShmVerdict) && !accepted_) {
    ShmVerdict verdict;
    std::memcpy(&verdict, packet.data(), sizeof verdict);
    if (verdict.magic == ShmVerdict::kMagic) return take_verdict(verdict);
  }
  give_up({StatusCode::kInvalidArgument, "it does not speak the protocol of shared memory: an unknown packet of " +
                                             std::to_string(packet.size()) + " bytes"});
}

void ShmRendezvous::take_offer(const ShmOffer& offer, FileDescriptor memory, FileDescriptor bell) {
  if (!memory.is_open() || !bell.is_open() || !is_bell(bell.get())) {
    return give_up({StatusCode::kInvalidArgument, "it offers shared memory without the memory, or without an eventfd"});
  }
  Result<std::unique_ptr<ShmMemory>> mapped =
      ShmMemory::map(memory, {.ring_bytes = offer.ring_bytes, .payload_bytes = offer.payload_bytes});
  give_verdict(mapped ? Status() : mapped.error());
  if (!mapped) return give_up(mapped.error());
  pair_->peer = std::move(*mapped);
  channel_.peer_bell = std::move(bell);
  if (accepted_) establish();
}

void ShmRendezvous::take_verdict(const ShmVerdict& verdict) {
  if (verdict.accepted != 0) {
    accepted_ = true;
    if (pair_->peer != nullptr) establish();
    return;
  }
  const auto code = verdict.code == static_cast<std::uint32_t>(StatusCode::kPermissionDenied)
                        ? StatusCode::kPermissionDenied
                        : StatusCode::kUnavailable;
  const std::string_view reason(verdict.reason.data(), verdict.reason.size());
  give_up({code, "the other side refused: " + std::string(reason.substr(0, reason.find('\0')))});
}

void ShmRendezvous::establish() {
  over_ = true;
  timer_.cancel();
  watcher_->watch_readable(false);
  loop_.dispose(std::move(watcher_));
  pair_->own->close_descriptor();
  channel_.pair = std::move(pair_);
  connection_.establish(std::make_unique<ShmStream>(loop_, std::move(channel_)));
}

void ShmRendezvous::give_up(const Status& why) {
  over_ = true;
  timer_.cancel();
  if (watcher_ != nullptr) watcher_->watch_readable(false);
  connection_.fail(why.with_message(connection_.description() + ": " + why.message()));
}

}  // namespace onward
