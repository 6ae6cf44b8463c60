// SPDX-License-Identifier: Apache-2.0
//
// What errors carry from node to node: the trail, the detail, and exceptions that come back as themselves.
#include <stdexcept>

#include "node_fixture.h"

namespace onward {
namespace trail {

struct Seats {
  std::int32_t left = 0;
};
ONWARD_MEMBERS(Seats, left)

struct SoldOut : std::runtime_error {
  using std::runtime_error::runtime_error;
};
ONWARD_EXCEPTION(SoldOut, StatusCode::kFailedPrecondition)

struct NoRow : std::exception {
  std::string row;
};
ONWARD_MEMBERS(NoRow, row)
ONWARD_EXCEPTION(NoRow, StatusCode::kNotFound)

}  // namespace trail

namespace {

using namespace std::chrono_literals;
using test::error_of;
using test::kHang;
using ::testing::HasSubstr;

using Text = Future<std::string>;
const auto kDeep = remote<std::string(std::string)>("deep");

// a calls b, which calls c.
class NodeTrailTest : public test::NodeTest {
 protected:
  void start_three(const Register& at_b, const Register& at_c) {
    c = start(options("c"), at_c);
    NodeOptions middle = options("b");
    introduce(middle, "c");
    start_pair(options("a"), std::move(middle), at_b);
  }
  void TearDown() override {
    NodeTest::TearDown();
    c.reset();
  }
  Status called(const std::string& name) {
    return error_of(rpc_async(*a, "b", remote<std::string(std::string)>(name), "x"));
  }

  std::unique_ptr<Node> c;
};

// ---- Hops.

TEST_F(NodeTrailTest, AHandlerAddsItsOwnWords) {
  start_three(
      [](FunctionTable& table) {
        ASSERT_TRUE(
            table
                .add("recovers",
                     [](const std::string& text) {
                       return rpc_async("c", kDeep, text).on_error([](const Status& error) -> Result<std::string> {
                         return std::unexpected(error.with_hop_message("while reserving"));
                       });
                     })
                .ok());
        ASSERT_TRUE(table
                        .add("throws", blocking([](std::string text) -> std::string {
                               try {
                                 return rpc_sync("c", kDeep, text);
                               } catch (const RpcError& error) {
                                 throw RpcError(error.status().with_hop_message("while reserving"));
                               }
                             }))
                        .ok());
      },
      [](FunctionTable& table) {
        ASSERT_TRUE(table
                        .add("deep",
                             [](const std::string&) -> Result<std::string> {
                               return std::unexpected(
                                   Status(StatusCode::kNotFound, "gone").with_hop_message("in row 7"));
                             })
                        .ok());
      });
  for (const std::string name : {"recovers", "throws"}) {
    EXPECT_EQ(called(name).to_string(),
              "NOT_FOUND: gone\n    at node c, function deep: in row 7\n    at node b, function " + name +
                  ": while reserving");
  }
}

TEST_F(NodeTrailTest, WhatANodeFindsItselfBeginsThere) {
  start_three(
      [](FunctionTable& table) {
        const auto never = remote<std::string()>("never");
        ASSERT_TRUE(
            table.add("times_out", [=](const std::string&) { return rpc_async(to("c", {.timeout = 20ms}), never); })
                .ok());
        ASSERT_TRUE(
            table.add("unknown", [](const std::string&) { return rpc_async("c", remote<std::string()>("no_such")); })
                .ok());
        ASSERT_TRUE(table
                        .add("nobody",
                             [](const std::string&) {
                               return rpc_async(to("inproc://nobody", {.fail_fast = true}), kDeep, "");
                             })
                        .ok());
        ASSERT_TRUE(table.add("breaks", [](const std::string&) { return Text(); }).ok());
      },
      [](FunctionTable& table) { ASSERT_TRUE(table.add("never", [held = Text()] { return held; }).ok()); });
  const auto expect = [&](const std::string& name, StatusCode code, const std::string& message,
                          std::vector<Hop> trail) {
    const Status status = called(name);
    EXPECT_EQ(status.code(), code) << status.to_string();
    EXPECT_THAT(status.message(), HasSubstr(message));
    EXPECT_EQ(status.trail(), trail) << status.to_string();
  };
  expect("times_out", StatusCode::kDeadlineExceeded, "call of never at c (inproc://c): no answer within 20 ms",
         {{"b", "times_out", ""}});
  expect("unknown", StatusCode::kUnimplemented, "\"no_such\" is not registered at c",
         {{"c", "", ""}, {"b", "unknown", ""}});
  expect("nobody", StatusCode::kUnavailable, "call of deep at inproc://nobody", {{"b", "nobody", ""}});
  expect("breaks", StatusCode::kAborted, "broken promise", {{"b", "breaks", ""}});
}

// A node that calls itself, 100 deep: the innermost 64 hops are kept.
TEST_F(NodeTrailTest, ALongTrailKeepsItsInnermostHops) {
  start_pair([](FunctionTable& table) {
    ASSERT_TRUE(table
                    .add("down",
                         [](int depth) -> Future<int> {
                           if (depth == 0) return Future<int>::failed({StatusCode::kNotFound, "the bottom"});
                           return rpc_async("b", remote<int(int)>("down"), depth - 1)
                               .on_error([=](const Status& error) -> Result<int> {
                                 return std::unexpected(error.with_hop_message(std::to_string(depth)));
                               });
                         })
                    .ok());
  });
  const Status status = error_of(rpc_async(*a, "b", remote<int(int)>("down"), 100));
  ASSERT_EQ(status.trail().size(), Status::kMaxHops);
  EXPECT_EQ(status.trail()[0], (Hop{"b", "down", ""}));
  EXPECT_EQ(status.trail()[1], (Hop{"b", "down", "1"}));
  EXPECT_EQ(status.trail().back(), (Hop{"b", "down", "63"}));
  EXPECT_EQ(status.message(), "the bottom");
}

// ---- Details.

TEST_F(NodeTrailTest, ADetailSurvivesHopsOverCodecsThatCannotCarryIt) {
  const auto raw = remote<Buffer(Buffer)>("deep");
  start_three(
      [=](FunctionTable& table) {
        ASSERT_TRUE(
            table.add("by_raw", [=](const Buffer& bytes) { return rpc_async(to("c", {.codec = "raw"}), raw, bytes); })
                .ok());
      },
      [](FunctionTable& table) {
        ASSERT_TRUE(
            table
                .add("deep",
                     [](const Buffer&) -> Buffer {
                       throw RpcError(
                           Status(StatusCode::kFailedPrecondition, "taken").with_detail(trail::Seats{.left = 2}));
                     })
                .ok());
      });
  for (const char* codec : {"raw", "flex"}) {
    const Status status =
        error_of(rpc_async(*a, to("b", {.codec = codec}), remote<Buffer(Buffer)>("by_raw"), Buffer()));
    const auto seats = status.detail<trail::Seats>();
    ASSERT_TRUE(seats) << status.to_string();
    EXPECT_EQ(seats->left, 2);
    EXPECT_EQ(status.trail().size(), 2U);
  }
}

TEST_F(NodeTrailTest, NodesWithoutFlexPassADetailOn) {
  const auto bytes = remote<Buffer(Buffer)>("deep");
  NodeOptions last = options("c");
  last.codecs = {make_raw_codec()};
  last.codec = "raw";
  c = start(std::move(last), [](FunctionTable& table) {
    ASSERT_TRUE(table
                    .add("deep",
                         [](const Buffer&) -> Buffer {
                           throw RpcError(Status(StatusCode::kAborted, "x").with_detail(std::vector<int>{1, 2}));
                         })
                    .ok());
  });
  NodeOptions middle = options("b");
  introduce(middle, "c");
  middle.codecs = {make_raw_codec()};
  middle.codec = "raw";
  start_pair(options("a"), std::move(middle), [=](FunctionTable& table) {
    ASSERT_TRUE(table.add("relay", [=](const Buffer& it) { return rpc_async("c", bytes, it); }).ok());
  });
  const Status status = error_of(rpc_async(*a, to("b", {.codec = "raw"}), remote<Buffer(Buffer)>("relay"), Buffer()));
  EXPECT_EQ(status.detail<std::vector<int>>(), (std::vector<int>{1, 2})) << status.to_string();
}

TEST_F(NodeTrailTest, ADetailThatTheCallerWouldNotTakeIsLeftOutAndTheTrailKept) {
  NodeOptions client = options("a");
  client.limits.max_body_bytes = 2'000;
  start_pair(std::move(client), options("b"), [](FunctionTable& table) {
    ASSERT_TRUE(table
                    .add("fails",
                         [](int bytes) -> int {
                           throw RpcError(Status(StatusCode::kNotFound, "gone")
                                              .with_hop_message("here")
                                              .with_detail(std::string(static_cast<std::size_t>(bytes), 'x')));
                         })
                    .ok());
  });
  const auto fails = remote<int(int)>("fails");
  EXPECT_EQ(error_of(rpc_async(*a, "b", fails, 1'000)).detail<std::string>()->size(), 1'000U);
  const Status cut = error_of(rpc_async(*a, "b", fails, 30'000));
  EXPECT_EQ(cut.to_string(),
            "NOT_FOUND: gone (its detail string was left out: the peer accepts errors of 2000 bytes)\n"
            "    at node b, function fails: here");
  EXPECT_EQ(lines.count("ended"), 0U) << lines.text();
}

// ---- Exceptions.

TEST_F(NodeTrailTest, ARegisteredExceptionComesBackAsItselfOverTwoHops) {
  const auto fails = [](const std::string& how) -> std::string {
    if (how == "text") throw trail::SoldOut("no tickets");
    trail::NoRow error;
    error.row = "Q";
    throw error;
  };
  start_three(
      [](FunctionTable& table) {
        ASSERT_TRUE(table.add("passes", [](const std::string& how) { return rpc_async("c", kDeep, how); }).ok());
        ASSERT_TRUE(table.add("waits", blocking([](std::string how) { return rpc_sync("c", kDeep, how); })).ok());
        ASSERT_TRUE(table
                        .add("in_callback",
                             [](const std::string& how) {
                               const Text call = rpc_async("c", kDeep, how);
                               Future<void> done;
                               call.on_done([done](const auto&) { done.mark_complete(); });
                               return done.then([call] { return call.value(); });
                             })
                        .ok());
      },
      [=](FunctionTable& table) { ASSERT_TRUE(table.add("deep", fails).ok()); });
  for (const std::string name : {"passes", "waits", "in_callback"}) {
    const auto function = remote<std::string(std::string)>(name);
    try {
      static_cast<void>(rpc_sync(*a, "b", function, "text"));
      ADD_FAILURE() << name;
    } catch (const trail::SoldOut& error) {
      EXPECT_STREQ(error.what(), "no tickets");
      const auto& status = dynamic_cast<const StatusCarrier&>(error).status();
      EXPECT_EQ(status.to_string(),
                "FAILED_PRECONDITION: no tickets [onward::trail::SoldOut]\n    at node c, function deep\n"
                "    at node b, function " +
                    name);
    }
    try {
      static_cast<void>(rpc_async(*a, "b", function, "row").wait(kHang));
      ADD_FAILURE() << name;
    } catch (const trail::NoRow& error) {
      EXPECT_EQ(error.row, "Q");
    }
  }
}

// ---- Failures that nobody looks at.

TEST_F(NodeTrailTest, ACallThatNobodyLooksAtIsReportedOnceWithTheLineThatMadeIt) {
  start_three([](FunctionTable&) {}, [](FunctionTable&) {});
  const auto reports = [&] { return lines.count("never looked at"); };
  const auto line = [](int number) { return "node_trail_test.cpp:" + std::to_string(number) + "; add on_error()"; };
  const auto missing = remote<int(int)>("missing");
  const auto after_all = [&] { static_cast<void>(error_of(rpc_async(*a, "b", missing, 0))); };

  const int by_name = __LINE__ + 1;
  static_cast<void>(rpc_async(*a, "b", missing, 1));
  ASSERT_TRUE(lines.wait_for(line(by_name))) << lines.text();
  EXPECT_EQ(lines.count("\"missing\" is not registered at b (inproc://b)"), 1U) << lines.text();

  const int with_options = __LINE__ + 1;
  static_cast<void>(rpc_async(*a, to("b", {.timeout = kHang}), missing, 1));
  ASSERT_TRUE(lines.wait_for(line(with_options))) << lines.text();

  const PeerHandle peer = a->peer("b");
  const int by_handle = __LINE__ + 1;
  static_cast<void>(rpc_async(*a, peer, missing, 1));
  ASSERT_TRUE(lines.wait_for(line(by_handle))) << lines.text();
  after_all();
  EXPECT_EQ(reports(), 3U) << lines.text();

  static_cast<void>(rpc_async(*a, "b", missing, 1).then([](int x) { return x; }).then([](int x) { return x; }));
  while (reports() < 4) std::this_thread::yield();
  static_cast<void>(when_all(std::vector{rpc_async(*a, "b", missing, 1), rpc_async(*a, "b", missing, 2)}));
  while (reports() < 5) std::this_thread::yield();
  after_all();
  EXPECT_EQ(reports(), 5U) << lines.text();
}

TEST_F(NodeTrailTest, WhatWasCancelledIsNotReported) {
  start_pair([](FunctionTable& table) {
    ASSERT_TRUE(table.add("gives_up", []() -> int { throw RpcError(StatusCode::kCancelled, "nobody waits"); }).ok());
  });
  static_cast<void>(rpc_async(*a, "b", remote<int()>("gives_up")));
  EXPECT_EQ(error_of(rpc_async(*a, "b", remote<int()>("gives_up"))).code(), StatusCode::kCancelled);
  a.reset();
  EXPECT_EQ(lines.count("never looked at"), 0U) << lines.text();
}

}  // namespace
}  // namespace onward
