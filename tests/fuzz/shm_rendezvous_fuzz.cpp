// SPDX-License-Identifier: Apache-2.0
//
// The rendezvous of shared memory with a peer that sends any packets with any descriptors: it ends, once, or the
// connection is there, which only a whole offer brings about; and no descriptor and no mapping is left behind.
//
//   byte 0     bit 0: this side connects, else it accepts
//   the rest   steps: a byte for the Step, and what each takes; see there
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cstring>
#include <fstream>
#include <optional>
#include <string>

#include "onward/shm/shm_transport.h"
#include "shm/shm_rendezvous.h"
#include "shm_descriptors.h"
#include "shm_fuzz.h"
#include "stream/local_address.h"

namespace onward::fuzz {
namespace {

constexpr std::size_t kMaxSteps = 64;
constexpr std::size_t kMaxPacketBytes = 1024;
constexpr std::size_t kMaxDescriptors = 5;
// In so many executions mappings are counted once.
constexpr unsigned kCountEvery = 128;

constexpr std::array<std::uint64_t, 16> kClaims = {
    kRingBytes,
    kPayloadBytes,
    0,
    1,
    kRingBytes - 1,
    kRingBytes + 1,
    2 * kRingBytes,
    3 * kRingBytes,
    kRingBytes / 2,
    kPayloadBytes + kShmPage,
    ShmSizes::kMaxRingBytes,
    ShmSizes::kMaxRingBytes * 2,
    ShmSizes::kMaxPayloadBytes,
    ShmSizes::kMaxPayloadBytes + kShmPage,
    std::uint64_t{1} << 63,
    ~std::uint64_t{0},
};

// Of this process alone.
std::string name_of(const char* what) { return "shm://@onward-fuzz-" + std::string(what) + std::to_string(::getpid()); }

FileDescriptor packet_socket() {
  FileDescriptor made(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  require(made.is_open(), "there are sockets");
  return made;
}

// What lives as long as the process: the side that is tested, and where its peer listens.
struct World final : ListenerEvents {
  World() {
    listener = transport->listen(Url::parse(name_of("own-")).value(), *this).value();
    const LocalAddress address = LocalAddress::parse(peer_url, "shm").value();
    require(::bind(peer_listener.get(), address.get(), address.length) == 0, "the name is free");
    require(::listen(peer_listener.get(), 1) == 0, "a socket can listen");
  }
  void on_accept(std::unique_ptr<Connection> connection) override { accepted = std::move(connection); }

  FuzzLoop turns;
  std::unique_ptr<Transport> transport =
      make_shm_transport(turns.loop, kShmLimits, ShmOptions{.ring_bytes = kRingBytes, .payload_bytes = kPayloadBytes});
  std::unique_ptr<Listener> listener;
  Url peer_url = Url::parse(name_of("peer-")).value();
  FileDescriptor peer_listener = packet_socket();
  std::unique_ptr<Connection> accepted;
};

World& world() {
  static World made;
  return made;
}

std::size_t mapped_memories() {
  std::ifstream maps("/proc/self/maps");
  std::size_t count = 0;
  for (std::string line; std::getline(maps, line);) count += line.find("memfd:onward") == line.npos ? 0 : 1;
  return count;
}

// One rendezvous: the peer does what the input says.
class Run {
 public:
  Run(FuzzInput input, bool connects) : input_(input) { connects ? accept_ours() : connect_to_ours(); }

  void steps() {
    connection_->start(events_);
    for (std::size_t i = 0; i < kMaxSteps && !input_.rest().empty(); ++i) step();
  }

  // The peer goes; the connection sees that, or its time passes.
  void end() {
    if (!disposed_) connection_->resume();
    for (int i = 0; i < 4; ++i) world_.turns.turn();
    receive(SIZE_MAX);
    check_verdict();
    peer_ = FileDescriptor();
    for (int i = 0; i < 4; ++i) world_.turns.turn();
    world_.turns.advance(std::chrono::seconds(20));
    for (int i = 0; i < 4; ++i) world_.turns.turn();
    require(events_.closed == (disposed_ ? closed_before_ : 1), "it ends once the peer is gone, unless nobody is told");
    check_reason();
    world_.turns.loop.dispose(std::move(connection_));
    world_.turns.turn();
  }

 private:
  void connect_to_ours() {
    const LocalAddress address = LocalAddress::parse(world_.listener->url(), "shm").value();
    require(::connect(peer_.get(), address.get(), address.length) == 0, "the listener is there");
    world_.turns.turn();
    connection_ = std::move(world_.accepted);
    require(connection_ != nullptr, "a connection is accepted");
  }

  void accept_ours() {
    connection_ = world_.transport->connect(world_.peer_url).value();
    world_.turns.turn();
    peer_ = FileDescriptor(::accept4(world_.peer_listener.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    require(peer_.is_open(), "it connects");
  }

  void step() {
    // As bytes in the corpus have them: only add at the end.
    switch (input_.byte() % 12) {
      case 0:
        return send_offer(kMemoryAndBell_, kSizes.ring_bytes, kSizes.payload_bytes);
      case 1:
        return send_any_offer();
      case 2:
        return send_verdict();
      case 3:
        return send_bytes();
      case 4:
        return turn();
      case 5:
        return receive(input_.byte());
      case 6:
        peer_ = FileDescriptor();
        return;
      case 7:
        static_cast<void>(::shutdown(peer_.get(), input_.byte() % 3));
        return;
      case 8:
        return world_.turns.advance(std::chrono::milliseconds(input_.number()));
      case 9:
        return use();
      case 10:
        return send_packet(std::as_bytes(std::span(&kAccepted_, 1)), {});
      default:
        return turn();
    }
  }

  void turn() { world_.turns.turn((input_.byte() & 1) != 0); }

  // What the connection's owner may do.
  void use() {
    if (disposed_) return;
    switch (input_.byte() % 6) {
      case 0:
        return connection_->send({.header = {}, .payload = {.body = Buffer::copy_of("body"), .segments = {}}});
      case 1:
        own_reason_ = true;
        return connection_->close({StatusCode::kCancelled, "closed"});
      case 2:
        own_reason_ = true;
        return connection_->abort({StatusCode::kCancelled, "aborted"});
      case 3:
        return connection_->pause();
      case 4:
        return connection_->resume();
      default:
        disposed_ = true;
        closed_before_ = events_.closed;
        return world_.turns.loop.dispose(std::move(connection_));
    }
  }

  // The fields as they should be, one of kClaims, or with a bit turned in the magic.
  void send_any_offer() {
    const std::uint64_t ring_bytes = claim();
    const std::uint64_t payload_bytes = claim();
    send_offer(kinds(), ring_bytes, payload_bytes, input_.byte());
  }

  void send_offer(const std::vector<Kind>& kinds, std::uint64_t ring_bytes, std::uint64_t payload_bytes,
                  std::uint8_t magic = 0) {
    ShmOffer offer{.ring_bytes = ring_bytes, .payload_bytes = payload_bytes};
    offer.magic[magic % offer.magic.size()] ^= static_cast<char>(magic >> 3U);
    send_packet(std::as_bytes(std::span(&offer, 1)), kinds, is_good(offer, kinds));
  }

  void send_verdict() {
    ShmVerdict verdict;
    verdict.accepted = input_.byte();
    verdict.code = input_.byte();
    verdict.reason.fill(static_cast<char>(input_.byte()));
    const std::uint8_t magic = input_.byte();
    verdict.magic[magic % verdict.magic.size()] ^= static_cast<char>(magic >> 3U);
    send_packet(std::as_bytes(std::span(&verdict, 1)), kinds());
  }

  // Any length; the bytes are the input's, as far as it goes, and then those of an offer or a verdict.
  void send_bytes() {
    const std::size_t size = input_.number() % kMaxPacketBytes;
    const std::vector<Kind> sent = kinds();
    std::vector<std::byte> bytes(size);
    const ShmOffer offer{.ring_bytes = kRingBytes, .payload_bytes = kPayloadBytes};
    if (size > 0) std::memcpy(bytes.data(), &offer, std::min(size, sizeof offer));
    const std::size_t changed = std::min<std::size_t>(input_.byte() % 32, size);
    for (std::size_t i = 0; i < changed; ++i) bytes[i] = std::byte{input_.byte()};
    ShmOffer sent_offer;
    if (size == sizeof sent_offer) std::memcpy(&sent_offer, bytes.data(), size);
    send_packet(bytes, sent, size == sizeof sent_offer && is_good(sent_offer, sent));
  }

  static bool is_good(const ShmOffer& offer, const std::vector<Kind>& kinds) {
    const ShmSizes sizes{.ring_bytes = offer.ring_bytes, .payload_bytes = offer.payload_bytes};
    return offer.magic == ShmOffer::kMagic && sizes.valid() && kinds.size() == 2 &&
           can_be_memory(kinds[0], sizes.whole()) && can_be_bell(kinds[1]);
  }

  std::uint64_t claim() { return kClaims[input_.byte() % kClaims.size()]; }

  std::vector<Kind> kinds() {
    std::vector<Kind> chosen(input_.byte() % (kMaxDescriptors + 1));
    for (Kind& kind : chosen) kind = static_cast<Kind>(input_.byte() % static_cast<unsigned>(Kind::kCount));
    return chosen;
  }

  void send_packet(std::span<const std::byte> packet, const std::vector<Kind>& kinds, bool good = false) {
    iovec from{.iov_base = const_cast<std::byte*>(packet.data()), .iov_len = packet.size()};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * kMaxDescriptors)> control{};
    msghdr message{};
    message.msg_iov = &from;
    message.msg_iovlen = 1;
    if (!kinds.empty()) {
      message.msg_control = control.data();
      message.msg_controllen = CMSG_SPACE(sizeof(int) * kinds.size());
      cmsghdr* part = CMSG_FIRSTHDR(&message);
      part->cmsg_level = SOL_SOCKET;
      part->cmsg_type = SCM_RIGHTS;
      part->cmsg_len = CMSG_LEN(sizeof(int) * kinds.size());
      for (std::size_t i = 0; i < kinds.size(); ++i) {
        const int descriptor = descriptor_of(kinds[i]);
        std::memcpy(CMSG_DATA(part) + i * sizeof(int), &descriptor, sizeof descriptor);
      }
    }
    const bool sent = ::sendmsg(peer_.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0;
    good_offer_ |= sent && good;
  }

  // What this side has sent so far: an offer with two descriptors, and a verdict.
  void receive(std::size_t packets) {
    for (std::size_t i = 0; i < packets; ++i) {
      std::array<std::byte, kMaxPacketBytes> bytes;
      const ssize_t size = ::recv(peer_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
      if (size <= 0) return;
      if (static_cast<std::size_t>(size) == sizeof(ShmOffer)) {
        require(!offered_, "there is one offer");
        offered_ = true;
        continue;
      }
      require(static_cast<std::size_t>(size) == sizeof(ShmVerdict), "a packet is an offer or a verdict");
      require(!verdict_.has_value(), "there is one verdict");
      std::memcpy(&verdict_.emplace(), bytes.data(), sizeof(ShmVerdict));
      require(verdict_->magic == ShmVerdict::kMagic, "a verdict has its magic");
    }
  }

  void check_verdict() const {
    if (!verdict_ || verdict_->accepted == 0) return;
    require(good_offer_, "only a whole offer is accepted");
  }

  void check_reason() const {
    if (disposed_) return;
    const StatusCode code = events_.reason.code();
    const bool known = code == StatusCode::kUnavailable || code == StatusCode::kInvalidArgument ||
                       code == StatusCode::kPermissionDenied || (own_reason_ && code == StatusCode::kCancelled);
    require(known, "it ends for one of the reasons that there are");
  }

  World& world_ = world();
  FuzzInput input_;
  FileDescriptor peer_ = packet_socket();
  std::unique_ptr<Connection> connection_;
  Events events_;
  const std::vector<Kind> kMemoryAndBell_ = {Kind::kMemory, Kind::kBell};
  const ShmVerdict kAccepted_{.accepted = 1};
  bool disposed_ = false;
  unsigned closed_before_ = 0;
  bool own_reason_ = false;
  bool good_offer_ = false;  // has been sent
  bool offered_ = false;
  std::optional<ShmVerdict> verdict_;
};

}  // namespace
}  // namespace onward::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t bytes) {
  using namespace onward::fuzz;
  static unsigned executions = 0;
  static_cast<void>(world());
  static_cast<void>(descriptor_of(Kind::kBell));
  FuzzInput input(data, bytes);
  const std::size_t before = open_descriptors();
  const bool connects = (input.byte() & 1) != 0;
  {
    Run run(input, connects);
    run.steps();
    run.end();
  }
  require(open_descriptors() == before, "no descriptor is left open");
  if (executions++ % kCountEvery == 0) require(mapped_memories() == 0, "no memory is left mapped");
  return 0;
}
