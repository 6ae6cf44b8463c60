// SPDX-License-Identifier: Apache-2.0
//
// What a node prints: a line an event on standard error, one line on standard output; and nodes whose
// output nobody takes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <regex>
#include <string>
#include <vector>

#include "cluster.h"
#include "raw_peer.h"

namespace onward::testing_support {
namespace {

using testing::ElementsAre;

const NodeSetup kTalkative{.toml = "[log]\nlevel = \"debug\"\n[[modules]]\nname = \"rfc\"\n"};
const auto kMyAdd2 = remote<int(int, int)>("rfc.my_add_2");

using Log = TcpClusterTest;

TEST_F(Log, EachEventIsOneLineWithTimeLevelAndNode) {
  Process& node = cluster.start_plain("node", kTalkative);
  {
    const auto client = cluster.client();
    EXPECT_EQ(rpc_sync(*client, "node", kMyAdd2, 1, 1), 2);
    RawPeer peer(cluster.url("node"));
    peer.send("line 1\nline 2\r\n\x1b[31mred\n");
    EXPECT_TRUE(peer.wait_for_close());
    RawPeer named(cluster.url("node"));
    named.send(raw_hello("two\nlines") + raw_hello());
    EXPECT_TRUE(named.wait_for_close());
  }
  node.send_signal(SIGTERM);
  EXPECT_TRUE(node.wait_for_end());
  ASSERT_TRUE(node.wait_for_close(Process::Stream::kError));
  const std::regex format(
      R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d (trace|debug|info   |warning|error  ) *\[node\] [^\x01-\x1f\x7f]+)");
  const std::vector<std::string> lines = node.lines(Process::Stream::kError);
  EXPECT_GE(lines.size(), 6U);
  for (const std::string& line : lines) EXPECT_TRUE(std::regex_match(line, format)) << line;
  EXPECT_THAT(node.lines(Process::Stream::kOutput), ElementsAre("ready node " + cluster.url("node")));
}

TEST_F(Log, LevelDecidesWhatIsLogged) {
  Process& node = cluster.start_plain("node", {.toml = "[log]\nlevel = \"error\"\n"});
  RawPeer(cluster.url("node")).send("garbage");
  node.send_signal(SIGTERM);
  EXPECT_EQ(node.wait_for_end().value_or(Ending()).code, 0);
  ASSERT_TRUE(node.wait_for_close(Process::Stream::kError));
  EXPECT_THAT(node.lines(Process::Stream::kError), ElementsAre());
}

class NodeWithoutReaders : public TcpClusterTest {
 protected:
  Process& launch(Process::Options options) {
    const auto file = cluster.write("node.toml", cluster.configuration("node", kTalkative));
    process = std::make_unique<Process>(std::vector<std::string>{onward_program(), "node", "--config", file.string()},
                                        std::move(options));
    return *process;
  }
  void expect_served_and_drained() {
    const auto client = cluster.client();
    // The call waits until the node listens.
    EXPECT_EQ(outcome_of(rpc_async(*client, to("node", {.timeout = kNoTimeout}), kMyAdd2, 20, 22)), 42);
    process->send_signal(SIGTERM);
    EXPECT_EQ(process->wait_for_end().value_or(Ending()).code, 0);
  }

  std::unique_ptr<Process> process;
};

TEST_F(NodeWithoutReaders, ClosedStandardOutput) {
  launch({.without = {STDOUT_FILENO}});
  expect_served_and_drained();
}

// The first descriptors that a process opens then are 0, 1 and 2: what is printed must not end up in a connection.
TEST_F(NodeWithoutReaders, NoStandardDescriptorsAtAll) {
  launch({.without = {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}});
  const auto client = cluster.client();
  EXPECT_EQ(outcome_of(rpc_async(*client, to("node", {.timeout = kNoTimeout}), kMyAdd2, 1, 1)), 2);
  for (const char* descriptor : {"0", "1", "2"}) {
    const std::filesystem::path link =
        std::filesystem::path("/proc") / std::to_string(process->id()) / "fd" / descriptor;
    EXPECT_EQ(std::filesystem::read_symlink(link), "/dev/null") << descriptor;
  }
  expect_served_and_drained();
}

TEST_F(NodeWithoutReaders, BrokenPipes) {
  launch({});
  process->stop_reading(Process::Stream::kOutput);
  process->stop_reading(Process::Stream::kError);
  expect_served_and_drained();
}

// A log that nobody reads fills its pipe. The node goes on, and says later what is missing.
TEST_F(NodeWithoutReaders, FullPipeLosesLinesAndNotTheNode) {
  launch({});
  const auto client = cluster.client();
  EXPECT_EQ(outcome_of(rpc_async(*client, to("node", {.timeout = kNoTimeout}), kMyAdd2, 1, 1)), 2);
  process->pause_reading(Process::Stream::kError);
  const std::string long_name(2'000, 'n');
  for (int i = 0; i < 200; ++i) {
    RawPeer peer(cluster.url("node"));
    peer.send(raw_hello(long_name) + raw_hello());
    ASSERT_TRUE(peer.wait_for_close()) << "after " << i << " connections";
  }
  EXPECT_EQ(outcome_of(rpc_async(*client, "node", kMyAdd2, 2, 2)), 4);
  const std::size_t before = process->line_count(Process::Stream::kError);
  process->resume_reading(Process::Stream::kError);
  EXPECT_TRUE(await([&] {
    RawPeer(cluster.url("node")).send("one more line");
    return process->text(Process::Stream::kError).find("lines are missing here") != std::string::npos;
  }));
  EXPECT_GT(process->line_count(Process::Stream::kError), before);
  expect_served_and_drained();
}

}  // namespace
}  // namespace onward::testing_support
