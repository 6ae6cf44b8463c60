// SPDX-License-Identifier: Apache-2.0
//
// `onward list`: what nodes tell about themselves, to whom, and what is printed of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "cluster.h"
#include "raw_peer.h"

namespace onward::testing_support {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

const std::string kRfc = "[[modules]]\nname = \"rfc\"\n";

class ListCommand : public ClusterTest {
 protected:
  CommandResult list(const std::vector<std::string>& arguments) {
    std::vector<std::string> all = {"list"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    return cluster.run(all);
  }
  static void expect_failure(const CommandResult& result, int code, const std::string& message) {
    EXPECT_EQ(result.ending.code, code) << result.ending.to_string();
    EXPECT_THAT(result.output, IsEmpty());
    EXPECT_THAT(result.error, HasSubstr(message));
  }
};

TEST_P(ListCommand, PrintsWhatANodeIs) {
  cluster.start("worker", {.toml = "[limits]\nmax_in_flight = 4711\n[calls]\ntimeout_ms = \"none\"\n"});
  const CommandResult result = list({cluster.url("worker")});
  EXPECT_EQ(result.ending.code, 0);
  EXPECT_THAT(result.error, IsEmpty());
  EXPECT_THAT(result.output, StartsWith("node worker, onward " + std::string(kRelease) + "\n"));
  EXPECT_THAT(result.output, testing::ContainsRegex("\n  probe.add\\(int32, int32\\) -> int32 +direct\n"));
  EXPECT_THAT(result.output, testing::ContainsRegex("\n  probe.park\\(\\) -> string +async\n"));
  EXPECT_THAT(result.output, testing::ContainsRegex("\n  probe.hang\\(\\) -> void +blocking\n"));
  EXPECT_THAT(result.output, HasSubstr("\n  Statistics{connections: uint64, calls_in_flight: uint64, "));
  EXPECT_THAT(result.output, testing::ContainsRegex("\n  probe +1.0 +linked in +what the integration tests"));
  EXPECT_THAT(result.output, HasSubstr("\n  listens on  " + cluster.url("worker")));
  EXPECT_THAT(result.output, HasSubstr("\n  codecs      flex (1), flatbuffers (2), raw (3)\n"));
  EXPECT_THAT(result.output, testing::ContainsRegex("\n  max_in_flight +4711\n"));
  EXPECT_THAT(result.output, testing::ContainsRegex("\n  timeout_ms +none\n"));
  EXPECT_THAT(result.output, Not(HasSubstr("onward.describe")));
}

TEST_P(ListCommand, PrintsOneFunction) {
  cluster.start("worker");
  const CommandResult result = list({cluster.url("worker"), "probe.statistics"});
  EXPECT_EQ(result.ending.code, 0);
  EXPECT_EQ(result.output,
            "probe.statistics() -> Statistics\n"
            "\n"
            "  runs    blocking\n"
            "  node    worker\n"
            "  module  probe\n"
            "  struct  Statistics{connections: uint64, calls_in_flight: uint64, requests_in_flight: uint64}\n");
  EXPECT_THAT(list({cluster.url("worker"), "onward.describe"}).output,
              StartsWith("onward.describe(string) -> any\n    What this node is"));
}

TEST_P(ListCommand, PrintsNamesForScripts) {
  cluster.start_plain("worker", {.toml = kRfc});
  EXPECT_EQ(list({"--names", cluster.url("worker")}).output,
            "rfc.batch.batch_add\nrfc.chained.my_add_3\nrfc.fan_out.my_add_4\nrfc.identity\nrfc.my_add_2\n"
            "rfc.my_add_3\nrfc.nested.my_add_2\nrfc.nested.my_add_3\n");
  EXPECT_EQ(list({"--names", cluster.url("worker"), "rfc.identity"}).output, "rfc.identity\n");
  EXPECT_THAT(list({cluster.url("worker")}).output,
              testing::ContainsRegex("\n  rfc.identity\\(int32\\) -> int32 +direct\n      gives its argument back\n"));
}

TEST_P(ListCommand, PrintsJsonForPrograms) {
  cluster.start_plain("worker", {.toml = kRfc});
  const CommandResult result = list({"--json", cluster.url("worker"), "rfc.my_add_2"});
  EXPECT_EQ(result.ending.code, 0);
  EXPECT_EQ(result.output.find('\n'), result.output.size() - 1);
  EXPECT_THAT(result.output, HasSubstr(R"("functions":[{"documentation":"a + b","module":"rfc","name":"rfc.my_add_2",)"
                                       R"("runs":"direct","signature":"(int32, int32) -> int32","structs":[]}])"));
  EXPECT_THAT(result.output,
              AllOf(HasSubstr(R"("node":"worker")"), HasSubstr(R"("transports":["tcp",)"),
                    HasSubstr(R"({"id":1,"name":"flex"})"), HasSubstr(R"("limits":{"max_body_bytes":)")));
}

TEST_P(ListCommand, SuggestsWhatMayHaveBeenMeant) {
  cluster.start_plain("worker", {.toml = kRfc});
  expect_failure(list({cluster.url("worker"), "my_add_2"}), kFailed,
                 "onward list: node worker has no function \"my_add_2\" that the caller may call; did you mean "
                 "\"rfc.my_add_2\" or ");
  expect_failure(list({"--json", cluster.url("worker"), "quite.another"}), kFailed,
                 "; `onward list " + cluster.url("worker") + "` shows those that it has\n");
}

TEST_P(ListCommand, ANodeMayKeepItToItself) {
  cluster.start_plain("worker", {.toml = kRfc + "[reflection]\nenabled = false\n"});
  expect_failure(list({cluster.url("worker")}), kFailed,
                 "onward list: UNIMPLEMENTED: reflection is switched off at this node\n    at node worker");
  EXPECT_EQ(cluster.run({"call", cluster.url("worker"), "rfc.my_add_2", "1", "2"}).output, "3\n");
  expect_failure(cluster.run({"call", cluster.url("worker"), "rfc.my_add_2", "1"}), kFailed,
                 "it takes 2 arguments and got 1");
}

TEST_P(ListCommand, AccessRulesHoldOfIt) {
  cluster.start_plain("worker", {.toml = kRfc + "[access]\n\"onward.*\" = []\n"});
  expect_failure(list({cluster.url("worker")}), kFailed, "PERMISSION_DENIED: ");
  EXPECT_EQ(cluster.run({"call", cluster.url("worker"), "rfc.my_add_2", "1", "2"}).output, "3\n");
}

TEST_P(ListCommand, ShowsWhatTheCallerMayCallAndNothingElse) {
  cluster.start_plain("worker", {.toml = kRfc + "[access]\n\"rfc.*\" = []\n\"rfc.my_*\" = [\"*\"]\n"});
  EXPECT_EQ(list({"--names", cluster.url("worker")}).output, "rfc.my_add_2\nrfc.my_add_3\n");
  expect_failure(list({cluster.url("worker"), "rfc.identity"}), kFailed, "no function \"rfc.identity\"");
  // A call says why.
  expect_failure(cluster.run({"call", cluster.url("worker"), "rfc.identity", "1"}), kFailed,
                 "may not call rfc.identity here");
}

TEST_P(ListCommand, NobodyListens) {
  expect_failure(list({cluster.url("nobody")}), kFailed, "onward list: UNAVAILABLE: ");
}

TEST_P(ListCommand, GivesUpOnANodeThatHangs) {
  cluster.start_plain("worker", {});
  cluster.node("worker").freeze();
  expect_failure(list({"--timeout", "0.3", cluster.url("worker")}), kFailed, "no answer within 300 ms");
}

ONWARD_ON_EVERY_TRANSPORT(ListCommand);

using ListAnotherVersion = TcpClusterTest;

TEST_F(ListAnotherVersion, SaysThatItIsOlder) {
  const RawListener listener;
  Process command({onward_program(), "list", listener.url()});
  RawPeer peer = listener.accept();
  peer.send(raw_hello());
  ASSERT_EQ(peer.read_frame().value_or(RawFrame()).header.kind, kRawHello);
  peer.send(raw_unimplemented(peer.read_frame().value_or(RawFrame()).header.call_id));
  EXPECT_EQ(command.wait_for_end().value_or(Ending()).code, kFailed);
  command.wait_for_close(Process::Stream::kError);
  EXPECT_EQ(command.text(Process::Stream::kError), "onward list: the node at " + listener.url() +
                                                       " does not say what it has: it is older than this program\n");
}

// What a peer says must not steer the terminal.
TEST_F(ListAnotherVersion, PrintsNothingThatIsNotText) {
  const RawListener listener;
  Process command({onward_program(), "list", listener.url()});
  RawPeer peer = listener.accept();
  peer.send(raw_hello());
  ASSERT_EQ(peer.read_frame().value_or(RawFrame()).header.kind, kRawHello);
  const auto question = peer.read_frame();
  ASSERT_TRUE(question);
  peer.send(raw_result(question->header.call_id, [](Encoder& out) {
    out.begin_map(2);
    out.key("node");
    out.string("\x1b[2Jworker");
    out.key("functions");
    out.begin_sequence(1);
    out.begin_map(2);
    out.key("name");
    out.string("f\x1b[31m");
    out.key("documentation");
    out.string("first\r\nsecond\x07");
    out.end_map();
    out.end_sequence();
    out.end_map();
  }));
  EXPECT_EQ(command.wait_for_end().value_or(Ending()).code, 0);
  command.wait_for_close(Process::Stream::kOutput);
  const std::string output = command.text(Process::Stream::kOutput);
  EXPECT_THAT(output, StartsWith("node ?[2Jworker, onward \n"));
  EXPECT_THAT(output, HasSubstr("\n  f?[31m\n      first?\n      second?\n"));
  EXPECT_THAT(output, AllOf(Not(HasSubstr("\x1b")), Not(HasSubstr("\x07")), Not(HasSubstr("\r"))));
}

TEST_F(ListAnotherVersion, WrongUsage) {
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{"list"},
                                             {"list", "nothing"},
                                             {"list", "tcp://127.0.0.1:1", "f", "g"},
                                             {"list", "--json", "--names", "tcp://127.0.0.1:1"},
                                             {"list", "--timeout", "soon", "tcp://127.0.0.1:1"}}) {
    const CommandResult result = cluster.run(arguments);
    EXPECT_EQ(result.ending.code, kWrongUsage) << arguments.back();
    EXPECT_THAT(result.output, IsEmpty());
    EXPECT_THAT(result.error, StartsWith("onward"));
  }
}

}  // namespace
}  // namespace onward::testing_support
