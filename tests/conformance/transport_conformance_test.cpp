// SPDX-License-Identifier: Apache-2.0
//
// The transports that the conformance suite runs on.
#include "onward/testing/transport_conformance.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cstring>

#include "../unit/transports/tls_fixture.h"
#include "onward/inproc/inproc_transport.h"
#include "onward/shm/shm_transport.h"
#include "onward/tcp/tcp_transport.h"
#include "onward/tls/tls_transport.h"
#include "onward/unix/unix_transport.h"

namespace onward::testing_support {
namespace {

// A name that no other process and no other test has.
std::string unique_name() {
  static std::atomic<int> count{0};
  return "onward-test-" + std::to_string(::getpid()) + "-" + std::to_string(++count);
}

int connect_socket(int family, const sockaddr* address, socklen_t length) {
  const int fd = ::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (::connect(fd, address, length) != 0) {
    ADD_FAILURE() << "cannot connect a raw socket: " << std::strerror(errno);
  }
  return fd;
}

int connect_raw_tcp(const Url& url) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(HostPort::parse(url.rest)->port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return connect_socket(AF_INET, reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

int connect_raw_unix(const Url& url) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, url.rest.data(), url.rest.size());
  return connect_socket(AF_UNIX, reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

TransportUnderTest tcp_under_test(const TcpOptions& options = {}) {
  return {.name = "Tcp",
          .make = [options](EventLoop& loop,
                            const MessageLimits& limits) { return make_tcp_transport(loop, limits, options); },
          .listening_url = [] { return Url{"tcp", "127.0.0.1:0"}; },
          .deserted_url = [] { return Url{"tcp", "127.0.0.1:1"}; },
          .connect_raw = connect_raw_tcp};
}

// Of a node with a certificate, made once a process.
const TlsOptions& tls_options() {
  static const TlsOptions options = TestAuthority::trusted().options("test");
  return options;
}

TransportUnderTest tls_under_test(const TcpOptions& options = {}) {
  return {.name = "Tls",
          .make = [options](
                      EventLoop& loop,
                      const MessageLimits& limits) { return make_tls_transport(loop, limits, tls_options(), options); },
          .listening_url = [] { return Url{"tls", "127.0.0.1:0"}; },
          .deserted_url = [] { return Url{"tls", "127.0.0.1:1"}; }};
}

TransportUnderTest unix_under_test(const UnixOptions& options = {}) {
  return {.name = "Unix",
          .make = [options](EventLoop& loop,
                            const MessageLimits& limits) { return make_unix_transport(loop, limits, options); },
          .listening_url = [] { return Url{"unix", testing::TempDir() + unique_name()}; },
          .deserted_url = [] { return Url{"unix", testing::TempDir() + unique_name()}; },
          .connect_raw = connect_raw_unix};
}

TransportUnderTest inproc_under_test() {
  return {.name = "Inproc",
          .make = [](EventLoop& loop, const MessageLimits& limits) { return make_inproc_transport(loop, limits); },
          .listening_url = [] { return Url{"inproc", unique_name()}; },
          .deserted_url = [] { return Url{"inproc", unique_name()}; },
          .hands_over_at_once = true};
}

TransportUnderTest shm_under_test(const ShmOptions& options = {}) {
  return {.name = "Shm",
          .make = [options](EventLoop& loop,
                            const MessageLimits& limits) { return make_shm_transport(loop, limits, options); },
          .listening_url = [] { return Url{"shm", "@" + unique_name()}; },
          .deserted_url = [] { return Url{"shm", "@" + unique_name()}; }};
}

// Enough for a few messages. With less, TCP waits for its timers, and the tests with it.
constexpr int kSmall = 16384;
const TcpOptions kSmallTcp{.send_buffer_bytes = kSmall, .receive_buffer_bytes = kSmall};
const ShmOptions kSmallShm{.ring_bytes = kSmall, .payload_bytes = std::uint64_t{128} << 10};
const ShmOptions kShmWithoutPayloads{.payload_bytes = 0};
constexpr UnixOptions kSmallUnix{.send_buffer_bytes = kSmall};

ONWARD_TRANSPORT_CONFORMANCE(Inproc, inproc_under_test());
ONWARD_TRANSPORT_CONFORMANCE(Shm, shm_under_test());
ONWARD_TRANSPORT_CONFORMANCE(ShmSmallMemory, shm_under_test(kSmallShm));
ONWARD_TRANSPORT_CONFORMANCE(ShmWithoutPayloads, shm_under_test(kShmWithoutPayloads));
ONWARD_TRANSPORT_CONFORMANCE(Tcp, tcp_under_test());
ONWARD_TRANSPORT_CONFORMANCE(TcpSmallBuffers, tcp_under_test(kSmallTcp));
ONWARD_TRANSPORT_CONFORMANCE(Tls, tls_under_test());
ONWARD_TRANSPORT_CONFORMANCE(TlsSmallBuffers, tls_under_test(kSmallTcp));
ONWARD_TRANSPORT_CONFORMANCE(Unix, unix_under_test());
ONWARD_TRANSPORT_CONFORMANCE(UnixSmallBuffers, unix_under_test(kSmallUnix));

}  // namespace
}  // namespace onward::testing_support
