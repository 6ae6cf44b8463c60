// SPDX-License-Identifier: Apache-2.0
//
// The program as its user runs it: configured by a file, called from another process, ended by a signal.
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <string>

#include "note_store.h"
#include "onward/init_rpc.h"

namespace example {
namespace {

using onward::remote;
using onward::rpc_sync;

const auto kPut = remote<void(Note)>("notes.put");
const auto kGet = remote<Note(std::string)>("notes.get");

std::string scratch(const std::string& name) {
  return testing::TempDir() + "notes-" + std::to_string(::getpid()) + "-" + name;
}

// A running notes-node.
class Program {
 public:
  explicit Program(const std::string& configuration) {
    std::array<int, 2> output{};
    EXPECT_EQ(::pipe(output.data()), 0);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, output[1], STDOUT_FILENO);
    ::posix_spawn_file_actions_addclose(&actions, output[0]);
    std::string words[] = {NOTES_NODE, "node", "--config", configuration};
    char* const arguments[] = {words[0].data(), words[1].data(), words[2].data(), words[3].data(), nullptr};
    EXPECT_EQ(::posix_spawn(&process_, NOTES_NODE, &actions, nullptr, arguments, ::environ), 0);
    ::posix_spawn_file_actions_destroy(&actions);
    ::close(output[1]);
    output_ = output[0];
  }
  ~Program() {
    if (process_ > 0) stop();
    ::close(output_);
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  // Where it listens, once it does: its first line is "ready NAME URL".
  std::string url() {
    std::string line;
    for (char next = 0; ::read(output_, &next, 1) == 1 && next != '\n';) line += next;
    EXPECT_EQ(line.rfind("ready notes tcp://", 0), 0U) << line;
    return line.substr(line.rfind(' ') + 1);
  }
  // The exit code.
  int stop() {
    ::kill(process_, SIGTERM);
    int status = -1;
    ::waitpid(process_, &status, 0);
    process_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

 private:
  pid_t process_ = -1;
  int output_ = -1;
};

std::string output_of(const std::string& command) {
  std::string text;
  FILE* const pipe = ::popen(command.c_str(), "r");
  for (int next = std::fgetc(pipe); next != EOF; next = std::fgetc(pipe)) text += static_cast<char>(next);
  EXPECT_EQ(::pclose(pipe), 0) << command;
  return text;
}

class NotesNode : public testing::Test {
 protected:
  NotesNode() {
    std::ofstream(configuration) << "name = \"notes\"\n"
                                    "listen = [\"tcp://127.0.0.1:0\"]\n"
                                    "[[modules]]\nname = \"notes\"\nfile = \""
                                 << file << "\"\n[[modules]]\nname = \"watch\"\n";
    onward::init_rpc({.name = "test"});
  }
  ~NotesNode() override {
    onward::shutdown();
    ::unlink(configuration.c_str());
    ::unlink(file.c_str());
  }

  std::string configuration = scratch("node.toml");
  std::string file = scratch("notes.db");
};

TEST_F(NotesNode, KeepsNotesFromOneStartToTheNext) {
  {
    Program program(configuration);
    rpc_sync(program.url(), kPut, Note{"shopping", "milk"});
    EXPECT_EQ(program.stop(), 0);
  }
  Program program(configuration);
  EXPECT_EQ(rpc_sync(program.url(), kGet, std::string("shopping")).text, "milk");
  EXPECT_EQ(program.stop(), 0);
}

TEST_F(NotesNode, DescribesItself) {
  Program program(configuration);
  const std::string list = output_of(std::string(NOTES_NODE) + " list " + program.url());
  for (const char* line :
       {"notes.find(string, int64) -> list<Note>", "watch.next(string) -> Note", "keeps notes in a file"}) {
    EXPECT_NE(list.find(line), std::string::npos) << line << " is not in\n" << list;
  }
}

}  // namespace
}  // namespace example
