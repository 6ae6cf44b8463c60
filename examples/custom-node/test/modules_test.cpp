// SPDX-License-Identifier: Apache-2.0
//
// The modules in a node of this process: no program, no file, no network.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "note_store.h"
#include "onward/init_rpc.h"

ONWARD_LINKED_MODULE(notes);
ONWARD_LINKED_MODULE(watch);

namespace example {
namespace {

using onward::Future;
using onward::remote;
using onward::rpc_async;
using onward::rpc_sync;
using onward::RpcError;
using onward::Setting;
using onward::StatusCode;

const auto kPut = remote<void(Note)>("notes.put");
const auto kGet = remote<Note(std::string)>("notes.get");
const auto kRemove = remote<bool(std::string)>("notes.remove");
const auto kFind = remote<std::vector<Note>(std::string, std::int64_t)>("notes.find");
const auto kNext = remote<Note(std::string)>("watch.next");

onward::NodeOptions with_modules(const onward::Settings& watch = {}) {
  return {.name = "notes",
          .transports = onward::standard_transports(),
          .codecs = onward::standard_codecs(),
          .modules = {
              {.descriptor = &onward_module_notes,
               .arguments = {{"file", Setting{":memory:", "test"}}, {"max_bytes", Setting{std::int64_t{100}, "test"}}}},
              {.descriptor = &onward_module_watch, .arguments = watch}}};
}

// A node that calls itself.
class Modules : public testing::Test {
 protected:
  void start(const onward::Settings& watch = {}) {
    node.emplace(with_modules(watch));
    node->start().throw_if_error();
  }
  template <class Function, class... Arguments>
  auto call(const Function& function, const Arguments&... arguments) {
    return rpc_sync(*node, "notes", function, arguments...);
  }
  template <class Function, class... Arguments>
  StatusCode error_of(const Function& function, const Arguments&... arguments) {
    auto future = rpc_async(*node, "notes", function, arguments...);
    try {
      future.wait();
    } catch (const RpcError& error) {
      return error.code();
    }
    return StatusCode::kOk;
  }

  std::optional<onward::Node> node;
};

TEST_F(Modules, NotesAreKept) {
  start();
  call(kPut, Note{"shopping", "milk"});
  EXPECT_EQ(call(kGet, std::string("shopping")).text, "milk");
  EXPECT_EQ(call(kFind, std::string("milk"), 10).size(), 1U);
  EXPECT_TRUE(call(kRemove, std::string("shopping")));
  EXPECT_EQ(error_of(kGet, std::string("shopping")), StatusCode::kNotFound);
}

TEST_F(Modules, BadNotesAreRefused) {
  start();
  EXPECT_EQ(error_of(kPut, Note{"", "no title"}), StatusCode::kInvalidArgument);
  EXPECT_EQ(error_of(kPut, Note{"t", std::string(99, 'x')}), StatusCode::kOk);
  EXPECT_EQ(error_of(kPut, Note{"t", std::string(100, 'x')}), StatusCode::kInvalidArgument);
  EXPECT_EQ(error_of(kFind, std::string("x"), 0), StatusCode::kInvalidArgument);
}

// Requests of one connection are taken in their order: who asked first waits already when the notes come.
TEST_F(Modules, WhoWaitsIsTold) {
  start();
  const Future<Note> milk = rpc_async(*node, "notes", kNext, std::string("milk"));
  const Future<Note> moon = rpc_async(*node, "notes", kNext, std::string("moon"));
  call(kPut, Note{"shopping", "bread"});
  call(kPut, Note{"tonight", "full moon"});
  EXPECT_EQ(moon.wait().title, "tonight");
  EXPECT_FALSE(milk.done());
  call(kPut, Note{"milk", ""});
  EXPECT_EQ(milk.wait().title, "milk");
}

TEST_F(Modules, NoMoreWaitThanMay) {
  start({{"max_waiting", Setting{std::int64_t{1}, "test"}}});
  const Future<Note> first = rpc_async(*node, "notes", kNext, std::string("a"));
  EXPECT_EQ(error_of(kNext, std::string("a")), StatusCode::kResourceExhausted);
  call(kPut, Note{"a", ""});
  EXPECT_EQ(first.wait().title, "a");
  // Its place is free again.
  const Future<Note> second = rpc_async(*node, "notes", kNext, std::string("b"));
  call(kPut, Note{"b", ""});
  EXPECT_EQ(second.wait().title, "b");
}

TEST_F(Modules, NobodyWaitsForEver) {
  start({{"max_wait_ms", Setting{std::int64_t{1}, "test"}}});
  EXPECT_EQ(error_of(kNext, std::string("a")), StatusCode::kDeadlineExceeded);
}

TEST_F(Modules, WatchNeedsAStore) {
  onward::NodeOptions options = with_modules();
  options.modules.erase(options.modules.begin());
  onward::Node node_without(std::move(options));
  const onward::Status failed = node_without.start();
  EXPECT_NE(failed.message().find("note_store"), std::string::npos) << failed.to_string();
}

}  // namespace
}  // namespace example
