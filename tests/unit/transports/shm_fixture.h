// SPDX-License-Identifier: Apache-2.0
//
// A listener of the shm transport, and peers of it that do as a test says.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "onward/stream/frame.h"
#include "onward/testing/transport_fixture.h"
#include "shm/shm_rendezvous.h"

namespace onward::test {

using ::testing::HasSubstr;
using testing_support::Acceptor;
using testing_support::hello;
using testing_support::make_message;
using testing_support::Peer;
using testing_support::run_until;
using testing_support::run_until_quiet;

inline constexpr ShmSizes kSizes{.ring_bytes = 4096, .payload_bytes = 128 * 1024};
inline const ShmOptions kOptions{.ring_bytes = kSizes.ring_bytes, .payload_bytes = kSizes.payload_bytes};

// The other side of the rendezvous, which does as the test says.
class ForeignPeer {
 public:
  explicit ForeignPeer(const Url& url) : socket_(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)) {
    const LocalAddress address = *LocalAddress::parse(url, "shm");
    EXPECT_EQ(::connect(socket_.get(), address.get(), address.length), 0) << std::strerror(errno);
  }

  void send(const void* packet, std::size_t bytes, const std::vector<int>& descriptors = {}) const {
    iovec from{.iov_base = const_cast<void*>(packet), .iov_len = bytes};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * 8)> control{};
    msghdr message{};
    message.msg_iov = &from;
    message.msg_iovlen = 1;
    if (!descriptors.empty()) {
      message.msg_control = control.data();
      message.msg_controllen = CMSG_SPACE(sizeof(int) * descriptors.size());
      cmsghdr* part = CMSG_FIRSTHDR(&message);
      part->cmsg_level = SOL_SOCKET;
      part->cmsg_type = SCM_RIGHTS;
      part->cmsg_len = CMSG_LEN(sizeof(int) * descriptors.size());
      std::memcpy(CMSG_DATA(part), descriptors.data(), sizeof(int) * descriptors.size());
    }
    EXPECT_EQ(::sendmsg(socket_.get(), &message, MSG_NOSIGNAL), static_cast<ssize_t>(bytes));
  }
  void send_offer(ShmOffer offer = {.ring_bytes = kSizes.ring_bytes, .payload_bytes = kSizes.payload_bytes}) {
    own = *ShmMemory::create(kSizes);
    send(&offer, sizeof offer, {own->descriptor().get(), bell_.get()});
  }
  void send_verdict() const {
    ShmVerdict verdict;
    verdict.accepted = 1;
    send(&verdict, sizeof verdict);
  }
  // What has come: the text of a refusal, if it is one.
  [[nodiscard]] std::optional<std::string> refusal() const {
    for (ShmVerdict verdict; ::recv(socket_.get(), &verdict, sizeof verdict, MSG_DONTWAIT) > 0;) {
      if (verdict.magic == ShmVerdict::kMagic && verdict.accepted == 0) return verdict.reason.data();
    }
    return std::nullopt;
  }
  void close() { socket_ = FileDescriptor(); }
  [[nodiscard]] int socket() const { return socket_.get(); }
  [[nodiscard]] int bell() const { return bell_.get(); }

  // As the ring's writer.
  void produce(std::span<const std::byte> bytes) const {
    const std::uint64_t at = own->control().produced;
    for (std::size_t i = 0; i < bytes.size(); ++i) own->ring()[(at + i) % kSizes.ring_bytes] = bytes[i];
    own->control().produced = at + bytes.size();
  }
  std::unique_ptr<ShmMemory> own;

 private:
  FileDescriptor socket_;
  FileDescriptor bell_{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
};

class ShmTransportTest : public ::testing::Test {
 protected:
  explicit ShmTransportTest(Clock& clock = Clock::steady()) : loop({}, clock) {
    listener = *transport->listen(Url{"shm", "@onward-shm-test-" + std::to_string(::getpid())}, acceptor);
  }
  ~ShmTransportTest() override {
    server.reset();
    for (auto& connection : acceptor.accepted) loop.dispose(std::move(connection));
    loop.dispose(std::move(listener));
    loop.run_once(false);
  }

  // `server` is the connection that was accepted.
  void accept() {
    ASSERT_TRUE(run_until(loop, [&] { return !acceptor.accepted.empty(); }));
    server = std::make_unique<Peer>(loop);
    server->adopt(std::move(acceptor.accepted.front()));
    acceptor.accepted.clear();
    server->start();
  }
  void expect_closed(StatusCode code, const std::string& part) {
    ASSERT_TRUE(run_until(loop, [&] { return server->closed == 1; }));
    EXPECT_EQ(server->reason.code(), code) << server->reason.to_string();
    EXPECT_THAT(server->reason.message(), HasSubstr(part));
    EXPECT_THAT(server->reason.message(), HasSubstr("shm://@onward-shm-test"));
  }
  // A peer that has shared its memory in an orderly way, and said HELLO.
  void meet(ForeignPeer& peer) {
    accept();
    peer.send_offer();
    peer.send_verdict();
    peer.produce(frame_of(hello()));
    server->send(hello());
    ASSERT_TRUE(run_until(loop, [&] { return server->hellos == 1; }));
  }
  static std::vector<std::byte> frame_of(Message message) {
    const std::size_t bytes = padded(kHeaderBytes + message.payload.body.size());
    std::vector<std::byte> frame(bytes);
    message.header.body_bytes = static_cast<std::uint32_t>(message.payload.body.size());
    std::memcpy(frame.data(), &message.header, kHeaderBytes);
    if (!message.payload.body.empty()) {
      std::memcpy(frame.data() + kHeaderBytes, message.payload.body.data(), message.payload.body.size());
    }
    return frame;
  }
  // A request with one segment of `bytes`, which lies at `place`.
  static std::vector<std::byte> frame_with(const PayloadArea::Place& place, std::uint64_t bytes) {
    MessageHeader header = make_message(1, 0).header;
    header.segment_count = 1;
    const std::uint64_t length = bytes | kInPayloadArea;
    std::vector<std::byte> frame(padded(kHeaderBytes + sizeof length + sizeof place));
    std::memcpy(frame.data(), &header, kHeaderBytes);
    std::memcpy(frame.data() + kHeaderBytes, &length, sizeof length);
    std::memcpy(frame.data() + kHeaderBytes + sizeof length, &place, sizeof place);
    return frame;
  }
  EventLoop loop;
  std::unique_ptr<Transport> transport = make_shm_transport(loop, {}, kOptions);
  Acceptor acceptor;
  std::unique_ptr<Listener> listener;
  std::unique_ptr<Peer> server;
};

}  // namespace onward::test
