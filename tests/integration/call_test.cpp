// SPDX-License-Identifier: Apache-2.0
//
// `onward call` as a script uses it: what it prints where, and how it ends.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <string>
#include <vector>

#include "cluster.h"
#include "raw_peer.h"

namespace onward::testing_support {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

class CallCommand : public ClusterTest {
 protected:
  void SetUp() override {
    cluster.start_plain("worker", {.toml = "[[modules]]\nname = \"rfc\"\n"});
    cluster.start_plain("front", {.peers = {"worker"}, .toml = "[[modules]]\nname = \"rfc\"\ndst = \"worker\"\n"});
  }
  CommandResult call(const std::vector<std::string>& arguments) {
    std::vector<std::string> all = {"call"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    return cluster.run(all);
  }
  // It fails with `message`, in a line that begins with "onward call: ", and nothing on standard output.
  void expect_failure(const CommandResult& result, int code, const std::string& message) {
    EXPECT_EQ(result.ending.code, code) << result.ending.to_string();
    EXPECT_THAT(result.output, IsEmpty());
    EXPECT_THAT(result.error, testing::StartsWith("onward"));
    EXPECT_THAT(result.error, HasSubstr(message));
  }
};

TEST_P(CallCommand, PrintsTheResult) {
  const CommandResult result = call({cluster.url("front"), "rfc.my_add_3", "1", "2", "3"});
  EXPECT_EQ(result.ending.code, 0);
  EXPECT_EQ(result.output, "6\n");
  EXPECT_THAT(result.error, IsEmpty());
}

TEST_P(CallCommand, RepeatsACallAndShowsTheMedian) {
  const CommandResult result = call({"--repeat", "5", "--time", cluster.url("front"), "rfc.my_add_3", "1", "2", "3"});
  EXPECT_EQ(result.ending.code, 0);
  EXPECT_EQ(result.output, "6\n");
  EXPECT_THAT(result.error, testing::MatchesRegex("[0-9]+\\.[0-9]+ ms, the median of 5 calls\n"));
  expect_failure(call({"--repeat", "5", cluster.url("front"), "rfc.my_add_3", "1"}), kWrongUsage,
                 "it takes 3 arguments, not 1");
  expect_failure(call({"--repeat", "0", cluster.url("front"), "rfc.my_add_3"}), kWrongUsage, "--repeat");
}

TEST_P(CallCommand, AllFourExamples) {
  EXPECT_EQ(call({cluster.url("front"), "rfc.nested.my_add_3", "1", "2", "-3"}).output, "0\n");
  EXPECT_EQ(call({cluster.url("front"), "rfc.chained.my_add_3", "1", "2", "3"}).output, "6\n");
  EXPECT_THAT(call({"--json", cluster.url("front"), "rfc.fan_out.my_add_4", "1", "2", "3", "4"}).output,
              testing::AnyOf("[3,7]\n", "[7,3]\n"));
}

TEST_P(CallCommand, BatchOfTensorsFromTenCommands) {
  std::vector<std::unique_ptr<Process>> calls;
  for (int i = 0; i < 10; ++i) {
    const std::string a = R"({"dtype": "float32", "shape": [2], "data": [)" + std::to_string(i) + ", 0.5]}";
    const std::string b = R"({"dtype": "float32", "shape": [2], "data": [1, 1]})";
    calls.push_back(std::make_unique<Process>(
        cluster.command({onward_program(), "call", "--json", cluster.url("front"), "rfc.batch.batch_add", a, b})));
  }
  for (std::size_t i = 0; i < calls.size(); ++i) {
    ASSERT_EQ(calls[i]->wait_for_end().value_or(Ending()).code, 0);
    calls[i]->wait_for_close(Process::Stream::kOutput);
    const std::string output = calls[i]->text(Process::Stream::kOutput);
    EXPECT_THAT(output, HasSubstr("\"data\":[" + std::to_string(i + 1) + ".0,1.5]"));
    EXPECT_THAT(output, HasSubstr("\"dtype\":\"float32\""));
  }
}

TEST_P(CallCommand, ErrorIsPrintedWithItsTrail) {
  const CommandResult result = call({cluster.url("front"), "rfc.my_add_3", "2000000000", "2000000000", "0"});
  expect_failure(result, kFailed, "UNKNOWN: 2000000000 + 2000000000 does not fit int32 [std::overflow_error]\n");
  EXPECT_THAT(result.error,
              HasSubstr("\n    at node worker, function rfc.my_add_2\n    at node front, function rfc.my_add_3\n"));
}

TEST_P(CallCommand, UnknownFunction) {
  const CommandResult result = call({cluster.url("front"), "rfc.my_add_4", "1"});
  expect_failure(result, kWrongUsage, "UNIMPLEMENTED: function \"rfc.my_add_4\" is not registered");
  EXPECT_THAT(result.error, HasSubstr("\ndid you mean \"rfc.my_add_2\" or \"rfc.my_add_3\"? `onward list " +
                                      cluster.url("front") + "` shows all functions\n"));
  expect_failure(call({"--unchecked", cluster.url("front"), "rfc.my_add_4", "1"}), kFailed,
                 "UNIMPLEMENTED: function \"rfc.my_add_4\" is not registered");
}

TEST_P(CallCommand, WrongArguments) {
  const std::string& front = cluster.url("front");
  const std::string says = ": rfc.my_add_2(int32, int32) -> int32\n    a + b\n";
  expect_failure(call({front, "rfc.my_add_2", "1"}), kWrongUsage, "onward call: it takes 2 arguments, not 1" + says);
  expect_failure(call({front, "rfc.my_add_2", "1", "two"}), kWrongUsage,
                 "onward call: argument 2 must be an int32, not the string \"two\"" + says);
  expect_failure(call({front, "rfc.my_add_2", "1", "3000000000"}), kWrongUsage,
                 "argument 2 must be an int32 (-2147483648 to 2147483647), not 3000000000" + says);
  expect_failure(call({front, "rfc.my_add_2", "1", "2.5"}), kWrongUsage,
                 "argument 2 must be an int32, not the real 2.5" + says);
  expect_failure(call({front, "rfc.my_add_2", "1", "[2"}), kWrongUsage, "argument 2, [2: ");
}

TEST_P(CallCommand, UncheckedArgumentsAreRefusedByTheNode) {
  expect_failure(call({"--unchecked", cluster.url("front"), "rfc.my_add_2", "1"}), kFailed,
                 "it takes 2 arguments and got 1");
  expect_failure(call({"--unchecked", cluster.url("front"), "rfc.my_add_2", "1", "two"}), kFailed,
                 "expected an integer, found a string");
}

TEST_P(CallCommand, SaysHowToSendAString) {
  cluster.start("probe");
  const CommandResult result = call({cluster.url("probe"), "probe.echo", "7"});
  expect_failure(result, kWrongUsage, "argument 1 must be a string, not the integer 7: probe.echo(string) -> string\n");
  EXPECT_THAT(result.error, HasSubstr(R"(write it as a JSON string: '"7"')"));
  EXPECT_EQ(call({cluster.url("probe"), "probe.echo", "\"7\""}).output, "7\n");
  EXPECT_THAT(call({cluster.url("probe"), "probe.echo", R"({"it's": 1})"}).error, HasSubstr(R"('"{\"it'\''s\": 1}"')"));
  EXPECT_EQ(call({cluster.url("probe"), "probe.echo", "seven"}).output, "seven\n");
}

TEST_P(CallCommand, NobodyListens) {
  const CommandResult result = call({cluster.url("nobody"), "rfc.my_add_2", "1", "2"});
  expect_failure(result, kFailed, "UNAVAILABLE: ");
  EXPECT_THAT(result.error, HasSubstr(cluster.url("nobody")));
  EXPECT_THAT(result.error, HasSubstr("is the node running?"));
}

TEST_P(CallCommand, TimeoutEndsACallToANodeThatHangs) {
  cluster.node("worker").freeze();
  const CommandResult through = call({"--timeout", "0.3", cluster.url("front"), "rfc.my_add_3", "1", "2", "3"});
  // Both calls end at the same time: what front says of its own may come before the program says it of the whole.
  expect_failure(through, kFailed, "DEADLINE_EXCEEDED: call of rfc.my_add_");
  expect_failure(through, kFailed, "no answer within ");
  const CommandResult direct = call({"--timeout", "0.3", cluster.url("worker"), "rfc.my_add_2", "1", "2"});
  expect_failure(direct, kFailed, "no answer within 300 ms");
  EXPECT_THAT(direct.error, HasSubstr("it was never sent"));
}

TEST_P(CallCommand, TimeoutOfNothingExpiresAtOnce) {
  expect_failure(call({"--timeout", "0", cluster.url("front"), "rfc.my_add_2", "1", "2"}), kFailed,
                 "DEADLINE_EXCEEDED");
}

TEST_P(CallCommand, NodeThatDiesMeanwhile) {
  cluster.start("mortal");
  const auto client = cluster.client();
  Process command(
      cluster.command({onward_program(), "call", "--timeout", "none", cluster.url("mortal"), "probe.park"}));
  ASSERT_TRUE(outcome_of(rpc_async(*client, "mortal", probe::kAwaitParked, 1)));
  cluster.node("mortal").send_signal(SIGKILL);
  EXPECT_EQ(command.wait_for_end().value_or(Ending()).code, kFailed);
  command.wait_for_close(Process::Stream::kError);
  EXPECT_THAT(command.text(Process::Stream::kError), HasSubstr("UNAVAILABLE: call of probe.park at "));
  EXPECT_THAT(command.text(Process::Stream::kError), HasSubstr("the connection was lost"));
}

TEST_P(CallCommand, ResultThatCannotBePrintedIsAFailure) {
  Process command(cluster.command({"/bin/sh", "-c", "exec \"$0\" \"$@\" > /dev/full", onward_program(), "call",
                                   cluster.url("front"), "rfc.my_add_2", "1", "2"}));
  EXPECT_EQ(command.wait_for_end().value_or(Ending()).code, kFailed);
  command.wait_for_close(Process::Stream::kError);
  EXPECT_THAT(command.text(Process::Stream::kError),
              HasSubstr("onward call: cannot write to standard output: No space left on device"));
}

ONWARD_ON_EVERY_TRANSPORT(CallCommand);

using CallToAnotherVersion = TcpClusterTest;

// Such a node knows no onward.describe.
TEST_F(CallToAnotherVersion, GoesOutUnchecked) {
  const RawListener listener;
  Process command({onward_program(), "call", listener.url(), "f", "1"});
  RawPeer peer = listener.accept();
  peer.send(raw_hello());
  ASSERT_EQ(peer.read_frame().value_or(RawFrame()).header.kind, kRawHello);
  const auto question = peer.read_frame();
  ASSERT_TRUE(question);
  EXPECT_EQ(question->header.function_id, function_id("onward.describe"));
  peer.send(raw_unimplemented(question->header.call_id));
  const auto request = peer.read_frame();
  ASSERT_TRUE(request);
  EXPECT_EQ(request->header.function_id, function_id("f"));
  peer.send(raw_answer(request->header.call_id, "done"));
  EXPECT_EQ(command.wait_for_end().value_or(Ending()).code, 0);
  command.wait_for_close(Process::Stream::kOutput);
  EXPECT_EQ(command.text(Process::Stream::kOutput), "done\n");
}

TEST_F(CallToAnotherVersion, IsNotAskedWhereThatIsNotWanted) {
  const RawListener listener;
  Process command({onward_program(), "call", "--unchecked", listener.url(), "f", "1"});
  RawPeer peer = listener.accept();
  peer.send(raw_hello());
  ASSERT_EQ(peer.read_frame().value_or(RawFrame()).header.kind, kRawHello);
  const auto request = peer.read_frame();
  ASSERT_TRUE(request);
  EXPECT_EQ(request->header.function_id, function_id("f"));
  peer.send(raw_answer(request->header.call_id, "done"));
  EXPECT_EQ(command.wait_for_end().value_or(Ending()).code, 0);
}

using CallToWhatIsNoNode = TcpClusterTest;

TEST_F(CallToWhatIsNoNode, SaysWhatItSaw) {
  const RawListener listener;
  Process command({onward_program(), "call", listener.url(), "f"});
  RawPeer peer = listener.accept();
  peer.send("HTTP/1.1 400 Bad Request\r\n\r\n");
  EXPECT_EQ(command.wait_for_end().value_or(Ending()).code, kFailed);
  command.wait_for_close(Process::Stream::kError);
  EXPECT_THAT(command.text(Process::Stream::kError),
              HasSubstr("it does not speak this protocol: its first bytes are \"HTTP/1.1 400"));
}

TEST_F(CallToWhatIsNoNode, BadUrlsAreWrongUsage) {
  for (const char* url : {"127.0.0.1:7000", "", "tcp:/x"}) {
    EXPECT_EQ(cluster.run({"call", url, "f"}).ending.code, kWrongUsage) << url;
  }
  for (const char* url :
       {"tcp://127.0.0.1", "tcp://127.0.0.1:0", "tcp://127.0.0.1:99999", "gopher://x", "unix://relative"}) {
    const CommandResult result = cluster.run({"call", url, "f"});
    EXPECT_NE(result.ending.code, 0) << url;
    EXPECT_THAT(result.error, HasSubstr("onward call: ")) << url;
  }
}

}  // namespace
}  // namespace onward::testing_support
