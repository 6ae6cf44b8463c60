// SPDX-License-Identifier: Apache-2.0
//
// What unix has beside what all transports share (tests/conformance): socket files.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "onward/testing/transport_fixture.h"
#include "onward/unix/unix_transport.h"
#include "stream/local_address.h"
#include "stream/local_connector.h"

namespace onward {
namespace {

using testing_support::Acceptor;
using testing_support::hello;
using testing_support::Peer;

class UnixTest : public testing::Test {
 protected:
  explicit UnixTest(Clock& clock = Clock::steady()) : loop({}, clock) { std::filesystem::remove(path); }
  ~UnixTest() override {
    for (auto& connection : acceptor.accepted) loop.dispose(std::move(connection));
    loop.dispose(std::move(listener));
    loop.run_once(false);
    std::filesystem::remove(path);
  }

  Status listen(const std::string& rest) {
    Result<std::unique_ptr<Listener>> result = transport->listen(Url{"unix", rest}, acceptor);
    if (!result) return result.error();
    listener = std::move(*result);
    return {};
  }
  // Whether somebody answers there, and if not, why.
  Status connect(const std::string& rest) {
    Peer client(loop);
    Result<std::unique_ptr<Connection>> result = transport->connect(Url{"unix", rest});
    if (!result) return result.error();
    client.adopt(std::move(*result));
    client.send(hello());
    client.start();
    const std::size_t before = acceptor.accepted.size();
    EXPECT_TRUE(
        testing_support::run_until(loop, [&] { return acceptor.accepted.size() > before || client.closed > 0; }));
    return client.reason;
  }
  [[nodiscard]] bool file_exists() const { return std::filesystem::exists(std::filesystem::symlink_status(path)); }
  // A socket file as a process that crashed leaves it behind.
  void leave_socket_file() const {
    const LocalAddress address = *LocalAddress::parse(Url{"unix", path}, "unix");
    const FileDescriptor socket(::socket(AF_UNIX, SOCK_STREAM, 0));
    ASSERT_EQ(::bind(socket.get(), address.get(), address.length), 0);
    ASSERT_EQ(::listen(socket.get(), 1), 0);
  }

  const std::string path = testing::TempDir() + "onward-unix-test-" + std::to_string(::getpid());
  EventLoop loop;
  std::unique_ptr<Transport> transport = make_unix_transport(loop);
  Acceptor acceptor;
  std::unique_ptr<Listener> listener;
};

TEST_F(UnixTest, TheSocketFileGoesWithTheListener) {
  ASSERT_TRUE(listen(path).ok());
  EXPECT_TRUE(file_exists());
  EXPECT_EQ(listener->url().to_string(), "unix://" + path);
  EXPECT_TRUE(connect(path).ok());
  loop.dispose(std::move(listener));
  EXPECT_FALSE(file_exists());
  EXPECT_EQ(connect(path).message(), "unix://" + path + ": no such file or directory; is the node running?");
}

TEST_F(UnixTest, AFileThatIsNotOursStays) {
  ASSERT_TRUE(listen(path).ok());
  std::filesystem::remove(path);
  leave_socket_file();
  loop.dispose(std::move(listener));
  EXPECT_TRUE(file_exists());
}

TEST_F(UnixTest, TheFileOfADeadListenerIsReplaced) {
  leave_socket_file();
  EXPECT_EQ(connect(path).message(), "unix://" + path + ": connection refused; is the node running?");
  EXPECT_TRUE(listen(path).ok());
  EXPECT_TRUE(connect(path).ok());
}

TEST_F(UnixTest, TheFileOfALiveListenerIsNot) {
  ASSERT_TRUE(listen(path).ok());
  const std::unique_ptr<Listener> first = std::move(listener);
  EXPECT_EQ(listen(path).code(), StatusCode::kAlreadyExists);
  EXPECT_TRUE(connect(path).ok());
}

TEST_F(UnixTest, AFileThatIsNoSocketIsNotReplaced) {
  std::ofstream(path) << "precious";
  EXPECT_EQ(listen(path).code(), StatusCode::kAlreadyExists);
  std::string text;
  std::ifstream(path) >> text;
  EXPECT_EQ(text, "precious");
}

TEST_F(UnixTest, ALinkToADeadSocketIsNotReplaced) {
  leave_socket_file();
  const std::string link = path + "-link";
  std::filesystem::create_symlink(path, link);
  EXPECT_EQ(listen(link).code(), StatusCode::kAlreadyExists);
  EXPECT_TRUE(file_exists());
  std::filesystem::remove(link);
}

TEST_F(UnixTest, AbstractNamesLeaveNoFile) {
  const std::string name = "@onward-unix-test-" + std::to_string(::getpid());
  ASSERT_TRUE(listen(name).ok());
  EXPECT_TRUE(connect(name).ok());
  const std::unique_ptr<Listener> first = std::move(listener);
  EXPECT_EQ(listen(name).code(), StatusCode::kAlreadyExists);
  // A longer name is another name.
  EXPECT_TRUE(listen(name + "0").ok());
}

TEST_F(UnixTest, AcceptedConnectionsNameTheProcess) {
  ASSERT_TRUE(listen(path).ok());
  ASSERT_TRUE(connect(path).ok());
  EXPECT_EQ(acceptor.accepted.back()->description(),
            "unix://" + path + " (process " + std::to_string(::getpid()) + ")");
}

TEST_F(UnixTest, BadNames) {
  for (const std::string& rest : {std::string("relative/path"), std::string("@"), std::string("/"),
                                  "/" + std::string(kMaxLocalAddressBytes, 'x'), std::string("/a\0b", 4)}) {
    const Status status = listen(rest);
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << rest << ": " << status.to_string();
    EXPECT_EQ(connect(rest).code(), StatusCode::kInvalidArgument);
  }
  EXPECT_EQ(listen("/no/such/folder/socket").code(), StatusCode::kUnavailable);
}

TEST_F(UnixTest, TheLongestNameWorks) {
  const std::string name = "@" + std::string(kMaxLocalAddressBytes - 1, 'x');
  EXPECT_TRUE(listen(name).ok());
  EXPECT_TRUE(connect(name).ok());
}

class UnixTimeoutTest : public UnixTest {
 protected:
  UnixTimeoutTest() : UnixTest(clock()) {
    // A listener whose queue has room for one, and that one is there.
    const LocalAddress address = *LocalAddress::parse(Url{"unix", path}, "unix");
    ::bind(full.get(), address.get(), address.length);
    ::listen(full.get(), 0);
    ::connect(waiting.get(), address.get(), address.length);
    client.adopt(std::move(*transport->connect(Url{"unix", path})));
    client.start();
    testing_support::run_until_quiet(loop);
  }
  static ManualClock& clock() {
    static auto* manual = new ManualClock;
    return *manual;
  }
  void pass(Duration time) {
    for (Duration passed{}; passed < time; passed += LocalConnector::kRetryInterval) {
      clock().advance(LocalConnector::kRetryInterval);
      testing_support::run_until_quiet(loop);
    }
  }

  FileDescriptor full{::socket(AF_UNIX, SOCK_STREAM, 0)};
  FileDescriptor waiting{::socket(AF_UNIX, SOCK_STREAM, 0)};
  Peer client{loop};
};

TEST_F(UnixTimeoutTest, AFullQueueIsWaitedFor) {
  client.send(hello());
  pass(std::chrono::seconds(1));
  EXPECT_EQ(client.closed, 0);
  const FileDescriptor first(::accept(full.get(), nullptr, nullptr));
  pass(LocalConnector::kRetryInterval);
  const FileDescriptor second(::accept(full.get(), nullptr, nullptr));
  char bytes[64];
  EXPECT_EQ(::recv(second.get(), bytes, sizeof bytes, 0), 40);
}

TEST_F(UnixTimeoutTest, AFullQueueIsNotWaitedForLong) {
  pass(std::chrono::milliseconds(9980));
  EXPECT_EQ(client.closed, 0);
  pass(std::chrono::milliseconds(20));
  EXPECT_EQ(client.closed, 1);
  EXPECT_EQ(client.reason.code(), StatusCode::kUnavailable);
  EXPECT_NE(client.reason.message().find("accepts no connections"), std::string::npos);
}

}  // namespace
}  // namespace onward
