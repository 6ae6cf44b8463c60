// SPDX-License-Identifier: Apache-2.0
//
// For transports that are streams of bytes: the other end is a socket on which the test writes what it likes.
#pragma once

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>

#include "onward/testing/transport_fixture.h"

namespace onward::testing_support {

// A peer that is nothing but a socket.
class RawPeer {
 public:
  explicit RawPeer(int socket) : socket_(socket) {}
  ~RawPeer() { close(); }
  RawPeer(const RawPeer&) = delete;
  RawPeer& operator=(const RawPeer&) = delete;

  // As much as the socket takes at once, which tests do not exceed.
  void write(const std::string& bytes) const;
  void end_output() const;
  // Adds what has arrived to `into`; false once nothing more will.
  bool read(std::string& into) const;
  void close();

 private:
  int socket_;
};

// A listener that a raw socket has connected to, for transports that are streams of bytes.
class TransportBytes : public TransportConformance {
 protected:
  void SetUp() override;
  // A new raw peer, and as `server` the connection that was accepted from it.
  void begin();
  // The connection has ended with this code, and a reason that has `part` in it; the socket, too.
  void expect_closed(StatusCode code, const std::string& part);

  std::unique_ptr<RawPeer> raw;
};

inline void RawPeer::write(const std::string& bytes) const {
  const ssize_t put = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  // The other side may have closed already: that is what some cases are about.
  if (put >= 0) {
    EXPECT_EQ(static_cast<std::size_t>(put), bytes.size());
  }
}

inline void RawPeer::end_output() const { ::shutdown(socket_, SHUT_WR); }

inline bool RawPeer::read(std::string& into) const {
  std::array<char, 65536> some;
  const ssize_t got = ::recv(socket_, some.data(), some.size(), MSG_DONTWAIT);
  if (got > 0) into.append(some.data(), static_cast<std::size_t>(got));
  return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
}

inline void RawPeer::close() {
  if (socket_ >= 0) ::close(std::exchange(socket_, -1));
}

inline void TransportBytes::SetUp() {
  listen();
  begin();
}

inline void TransportBytes::begin() {
  raw = std::make_unique<RawPeer>(GetParam().connect_raw(listener->url()));
  server = accept(false);
  server->start();
}

inline void TransportBytes::expect_closed(StatusCode code, const std::string& part) {
  ASSERT_TRUE(run_until([this] { return server->closed == 1; })) << "expected: " << part;
  const std::string& message = server->reason.message();
  EXPECT_EQ(server->reason.code(), code) << server->reason.to_string();
  EXPECT_NE(message.find(part), std::string::npos) << message << "\nexpected: " << part;
  if (!server->reason.ok()) {
    EXPECT_TRUE(message.starts_with(server->description())) << message;
  }
  std::string ignored;
  EXPECT_TRUE(run_until([&] { return !raw->read(ignored); })) << "the socket is still open";
}

}  // namespace onward::testing_support
