// SPDX-License-Identifier: Apache-2.0
//
// What tcp has beside what all transports share (tests/conformance): names, addresses, timeouts.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <latch>

#include "onward/log.h"
#include "onward/stream/stream_listener.h"
#include "onward/tcp/tcp_transport.h"
#include "onward/testing/transport_fixture.h"
#include "stream/socket_address.h"
#include "stream/tcp_connector.h"

namespace onward {
namespace {

using testing_support::Acceptor;
using testing_support::hello;
using testing_support::Peer;

using Addresses = Result<std::vector<std::string>>;

bool has_ipv6() {
  const FileDescriptor socket(::socket(AF_INET6, SOCK_STREAM, 0));
  const auto address = SocketAddress::parse("::1", 0);
  return socket.is_open() && ::bind(socket.get(), address->get(), address->length) == 0;
}

class TcpTest : public testing::Test {
 protected:
  explicit TcpTest(Clock& clock = Clock::steady()) : loop({}, clock) {}
  ~TcpTest() override {
    client.dispose();
    for (auto& connection : acceptor.accepted) loop.dispose(std::move(connection));
    loop.dispose(std::move(listener));
    loop.run_once(false);
  }

  void listen(const std::string& rest) {
    Result<std::unique_ptr<Listener>> result = transport->listen(Url{"tcp", rest}, acceptor);
    ASSERT_TRUE(result) << result.error().to_string();
    listener = std::move(*result);
    port = HostPort::parse(listener->url().rest)->port;
    EXPECT_NE(port, 0);
  }
  void connect(const std::string& host) {
    Result<std::unique_ptr<Connection>> result = transport->connect(Url{"tcp", HostPort{host, port}.to_string()});
    ASSERT_TRUE(result) << result.error().to_string();
    client.adopt(std::move(*result));
    client.send(hello());
    client.start();
  }
  bool run_until(const std::function<bool()>& condition) { return testing_support::run_until(loop, condition); }
  bool accepted() {
    return run_until([this] { return !acceptor.accepted.empty() || client.closed > 0; }) && client.closed == 0;
  }
  // The message that the client's connection failed with.
  std::string failure() {
    EXPECT_TRUE(run_until([this] { return client.closed == 1; }));
    EXPECT_EQ(client.reason.code(), StatusCode::kUnavailable);
    return client.reason.message();
  }
  void resolve_with(std::function<Addresses(const std::string&)> resolve) {
    TcpOptions options;
    options.resolve = std::move(resolve);
    transport = make_tcp_transport(loop, {}, options);
  }

  EventLoop loop;
  std::unique_ptr<Transport> transport = make_tcp_transport(loop);
  Acceptor acceptor;
  std::unique_ptr<Listener> listener;
  std::uint16_t port = 1;
  Peer client{loop};
};

// Both ends of a connection get their layer, under a scheme that is not tcp's.
TEST_F(TcpTest, ALayerStandsUponEachConnection) {
  int layers = 0;
  transport = make_layered_tcp_transport(loop, {}, "layered", [&layers](std::unique_ptr<ByteStream> below) {
    ++layers;
    return below;
  });
  EXPECT_EQ(transport->scheme(), "layered");
  Result<std::unique_ptr<Listener>> listening = transport->listen(Url{"layered", "127.0.0.1:0"}, acceptor);
  ASSERT_TRUE(listening) << listening.error().to_string();
  listener = std::move(*listening);
  EXPECT_EQ(listener->url().scheme, "layered");
  client.adopt(transport->connect(listener->url()).value());
  client.start();
  ASSERT_TRUE(accepted());
  acceptor.accepted.front()->send(hello());
  EXPECT_TRUE(run_until([this] { return client.hellos == 1; }));
  EXPECT_EQ(layers, 2);
  EXPECT_EQ(transport->connect(Url{"tcp", "127.0.0.1:1"}).error().code(), StatusCode::kInvalidArgument);
}

TEST_F(TcpTest, RefusalsNameTheAddressAndSayWhatToDo) {
  connect("127.0.0.1");
  EXPECT_EQ(failure(), "tcp://127.0.0.1:1: connection refused; is the node running?");
}

TEST_F(TcpTest, NamesAreLookedUp) {
  listen("127.0.0.1:0");
  connect("localhost");
  EXPECT_TRUE(accepted()) << client.reason.to_string();
  EXPECT_EQ(client.description(), "tcp://localhost:" + std::to_string(port));
}

TEST_F(TcpTest, LookingUpDoesNotBlockTheLoop) {
  auto release = std::make_shared<std::latch>(1);
  auto asked = std::make_shared<std::latch>(1);
  resolve_with([release, asked](const std::string& host) -> Addresses {
    EXPECT_EQ(host, "some.name");
    asked->count_down();
    release->wait();
    return std::vector<std::string>{"127.0.0.1"};
  });
  listen("127.0.0.1:0");
  connect("some.name");
  ASSERT_TRUE(run_until([&] { return asked->try_wait(); }));
  // Others connect meanwhile.
  Peer other(loop);
  other.adopt(std::move(*transport->connect(listener->url())));
  ASSERT_TRUE(accepted());
  acceptor.accepted.clear();
  testing_support::run_until_quiet(loop);
  EXPECT_TRUE(acceptor.accepted.empty());
  release->count_down();
  EXPECT_TRUE(accepted());
}

TEST_F(TcpTest, DestructionDoesNotWaitForALookUp) {
  auto release = std::make_shared<std::latch>(1);
  auto asked = std::make_shared<std::latch>(1);
  {
    EventLoop own_loop;
    TcpOptions options;
    options.resolve = [=](const std::string&) -> Addresses {
      asked->count_down();
      release->wait();
      return std::vector<std::string>{"127.0.0.1"};
    };
    const std::unique_ptr<Transport> own = make_tcp_transport(own_loop, {}, options);
    const auto first = *own->connect(Url{"tcp", "some.name:1"});
    const auto second = *own->connect(Url{"tcp", "other.name:1"});
    asked->wait();
  }
  release->count_down();
}

TEST_F(TcpTest, AllAddressesOfANameAreTried) {
  resolve_with(
      [](const std::string&) -> Addresses { return std::vector<std::string>{"127.0.0.3", "::1", "127.0.0.1"}; });
  listen("127.0.0.1:0");
  connect("some.name");
  EXPECT_TRUE(accepted()) << client.reason.to_string();
}

TEST_F(TcpTest, FailuresOfAllAddressesAreListed) {
  resolve_with([](const std::string&) -> Addresses { return std::vector<std::string>{"127.0.0.1", "127.0.0.2"}; });
  connect("some.name");
  EXPECT_EQ(
      failure(),
      "tcp://some.name:1: 127.0.0.1:1: connection refused, 127.0.0.2:1: connection refused; is the node running?");
}

TEST_F(TcpTest, NamesThatDoNotExistAreUnavailable) {
  resolve_with([](const std::string&) -> Addresses { return fail(StatusCode::kUnavailable, "never heard of it"); });
  connect("some.name");
  EXPECT_EQ(failure(), "tcp://some.name:1: never heard of it");
}

TEST_F(TcpTest, NamesWithoutAddressesAreUnavailable) {
  resolve_with([](const std::string&) -> Addresses { return std::vector<std::string>{}; });
  connect("some.name");
  EXPECT_EQ(failure(), "tcp://some.name:1: the name \"some.name\" has no address");
}

// A ".invalid" name does not exist (RFC 6761), though a resolver may take its time to say so.
TEST_F(TcpTest, TheSystemsResolverSaysWhatItCouldNotFind) {
  const Addresses found = look_up_host("no-such-host.invalid");
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code(), StatusCode::kUnavailable);
  EXPECT_TRUE(found.error().message().starts_with("cannot resolve \"no-such-host.invalid\": "));
}

TEST_F(TcpTest, AllAddressesOfTheMachineAreListenedOn) {
  listen("*:0");
  EXPECT_EQ(listener->url().rest, "*:" + std::to_string(port));
  connect("127.0.0.1");
  ASSERT_TRUE(accepted());
  EXPECT_TRUE(acceptor.accepted.back()->description().starts_with("tcp://127.0.0.1:"))
      << acceptor.accepted.back()->description();
  if (!has_ipv6()) return;
  Peer other(loop);
  other.adopt(std::move(*transport->connect(Url{"tcp", "[::1]:" + std::to_string(port)})));
  ASSERT_TRUE(run_until([this] { return acceptor.accepted.size() == 2; }));
  EXPECT_TRUE(acceptor.accepted.back()->description().starts_with("tcp://[::1]:"));
}

TEST_F(TcpTest, NoHostMeansAllAddresses) {
  listen(":0");
  connect("127.0.0.1");
  EXPECT_TRUE(accepted());
}

TEST_F(TcpTest, Ipv6) {
  if (!has_ipv6()) GTEST_SKIP() << "this machine has no IPv6";
  listen("[::1]:0");
  EXPECT_EQ(listener->url().to_string(), "tcp://[::1]:" + std::to_string(port));
  connect("::1");
  EXPECT_TRUE(accepted());
}

TEST_F(TcpTest, LocalhostIsListenedOnWithoutAResolver) {
  resolve_with([](const std::string&) -> Addresses {
    ADD_FAILURE() << "asked";
    return std::vector<std::string>{};
  });
  listen("localhost:0");
  connect("127.0.0.1");
  EXPECT_TRUE(accepted());
}

TEST_F(TcpTest, UrlsThatCannotBeListenedOn) {
  const auto listening = [this](const std::string& rest) {
    const auto result = transport->listen(Url{"tcp", rest}, acceptor);
    return result ? Status() : result.error();
  };
  for (const char* rest : {"127.0.0.1", "127.0.0.1:65536", "[::1:0", "::1:0", "some.name:0", "x y:0"}) {
    const Status status = listening(rest);
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << rest << ": " << status.to_string();
    EXPECT_NE(status.message().find(std::string("tcp://") + rest), std::string::npos) << status.to_string();
  }
  // Documentation's own network (RFC 5737): no address of this machine.
  EXPECT_EQ(listening("203.0.113.7:0").code(), StatusCode::kUnavailable);
}

TEST_F(TcpTest, UrlsThatCannotBeConnectedTo) {
  for (const char* rest : {"127.0.0.1", "127.0.0.1:0", ":80", "*:80", "127.0.0.1:http"}) {
    const auto result = transport->connect(Url{"tcp", rest});
    ASSERT_FALSE(result) << rest;
    EXPECT_EQ(result.error().code(), StatusCode::kInvalidArgument);
    EXPECT_NE(result.error().message().find(std::string("tcp://") + rest), std::string::npos);
  }
}

TEST_F(TcpTest, SocketsAreConfigured) {
  const FileDescriptor socket(::socket(AF_INET, SOCK_STREAM, 0));
  configure_tcp_socket(socket.get(), {});
  const auto option = [&](int level, int name) {
    int value = -1;
    socklen_t length = sizeof value;
    EXPECT_EQ(::getsockopt(socket.get(), level, name, &value, &length), 0);
    return value;
  };
  EXPECT_EQ(option(IPPROTO_TCP, TCP_NODELAY), 1);
  EXPECT_EQ(option(SOL_SOCKET, SO_KEEPALIVE), 1);
  EXPECT_EQ(option(IPPROTO_TCP, TCP_KEEPIDLE), 30);
  EXPECT_EQ(option(IPPROTO_TCP, TCP_KEEPINTVL), 10);
  EXPECT_EQ(option(IPPROTO_TCP, TCP_KEEPCNT), 3);
  EXPECT_EQ(option(IPPROTO_TCP, TCP_USER_TIMEOUT), 60'000);
}

TEST_F(TcpTest, LoopbackIsNotPaced) {
  const auto congestion_control = [](const char* peer) {
    const FileDescriptor socket(::socket(AF_INET, SOCK_STREAM, 0));
    const std::string_view paced = "bbr";
    // Where there is no BBR, the test shows only that nothing fails.
    ::setsockopt(socket.get(), IPPROTO_TCP, TCP_CONGESTION, paced.data(), static_cast<socklen_t>(paced.size()));
    std::array<char, 16> name{};
    socklen_t length = name.size();
    EXPECT_EQ(::getsockopt(socket.get(), IPPROTO_TCP, TCP_CONGESTION, name.data(), &length), 0);
    const std::string before = name.data();
    configure_tcp_socket_for(socket.get(), *SocketAddress::parse(peer, 1));
    length = name.size();
    EXPECT_EQ(::getsockopt(socket.get(), IPPROTO_TCP, TCP_CONGESTION, name.data(), &length), 0);
    return std::pair(before, std::string(name.data()));
  };
  for (const char* peer : {"127.0.0.1", "127.3.2.1", "::1", "::ffff:127.0.0.1"}) {
    EXPECT_EQ(congestion_control(peer).second, "reno") << peer;
  }
  for (const char* peer : {"192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1", "fe80::1"}) {
    const auto [before, after] = congestion_control(peer);
    EXPECT_EQ(before, after) << peer;
  }
}

class TcpTimeoutTest : public TcpTest {
 protected:
  TcpTimeoutTest() : TcpTest(clock()) {}

  static ManualClock& clock() {
    static auto* manual = new ManualClock;
    return *manual;
  }
  // Listens on an address whose queue is full: the system answers nobody there any more.
  void block(const std::string& host) {
    const auto address = *SocketAddress::parse(host, port);
    silent.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
    const int on = 1;
    ::setsockopt(silent[0].get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    ASSERT_EQ(::bind(silent[0].get(), address.get(), address.length), 0);
    ASSERT_EQ(::listen(silent[0].get(), 0), 0);
    const auto bound = SocketAddress::local(silent[0].get());
    port = bound.port();
    for (int i = 0; i < 4; ++i) {
      silent.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
      ::connect(silent.back().get(), bound.get(), bound.length);
    }
  }

  std::vector<FileDescriptor> silent;
};

TEST_F(TcpTimeoutTest, ConnectingTakesTenSecondsAtMost) {
  port = 0;
  block("127.0.0.5");
  connect("127.0.0.5");
  testing_support::run_until_quiet(loop);
  clock().advance(std::chrono::milliseconds(9999));
  testing_support::run_until_quiet(loop);
  EXPECT_EQ(client.closed, 0);
  clock().advance(std::chrono::milliseconds(2));
  const std::string message = failure();
  EXPECT_TRUE(message.ends_with(": no answer within 10000 ms")) << message;
}

TEST_F(TcpTimeoutTest, ASilentAddressGetsItsShareOfTheTime) {
  resolve_with([](const std::string&) -> Addresses { return std::vector<std::string>{"127.0.0.5", "127.0.0.1"}; });
  listen("127.0.0.1:0");
  block("127.0.0.5");
  connect("some.name");
  // The resolver's answer comes from another thread.
  const auto give_up = std::chrono::steady_clock::now() + testing_support::kPatience;
  while (!loop.run_once(false)) ASSERT_LT(std::chrono::steady_clock::now(), give_up);
  testing_support::run_until_quiet(loop);
  EXPECT_TRUE(acceptor.accepted.empty());
  clock().advance(std::chrono::seconds(5));
  EXPECT_TRUE(accepted()) << client.reason.to_string();
}

TEST_F(TcpTimeoutTest, LookingUpCountsAsWell) {
  auto release = std::make_shared<std::latch>(1);
  resolve_with([release](const std::string&) -> Addresses {
    release->wait();
    return std::vector<std::string>{"127.0.0.1"};
  });
  connect("some.name");
  testing_support::run_until_quiet(loop);
  clock().advance(std::chrono::seconds(10));
  EXPECT_EQ(failure(),
            "tcp://some.name:1: the name \"some.name\" was not found within 10000 ms; does the resolver work?");
  release->count_down();
}

TEST_F(TcpTimeoutTest, RunningOutOfDescriptorsIsLoggedAndRetried) {
  listen("127.0.0.1:0");
  const FileDescriptor raw(::socket(AF_INET, SOCK_STREAM, 0));
  const auto address = *SocketAddress::parse("127.0.0.1", port);
  std::atomic<int> lines = 0;
  set_log_sink([&](LogLevel level, std::string_view, std::string_view message) {
    EXPECT_EQ(level, LogLevel::kError);
    EXPECT_NE(message.find("ulimit"), std::string::npos) << message;
    ++lines;
  });
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  // Descriptors are given out lowest first: none is left.
  const int next = ::dup(raw.get());
  ::close(next);
  const rlimit none{.rlim_cur = static_cast<rlim_t>(next), .rlim_max = before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  ASSERT_EQ(::connect(raw.get(), address.get(), address.length), 0);
  for (int i = 0; i < 8; ++i) {
    testing_support::run_until_quiet(loop);
    clock().advance(StreamListener::kExhaustedPause);
  }
  testing_support::run_until_quiet(loop);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_EQ(lines, 1);
  EXPECT_TRUE(acceptor.accepted.empty());
  clock().advance(StreamListener::kExhaustedPause);
  testing_support::run_until_quiet(loop);
  EXPECT_EQ(acceptor.accepted.size(), 1U);
  set_log_sink({});
}

}  // namespace
}  // namespace onward
