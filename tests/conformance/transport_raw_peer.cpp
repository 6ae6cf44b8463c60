// SPDX-License-Identifier: Apache-2.0
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "transport_conformance.h"

namespace onward::testing_support {

void RawPeer::write(const std::string& bytes) const {
  const ssize_t put = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  // The other side may have closed already: that is what some cases are about.
  if (put >= 0) {
    EXPECT_EQ(static_cast<std::size_t>(put), bytes.size());
  }
}

void RawPeer::end_output() const { ::shutdown(socket_, SHUT_WR); }

bool RawPeer::read(std::string& into) const {
  std::array<char, 65536> some;
  const ssize_t got = ::recv(socket_, some.data(), some.size(), MSG_DONTWAIT);
  if (got > 0) into.append(some.data(), static_cast<std::size_t>(got));
  return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
}

void RawPeer::close() {
  if (socket_ >= 0) ::close(std::exchange(socket_, -1));
}

void TransportBytes::SetUp() {
  listen();
  begin();
}

void TransportBytes::begin() {
  raw = std::make_unique<RawPeer>(GetParam().connect_raw(listener->url()));
  server = accept(false);
  server->start();
}

void TransportBytes::expect_closed(StatusCode code, const std::string& part) {
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
