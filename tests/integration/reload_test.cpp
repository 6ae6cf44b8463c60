// SPDX-License-Identifier: Apache-2.0
//
// SIGHUP: a running node takes what can change from its file, and says what cannot.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <string>

#include "cluster.h"

namespace onward::testing_support {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class Reload : public TcpClusterTest {
 protected:
  Reload() : process(cluster.start("n", {.toml = "[calls]\ntimeout_ms = 60000\n"})) {}
  // The line of the log that has `answer`.
  std::string reload(const NodeSetup& setup, std::string_view answer) {
    cluster.write("n.toml", cluster.configuration("n", setup));
    process.send_signal(SIGHUP);
    return process.wait_for_line(Process::Stream::kError, answer).value_or("nothing");
  }

  Process& process;
};

TEST_F(Reload, APeerIsAddedAndCalled) {
  cluster.start("late");
  const std::string line = reload({.peers = {"late"}, .toml = "[calls]\ntimeout_ms = 60000\n"}, "SIGHUP: took");
  EXPECT_THAT(line, AllOf(HasSubstr("n.toml: [peers]"), Not(HasSubstr("timeout"))));
  const auto caller = cluster.client();
  EXPECT_EQ(outcome_of(rpc_async(*caller, "n", probe::kRelayThrow, "late", "there")).error().message(), "there");
}

TEST_F(Reload, TheLogSaysWhatWasTakenAndWhatOnlyARestartChanges) {
  const NodeSetup changed{.toml = "[calls]\ntimeout_ms = 5\n[pool]\nthreads = 3\n[log]\nlevel = \"debug\"\n"};
  EXPECT_THAT(reload(changed, "SIGHUP: took"), HasSubstr("n.toml: [calls] timeout_ms, [log] level"));
  EXPECT_THAT(process.wait_for_line(Process::Stream::kError, "only a restart").value_or(""),
              AllOf(HasSubstr("warning"), HasSubstr("[pool] threads")));
  const auto caller = cluster.client();
  EXPECT_TRUE(outcome_of(rpc_async(*caller, "n", probe::kEcho, "x")));
  EXPECT_TRUE(process.wait_for_line(Process::Stream::kError, "debug")) << "the log level has changed";
}

TEST_F(Reload, AFileWithAnErrorChangesNothing) {
  const NodeSetup wrong{.peers = {}, .toml = "[access]\n\"*\" = []\n[calls]\ntimeout = 5\n"};
  EXPECT_THAT(reload(wrong, "SIGHUP: not reloaded"),
              AllOf(HasSubstr("error"), HasSubstr("n.toml:"), HasSubstr("\"timeout\" is not known")));
  const auto caller = cluster.client();
  EXPECT_EQ(outcome_of(rpc_async(*caller, "n", probe::kEcho, "x")), "x");
}

TEST_F(Reload, WhoMayCallChanges) {
  const auto caller = cluster.client();
  EXPECT_EQ(outcome_of(rpc_async(*caller, "n", probe::kEcho, "x")), "x");
  reload({.toml = "[access]\n\"probe.echo\" = [\"nobody\"]\n"}, "SIGHUP: took");
  EXPECT_EQ(error_of(rpc_async(*caller, "n", probe::kEcho, "x")).code(), StatusCode::kPermissionDenied);
}

}  // namespace
}  // namespace onward::testing_support
