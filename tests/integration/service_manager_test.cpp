// SPDX-License-Identifier: Apache-2.0
//
// What a node tells the service manager that started it: the test is that, with a socket for notifications.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "cluster.h"
#include "raw_peer.h"

namespace onward::testing_support {
namespace {

using std::chrono::milliseconds;
using testing::AllOf;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::StartsWith;

constexpr std::string_view kAlive = "WATCHDOG=1";
// What the watchdog waits, and longer than a node that lives could leave it without a word.
constexpr milliseconds kWatchdog{100};
constexpr milliseconds kSilence = 10 * kWatchdog;

// A socket on which notifications come.
class NotifySocket {
 public:
  explicit NotifySocket(const std::string& path) : descriptor_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    path.copy(static_cast<char*>(address.sun_path), sizeof(address.sun_path) - 1);
    EXPECT_EQ(::bind(descriptor_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0)
        << path << ": " << std::strerror(errno);
  }
  ~NotifySocket() { ::close(descriptor_); }
  NotifySocket(const NotifySocket&) = delete;
  NotifySocket& operator=(const NotifySocket&) = delete;

  // The next notification; nothing if none comes in time.
  std::optional<std::string> receive(milliseconds patience = kPatience) const {
    pollfd readable{.fd = descriptor_, .events = POLLIN, .revents = 0};
    if (::poll(&readable, 1, static_cast<int>(patience.count())) != 1) return std::nullopt;
    std::array<char, 4096> text{};
    const ssize_t size = ::recv(descriptor_, text.data(), text.size(), 0);
    return std::string(text.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
  }
  // The same, of those that are about something else than that the node lives.
  std::string receive_news() const {
    std::optional<std::string> next = receive();
    while (next == kAlive) next = receive();
    return next.value_or("nothing");
  }
  // Until nothing has come for kSilence; false if something always does.
  bool await_silence() const {
    const auto give_up = std::chrono::steady_clock::now() + kPatience;
    while (receive(kSilence)) {
      if (std::chrono::steady_clock::now() > give_up) return false;
    }
    return true;
  }

 private:
  int descriptor_;
};

class ServiceManager : public TcpClusterTest {
 protected:
  ServiceManager() : path((cluster.folder() / "notify").string()), socket(path) {
    ::setenv("NOTIFY_SOCKET", path.c_str(), 1);
  }
  ~ServiceManager() override {
    ::unsetenv("NOTIFY_SOCKET");
    ::unsetenv("WATCHDOG_USEC");
  }
  void SetUp() override {
#ifndef ONWARD_WITH_SYSTEMD
    GTEST_SKIP() << "built without libsystemd (-Dsystemd=enabled needs libsystemd-dev)";
#endif
  }
  void enable_watchdog() {
    ::setenv("WATCHDOG_USEC", std::to_string(std::chrono::microseconds(kWatchdog).count()).c_str(), 1);
  }
  std::string ready() { return "READY=1\nSTATUS=n listens on " + cluster.url("n"); }

  std::string path;
  NotifySocket socket;
};

TEST_F(ServiceManager, HearsThatANodeIsReadyWhenItAcceptsConnections) {
  cluster.launch("n");
  EXPECT_EQ(socket.receive(), ready());
  RawPeer peer(cluster.url("n"));
  peer.send("garbage");
  EXPECT_TRUE(peer.wait_for_close()) << "it was there, and read";
}

TEST_F(ServiceManager, HearsNothingOfANodeThatCannotStart) {
  cluster.start_plain("n", {});
  EXPECT_EQ(socket.receive(), ready());
  Process second({onward_program(), "node", "--config", (cluster.folder() / "n.toml").string()});
  EXPECT_EQ(second.wait_for_end().value_or(Ending()).code, 1);
  EXPECT_TRUE(second.wait_for_line(Process::Stream::kError, "cannot start")) << "the first one listens there";
  EXPECT_EQ(socket.receive(milliseconds::zero()), std::nullopt) << "all that it sent would be here by now";
}

TEST_F(ServiceManager, HearsOfReloadsAndHowTheyEnd) {
  Process& node = cluster.start("n");
  EXPECT_EQ(socket.receive(), ready());
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  node.send_signal(SIGHUP);
  const std::string reloading = socket.receive_news();
  ASSERT_THAT(reloading, MatchesRegex("RELOADING=1\nMONOTONIC_USEC=[0-9]+"));
  EXPECT_GE(std::stoll(reloading.substr(reloading.rfind('=') + 1)), now.tv_sec * 1'000'000 + now.tv_nsec / 1'000);
  EXPECT_EQ(socket.receive(), ready());

  cluster.write("n.toml", "no configuration");
  node.send_signal(SIGHUP);
  EXPECT_THAT(socket.receive_news(), StartsWith("RELOADING=1"));
  EXPECT_EQ(socket.receive(), ready() + "; SIGHUP: not reloaded, its log says why");
}

TEST_F(ServiceManager, HearsThatANodeStopsBeforeItHas) {
  Process& node = cluster.start("n", {.toml = "[shutdown]\ndrain_ms = 600000\n"});
  EXPECT_EQ(socket.receive(), ready());
  const auto client = cluster.client();
  const Future<std::string> answer = rpc_async(*client, "n", probe::kPark);
  ASSERT_TRUE(outcome_of(rpc_async(*client, "n", probe::kAwaitParked, 1)));
  node.send_signal(SIGTERM);
  EXPECT_EQ(socket.receive(), "STOPPING=1\nEXTEND_TIMEOUT_USEC=605000000");
  EXPECT_FALSE(node.wait_for_end(milliseconds::zero())) << "a call is in flight";
  node.send_signal(SIGTERM);
  EXPECT_TRUE(node.wait_for_end());
  EXPECT_EQ(error_of(answer).code(), StatusCode::kUnavailable);
}

TEST_F(ServiceManager, HearsNothingFromTheWatchdogUnlessItAsks) {
  cluster.start("n");
  EXPECT_EQ(socket.receive(), ready());
  EXPECT_EQ(socket.receive(kSilence), std::nullopt);
}

TEST_F(ServiceManager, HearsThatTheKernelThreadLivesAndNothingWhileItHangs) {
  enable_watchdog();
  Process& node = cluster.start("n");
  for (int i = 0; i < 3; ++i) {
    std::optional<std::string> next = socket.receive();
    if (next == ready()) next = socket.receive();
    EXPECT_EQ(next, kAlive);
  }

  const std::string fifo = (cluster.folder() / "fifo").string();
  ASSERT_EQ(::mkfifo(fifo.c_str(), S_IRUSR | S_IWUSR), 0);
  const auto client = cluster.client();
  const Future<void> blocked = rpc_async(*client, "n", probe::kBlock, fifo);
  ASSERT_TRUE(node.wait_for_line(Process::Stream::kError, "blocks its kernel thread"));
  EXPECT_TRUE(socket.await_silence()) << "somebody else says that the kernel thread lives";
  // The process is not stuck: the thread that waits for signals goes on, until it needs the kernel thread.
  node.send_signal(SIGHUP);
  EXPECT_THAT(socket.receive().value_or("nothing"), StartsWith("RELOADING=1"));
  EXPECT_EQ(socket.receive(kSilence), std::nullopt);

  ::close(::open(fifo.c_str(), O_WRONLY | O_CLOEXEC));
  EXPECT_TRUE(outcome_of(blocked));
  EXPECT_EQ(socket.receive_news(), ready());
  EXPECT_EQ(socket.receive(), kAlive);
}

TEST_F(ServiceManager, IsToldNothingWithoutItsLibrary) {
  cluster.write("libsystemd.so.0", "no library");
  ::setenv("LD_LIBRARY_PATH", cluster.folder().c_str(), 1);
  Process& node = cluster.start("n");
  ::unsetenv("LD_LIBRARY_PATH");
  EXPECT_THAT(node.wait_for_line(Process::Stream::kError, "NOTIFY_SOCKET").value_or("nothing"),
              AllOf(HasSubstr("warning"), HasSubstr("libsystemd cannot be loaded")));
  EXPECT_EQ(socket.receive(milliseconds::zero()), std::nullopt);
}

TEST_F(ServiceManager, ThatIsGoneKeepsNobodyFromRunning) {
  ::setenv("NOTIFY_SOCKET", (cluster.folder() / "nobody").c_str(), 1);
  Process& node = cluster.start("n");
  EXPECT_THAT(node.wait_for_line(Process::Stream::kError, "NOTIFY_SOCKET").value_or("nothing"),
              AllOf(HasSubstr("warning"), HasSubstr("cannot be told READY=1: No such file or directory")));
}

}  // namespace
}  // namespace onward::testing_support
