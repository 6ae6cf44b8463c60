// SPDX-License-Identifier: Apache-2.0
//
// A connection over shared memory whose peer writes anything into its memory at any time: what is delivered is within
// limits and can be read, also when the connection is gone, and it ends, once, for one of the reasons that there are.
//
//   byte 0     the flags below
//   the rest   steps: a byte for the step, and what each takes; see Run::step()
#include <fcntl.h>
#include <sys/socket.h>

#include <array>
#include <bit>
#include <cstring>
#include <map>
#include <optional>
#include <string>

#include "onward/stream/frame.h"
#include "onward/stream/stream_connection.h"
#include "shm/shm_stream.h"
#include "shm_fuzz.h"

namespace onward::fuzz {
namespace {

constexpr std::uint8_t kHelloFlag = 0x01;   // a HELLO comes first
constexpr std::uint8_t kKeepFlag = 0x02;    // segments are kept
constexpr std::uint8_t kUnevenFlag = 0x04;  // the peer's ring is larger, and its payloads fewer

constexpr std::size_t kMaxSteps = 128;
constexpr ShmSizes kSizes{.ring_bytes = 4096, .payload_bytes = std::uint64_t{64} << 10};
constexpr ShmSizes kUneven{.ring_bytes = 16384, .payload_bytes = std::uint64_t{32} << 10};
// Turns after which what can end has ended.
constexpr int kLastTurns = 24;

FuzzLoop& turns() {
  static FuzzLoop made;
  return made;
}

FileDescriptor bell() { return FileDescriptor(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)); }

class Run {
 public:
  Run(FuzzInput input, std::uint8_t flags)
      : input_(input), peer_(ShmMemory::create((flags & kUnevenFlag) != 0 ? kUneven : kSizes).value()) {
    std::array<int, 2> ends{};
    require(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()) == 0, "a socket");
    peer_socket_ = FileDescriptor(ends[0]);
    pair_->own = ShmMemory::create(kSizes).value();
    pair_->peer = ShmMemory::map(peer_->descriptor(), peer_->sizes()).value();
    pair_->own->close_descriptor();
    area_.emplace(pair_, copier_);
    ShmChannel channel{.pair = pair_,
                       .own_bell = bell(),
                       .peer_bell = bell(),
                       .socket = FileDescriptor(ends[1]),
                       .peer = {},
                       .copier = copier_};
    own_bell_ = FileDescriptor(::fcntl(channel.own_bell.get(), F_DUPFD_CLOEXEC, 0));
    connection_ = std::make_unique<StreamConnection>(turns().loop, kShmLimits, "shm://fuzz",
                                                     std::make_unique<ShmStream>(turns().loop, std::move(channel)));
    events_.keeps = (flags & kKeepFlag) != 0;
    connection_->start(events_);
    if ((flags & kHelloFlag) == 0) return;
    const MessageHeader hello{.kind = MessageKind::kHello, .function_id = MessageHeader::kMagic};
    put(std::as_bytes(std::span(&hello, 1)));
  }

  void steps() {
    for (std::size_t i = 0; i < kMaxSteps && !input_.rest().empty(); ++i) step();
  }

  void end() {
    if (!disposed_) connection_->resume();
    peer_socket_ = FileDescriptor();
    for (int i = 0; i < kLastTurns && events_.closed == 0; ++i) {
      one_turn(false);
      if (i >= kLastTurns / 2) turns().advance(std::chrono::seconds(1));
    }
    require(events_.closed == (disposed_ ? closed_before_ : 1), "it ends once the peer is gone, unless nobody is told");
    check_reason();
    turns().loop.dispose(std::move(connection_));
    turns().turn();
    area_.reset();
    pair_.reset();
    // What is kept lies where it lay.
    for (const Buffer& segment : events_.kept) check_segment(segment);
  }

 private:
  void step() {
    // As bytes in the corpus have them: only add at the end.
    switch (input_.byte() % 20) {
      case 0:
        return put_frame();
      case 1:
        return put_bytes();
      case 2:
        return control().produced.store(produced_ += changed(0));
      case 3:
        return control().consumed.store(consumed_ = changed(consumed_));
      case 4:
        return consume();
      case 5:
        return end_output(input_.byte());
      case 6:
        return control().sleep.store(input_.number());
      case 7:
        return release();
      case 8:
        return scribble(peer_->ring(), peer_->sizes().ring_bytes);
      case 9:
        return scribble(peer_->payloads(), peer_->sizes().payload_bytes);
      case 10:
        return send();
      case 11:
        return use();
      case 12:
        return drop();
      case 13:
        return allocate();
      case 14:
        return open();
      case 15:
        return ring_bell();
      case 16:
        return end_peer();
      case 17:
        return turns().advance(std::chrono::milliseconds(input_.number() & 0x0FFFU));
      case 18:
        return trim();
      default:
        return turn();
    }
  }

  void turn() {
    const std::uint8_t how = input_.byte();
    for (int i = 0; i <= (how & 3); ++i) one_turn((how & 4) != 0);
    for (const Buffer& segment : events_.kept) check_segment(segment);
  }

  // Of a peer that claims more than its ring holds, nothing is taken.
  void one_turn(bool sleeps) {
    const std::uint64_t taken = pair_->own->control().consumed.load();
    const bool lies = control().produced.load() - taken > peer_->sizes().ring_bytes;
    turns().turn(sleeps);
    require(!lies || pair_->own->control().consumed.load() == taken, "more than a ring holds is not read");
  }

  // What a peer does that follows the protocol, save that it overtakes who reads.
  void put(std::span<const std::byte> bytes) {
    const std::uint64_t mask = peer_->sizes().ring_bytes - 1;
    for (const std::byte byte : bytes) peer_->ring()[produced_++ & mask] = byte;
    control().produced.store(produced_);
  }

  // It may take that back.
  void end_output(std::uint32_t ended) {
    has_ended_ |= ended != 0;
    control().ended.store(ended);
  }

  void consume() {
    consumed_ = pair_->own->control().produced.load();
    control().consumed.store(consumed_);
  }

  // A frame that need not be one: a body, segments in the stream, and places of others.
  void put_frame() {
    MessageHeader header{.kind = static_cast<MessageKind>(input_.byte())};
    const std::uint8_t shape = input_.byte();
    header.body_bytes = (shape & 0x80) != 0 ? input_.number() : shape & 0x1FU;
    header.flags = (shape & 0x60) == 0x60 ? input_.byte() : 0;
    header.segment_count = input_.byte() & 7;
    header.call_id = produced_;
    std::vector<std::uint64_t> lengths;
    std::vector<std::byte> content(std::min<std::size_t>(header.body_bytes, kSizes.ring_bytes));
    for (unsigned i = 0; i < header.segment_count; ++i) put_segment(lengths, content);
    put(std::as_bytes(std::span(&header, 1)));
    put(std::as_bytes(std::span(lengths)));
    content.resize(padded(content.size() + lengths.size() * sizeof(std::uint64_t)) -
                   lengths.size() * sizeof(std::uint64_t));
    put(content);
  }

  void put_segment(std::vector<std::uint64_t>& lengths, std::vector<std::byte>& content) {
    const std::uint8_t how = input_.byte();
    std::uint64_t length = input_.number();
    if ((how & 0x70) == 0x70) length = changed(length);
    if ((how & 1) == 0) {
      lengths.push_back(length & 0x3FFU);
      content.resize(content.size() + lengths.back());
      return;
    }
    lengths.push_back(length | kInPayloadArea);
    const PayloadArea::Place place = some_place(how);
    const auto bytes = std::as_bytes(std::span(&place, 1));
    content.insert(content.end(), bytes.begin(), bytes.end());
  }

  PayloadArea::Place some_place(std::uint8_t how) {
    PayloadArea::Place place{.offset = (how & 2) != 0 ? (input_.byte() & 0x1FU) * kShmPage : input_.number(),
                             .slot = input_.byte(),
                             .generation = input_.byte()};
    if ((how & 4) != 0) place.offset = changed(place.offset);
    if ((how & 8) != 0) place.slot <<= input_.byte() % 25U;
    return place;
  }

  void put_bytes() {
    std::vector<std::byte> bytes(input_.byte());
    for (std::byte& byte : bytes) byte = std::byte{input_.byte()};
    put(bytes);
  }

  // A number near another one, or far from it.
  std::uint64_t changed(std::uint64_t number) {
    const std::uint8_t how = input_.byte();
    const std::uint64_t by = input_.byte();
    if ((how & 0xC0) == 0) return number + by;
    if ((how & 0xC0) == 0x40) return number - by;
    if ((how & 0xC0) == 0x80) return number + std::rotr(by, how & 63);
    return std::rotr(by, how & 63);
  }

  void release() {
    const std::uint8_t slot = input_.byte();
    control().released[slot].store(input_.byte());
  }

  void scribble(std::byte* memory, std::uint64_t bytes) {
    const std::uint64_t at = input_.number();
    memory[at % bytes] = std::byte{input_.byte()};
  }

  void send() {
    if (disposed_) return;
    const std::uint8_t shape = input_.byte();
    Message message{.header = {.kind = MessageKind::kResponse}, .payload = {}};
    if ((shape & 1) != 0) message.payload.body = Buffer::copy_of(std::string(std::size_t{shape} * 16, 'b'));
    for (int i = 0; i < (shape >> 1U & 3); ++i) {
      const std::size_t bytes = (shape & 8) != 0 ? PayloadArea::kMinBytes + input_.number() : input_.byte();
      message.payload.segments.push_back(bytes > 0 ? Buffer::allocate(bytes) : Buffer());
      if (bytes > 0) std::memset(message.payload.segments.back().mutable_data(), 's', bytes);
    }
    // What its owner observes.
    if (connection_->queued_bytes() < kShmLimits.output_high_bytes) connection_->send(std::move(message));
  }

  void use() {
    if (disposed_) return;
    switch (input_.byte() % 8) {
      case 0:
        return connection_->pause();
      case 1:
      case 2:
        return connection_->resume();
      case 3:
        own_reason_ = true;
        return connection_->close({StatusCode::kCancelled, "closed"});
      case 4:
        own_reason_ = true;
        return connection_->abort({StatusCode::kCancelled, "aborted"});
      case 5:
        disposed_ = true;
        closed_before_ = events_.closed;
        return turns().loop.dispose(std::move(connection_));
      case 6:
        events_.keeps = !events_.keeps;
        return;
      default:
        return static_cast<void>(connection_->description());
    }
  }

  void drop() {
    if (events_.kept.empty()) return;
    events_.kept.erase(events_.kept.begin() + input_.byte() % static_cast<std::ptrdiff_t>(events_.kept.size()));
  }

  // The payloads by themselves, which have the same memory beside them.
  void allocate() {
    const std::size_t bytes = std::size_t{input_.number()} + 1;
    take_back();
    const std::optional<PayloadArea::Room> room = area_->allocate(bytes);
    if (!room) return;
    const std::uint64_t begin = room->place.offset;
    require(begin <= kSizes.payload_bytes && bytes <= kSizes.payload_bytes - begin, "room lies in the memory");
    require(room->memory == pair_->own->payloads() + begin, "room is where it is said to be");
    const auto next = lent_.lower_bound(begin);
    require(next == lent_.end() || begin + bytes <= next->first, "room is lent once");
    require(next == lent_.begin() || std::prev(next)->second.end <= begin, "room is lent once");
    lent_[begin] = {.end = begin + bytes, .slot = room->place.slot, .generation = room->place.generation};
    std::memset(room->memory, 'r', bytes);
  }

  void trim() {
    take_back();
    const bool trimmed = area_->trim();
    require(!trimmed || lent_.empty(), "memory that is lent is not given to the system");
  }

  // What the peer says, now, that it has released.
  void take_back() {
    std::erase_if(lent_, [this](const auto& lent) {
      return control().released[lent.second.slot].load() == lent.second.generation;
    });
  }

  void open() {
    const std::uint8_t how = input_.byte();
    const std::uint64_t bytes = std::uint64_t{input_.number()} + 1;
    Result<Buffer> opened = area_->open(some_place(how), bytes);
    if (!opened) return require(opened.error().code() == StatusCode::kInvalidArgument, "a place is refused as such");
    require(opened->size() == bytes, "a segment is as long as it is said to be");
    check_segment(*opened);
    if ((how & 0x80) != 0) events_.kept.push_back(*std::move(opened));
  }

  void ring_bell() {
    const std::uint64_t count = changed(1);
    [[maybe_unused]] const ssize_t ignored = ::write(own_bell_.get(), &count, sizeof count);
  }

  void end_peer() {
    if ((input_.byte() & 1) != 0) peer_socket_ = FileDescriptor();
    if (peer_socket_.is_open()) static_cast<void>(::send(peer_socket_.get(), "x", 1, MSG_NOSIGNAL | MSG_DONTWAIT));
  }

  // A wrapped one lies in the peer's payloads, as a whole.
  void check_segment(const Buffer& segment) const {
    touch(segment.bytes());
    if (pair_ == nullptr || segment.empty()) return;
    const std::byte* const begin = pair_->peer->payloads();
    const std::byte* const end = begin + pair_->peer->sizes().payload_bytes;
    const bool before = segment.data() + segment.size() <= begin - pair_->peer->sizes().ring_bytes - kRingOffset;
    const bool within = segment.data() >= begin && segment.data() + segment.size() <= end;
    require(before || within || segment.data() >= end, "a segment lies in the payloads, or elsewhere");
  }

  void check_reason() const {
    if (disposed_) return;
    const StatusCode code = events_.reason.code();
    const bool known = code == StatusCode::kUnavailable || code == StatusCode::kInvalidArgument ||
                       code == StatusCode::kFailedPrecondition ||  // it speaks TLS
                       (own_reason_ && code == StatusCode::kCancelled) || (code == StatusCode::kOk && has_ended_);
    require(known, "it ends for one of the reasons that there are");
  }

  [[nodiscard]] ShmControl& control() const { return peer_->control(); }

  struct Lent {
    std::uint64_t end = 0;
    std::uint32_t slot = 0;
    std::uint32_t generation = 0;
  };

  FuzzInput input_;
  Events events_;
  std::unique_ptr<ShmMemory> peer_;  // as the peer has it, to write to
  std::shared_ptr<ShmPair> pair_ = std::make_shared<ShmPair>();
  std::shared_ptr<ShmCopier> copier_ = std::make_shared<ShmCopier>();
  FileDescriptor peer_socket_;
  FileDescriptor own_bell_;
  std::unique_ptr<StreamConnection> connection_;
  std::uint64_t produced_ = 0;  // by the peer, as it says
  std::uint64_t consumed_ = 0;
  bool has_ended_ = false;
  bool disposed_ = false;
  unsigned closed_before_ = 0;
  bool own_reason_ = false;
  std::optional<ShmPayloads> area_;
  std::map<std::uint64_t, Lent> lent_;  // of area_, by beginning
};

}  // namespace
}  // namespace onward::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t bytes) {
  using namespace onward::fuzz;
  static_cast<void>(turns());
  FuzzInput input(data, bytes);
  const std::size_t before = open_descriptors();
  const std::uint8_t flags = input.byte();
  {
    Run run(input, flags);
    run.steps();
    run.end();
  }
  require(open_descriptors() == before, "no descriptor is left open");
  return 0;
}
