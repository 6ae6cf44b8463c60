// SPDX-License-Identifier: Apache-2.0
//
// A node binary of one's own: the same command line under another name, with other modules.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "../transports/tls_fixture.h"
#include "module_list.h"
#include "onward/program.h"

namespace onward {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

struct Outcome {
  int code = -1;
  std::string output;
  std::string error;
};

Outcome run(std::vector<std::string> words, std::vector<const ModuleDescriptor*> modules = {}) {
  words.insert(words.begin(), "/somewhere/my-node");
  std::vector<char*> argv;
  argv.reserve(words.size() + 1);
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  Outcome outcome;
  outcome.code = run_program(
      static_cast<int>(words.size()), argv.data(),
      {.name = "my-node", .version = "2.0", .summary = "a node that greets", .modules = std::move(modules)});
  std::fflush(stdout);
  outcome.output = testing::internal::GetCapturedStdout();
  outcome.error = testing::internal::GetCapturedStderr();
  return outcome;
}

TEST(RunProgram, TellsItsNameAndVersion) {
  EXPECT_EQ(run({"--version"}).output, "my-node 2.0\n");
  const Outcome help = run({"--help"});
  EXPECT_EQ(help.code, 0);
  EXPECT_THAT(help.output, StartsWith("Usage: my-node COMMAND …\n\nA node that greets.\n"));
  EXPECT_THAT(help.error, IsEmpty());
  EXPECT_THAT(run({"man", "call"}).output, HasSubstr("\"my\\-node 2.0\"\n"));
}

TEST(RunProgram, SaysWhatIsWrongInItsName) {
  const Outcome unknown = run({"nod"});
  EXPECT_EQ(unknown.code, 2);
  EXPECT_EQ(unknown.error, "my-node: there is no command \"nod\"; did you mean \"node\"?\nSee `my-node --help`.\n");
  EXPECT_THAT(unknown.output, IsEmpty());
  EXPECT_EQ(run({}).code, 2);
  for (const char* command : {"call", "list"}) {
    const Outcome wrong = run({command, "nowhere", "f"});
    EXPECT_EQ(wrong.code, 2);
    EXPECT_THAT(wrong.error, StartsWith("my-node " + std::string(command) + ": PEER_URL: "));
  }
  const Outcome failed = run({"certs", "issue", "/no/such/folder", "a"});
  EXPECT_EQ(failed.code, 1);
  EXPECT_THAT(failed.error, StartsWith("my-node certs: "));
}

TEST(RunProgram, HasTheModulesThatItWasGiven) {
  const TemporaryFolder folder;
  const std::string file = folder.path() / "node.toml";
  std::ofstream(file) << "name = \"a\"\n[[modules]]\nname = \"rfc\"\n";
  const Outcome without = run({"node", "--check", "--config", file});
  EXPECT_EQ(without.code, 2);
  EXPECT_THAT(without.error, HasSubstr("rfc"));
  const Outcome with = run({"node", "--check", "--config", file}, standard_modules());
  EXPECT_EQ(with.code, 0) << with.error;
  EXPECT_THAT(with.output, HasSubstr("node a would start"));
}

}  // namespace
}  // namespace onward
