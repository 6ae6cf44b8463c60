// SPDX-License-Identifier: Apache-2.0
//
// Requests that wait for the kernel thread.
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "node_load_fixture.h"

namespace onward {
namespace {

using namespace std::chrono_literals;
using test::ScriptedPeer;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class NodeQueueTest : public test::NodeLoadTest {
 protected:
  void start_queue() {
    start_limited(
        [](NodeOptions&) {},
        [this](FunctionTable& table) {
          ASSERT_TRUE(table.add("waiting", [this] { return static_cast<int>(b->statistics().requests_waiting); }).ok());
          // Begins a turn that takes long, once all that the test says has been said.
          ASSERT_TRUE(table
                          .add("begin",
                               [this] {
                                 begun.set();
                                 EXPECT_TRUE(said.wait());
                                 clock.advance(10ms);
                               })
                          .ok());
          ASSERT_TRUE(table
                          .add("note",
                               [this](const std::string& name) {
                                 noted.push_back(name);
                                 clock.advance(10ms);
                               })
                          .ok());
          ASSERT_TRUE(table.add("stop reading", [this] { stalled->set_queued(std::size_t{1} << 30); }).ok());
          ASSERT_TRUE(table.add("job", blocking([this] { job_ran.set(); })).ok());
          ASSERT_TRUE(table.add("await job", [this] { EXPECT_TRUE(job_ran.wait()); }).ok());
        });
  }
  static Message note(const std::string& name, std::uint64_t call_id) { return text_request("note", name, call_id); }
  template <class... Messages>
  static void say_all(const PeerPtr& peer, Messages... messages) {
    std::vector<Message> all;
    (all.push_back(std::move(messages)), ...);
    ScriptedPeer::say(peer, std::move(all));
  }
  static int answer_to(const PeerPtr& peer, std::uint64_t call_id) {
    const auto message = peer->next(MessageKind::kResponse);
    EXPECT_EQ(message ? message->header.call_id : 0, call_id);
    int value = -1;
    if (!message) return value;
    InboundMessage inbound{
        .header = message->header, .body = message->payload.body.bytes(), .storage = &message->payload.body};
    EXPECT_TRUE(make_flex_codec()->decode(inbound, [&](Decoder& decoder) { decode_value(decoder, value); }).ok());
    return value;
  }
  // Until a turn has passed in which the clock stood still: what comes now has come just now.
  void settle() { static_cast<void>(b->statistics()); }

  test::Event job_ran;
  test::Event begun;
  test::Event said;
  std::vector<std::string> noted;  // kernel thread
};

TEST_F(NodeQueueTest, WhatComesInALongTurnWaitsAndRunsInOrder) {
  start_queue();
  const PeerPtr peer = enter("peer");
  say_all(peer, advance_request(10, 1), plain_request("waiting", 2), plain_request("waiting", 3), add_request(1, 2, 4));
  EXPECT_TRUE(peer->next(MessageKind::kResponse));
  EXPECT_EQ(answer_to(peer, 2), 2);
  EXPECT_EQ(answer_to(peer, 3), 1);
  EXPECT_EQ(answer_to(peer, 4), 3);
  say_all(peer, plain_request("waiting", 5), plain_request("waiting", 6));
  EXPECT_EQ(answer_to(peer, 5), 0);
  EXPECT_EQ(answer_to(peer, 6), 0);
}

TEST_F(NodeQueueTest, AsyncFunctionsKeepTheirPlace) {
  start_queue();
  const PeerPtr peer = enter("peer");
  say_all(peer, advance_request(10, 1), advance_request(1, 2), hold_request(3), add_request(1, 2, 4));
  for (const std::uint64_t id : {1U, 2U, 4U}) {
    const auto message = peer->next(MessageKind::kResponse);
    ASSERT_TRUE(message);
    EXPECT_EQ(message->header.call_id, id);
  }
  EXPECT_EQ(count_held(), 1U);
  answer_one();
  EXPECT_EQ(answer_to(peer, 3), 1);
}

TEST_F(NodeQueueTest, JobsOfThePoolDoNotStandInLine) {
  start_queue();
  const PeerPtr peer = enter("peer");
  say_all(peer, advance_request(10, 1), plain_request("await job", 2), plain_request("job", 3));
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(peer->next(MessageKind::kResponse));
}

TEST_F(NodeQueueTest, ConnectionsAreServedInTurn) {
  start_queue();
  const PeerPtr p = enter("p");
  const PeerPtr q = enter("q");
  say_all(p, plain_request("begin", 1), note("p1", 2), note("p2", 3), note("p3", 4), note("p4", 5), note("p5", 6));
  ASSERT_TRUE(begun.wait());
  say_all(q, note("q1", 1), note("q2", 2));
  said.set();
  for (int i = 0; i < 6; ++i) ASSERT_TRUE(p->next(MessageKind::kResponse));
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(q->next(MessageKind::kResponse));
  // One a turn. q is heard in the one that begins with p1, and stands behind p then.
  EXPECT_THAT(noted, ElementsAre("p1", "p2", "q1", "p3", "q2", "p4", "p5"));
}

TEST_F(NodeQueueTest, ACancelledOneDoesNotBegin) {
  start_queue();
  const PeerPtr peer = enter("peer");
  say_all(peer, advance_request(10, 1), note("first", 2), note("cancelled", 3), note("last", 4),
          wire::bare(MessageKind::kCancel, 3), wire::bare(MessageKind::kCancel, 99));
  for (const std::uint64_t id : {1U, 2U, 4U}) {
    const auto message = peer->next(MessageKind::kResponse);
    ASSERT_TRUE(message);
    EXPECT_EQ(message->header.call_id, id);
  }
  EXPECT_THAT(noted, ElementsAre("first", "last"));
  EXPECT_EQ(b->statistics().permits, 0U);
  EXPECT_EQ(b->statistics().requests_in_flight, 0U);
  // What it has cancelled then is forgotten.
  say_all(peer, advance_request(10, 5), note("again", 3), note("not there then", 99));
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(peer->next(MessageKind::kResponse));
  EXPECT_THAT(noted, ElementsAre("first", "last", "again", "not there then"));
}

TEST_F(NodeQueueTest, OneThatWouldWaitForHalfOfItsTimeIsRefusedWhenItComes) {
  start_queue();
  const PeerPtr peer = enter("peer");
  say_all(peer, advance_request(10, 1), advance_request(20, 2));  // the second is measured
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(peer->next(MessageKind::kResponse));
  settle();
  say_all(peer, advance_request(10, 3), with_timeout(advance_request(20, 4), 100),
          with_timeout(advance_request(20, 5), 100), with_timeout(advance_request(20, 6), 100),
          with_timeout(advance_request(20, 7), 100), with_timeout(advance_request(20, 8), 121), advance_request(20, 9));
  const auto refusal = peer->next(MessageKind::kError);
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->header.call_id, 7U) << "60 of 100 ms";
  EXPECT_EQ(error_in(refusal).code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(error_in(refusal).message(), HasSubstr("would have to wait for more than half of its time"));
  for (const std::uint64_t id : {4U, 5U, 6U}) {
    const auto message = peer->next(MessageKind::kResponse);
    ASSERT_TRUE(message);
    EXPECT_EQ(message->header.call_id, id);
  }
  // It was expected to wait for 60 ms, and did so for 70.
  EXPECT_THAT(error_in(peer->next(MessageKind::kError)).message(), HasSubstr("has waited for more than half"));
  ASSERT_TRUE(peer->next(MessageKind::kResponse));
  EXPECT_EQ(b->statistics().shed, 2U);
  EXPECT_EQ(b->statistics().permits, 0U);
}

TEST_F(NodeQueueTest, WhatHasExpiredInTheQueueDoesNotBegin) {
  start_queue();
  const PeerPtr peer = enter("peer");
  say_all(peer, advance_request(10, 1), advance_request(50, 2), with_timeout(hold_request(3), 60),
          with_timeout(hold_request(4), 61));
  EXPECT_EQ(error_in(peer->next(MessageKind::kError)).code(), StatusCode::kDeadlineExceeded);
  ASSERT_TRUE(wait_until_held(1));
  EXPECT_EQ(b->statistics().expired, 1U);
  answer_one();
  EXPECT_EQ(answer_to(peer, 4), 1);
}

TEST_F(NodeQueueTest, NothingOfAConnectionThatIsGoneBegins) {
  start_queue();
  const PeerPtr gone = enter("gone");
  const PeerPtr stays = enter("stays");
  say_all(gone, plain_request("begin", 1), note("begins before it goes", 2), note("lost", 3), note("lost", 4));
  ASSERT_TRUE(begun.wait());
  ScriptedPeer::hang_up(gone, Status(StatusCode::kUnavailable, "pulled out"));
  say_all(stays, note("of another", 1));
  said.set();
  ASSERT_TRUE(stays->next(MessageKind::kResponse));
  settle();
  EXPECT_THAT(noted, ElementsAre("begins before it goes", "of another"));
  EXPECT_EQ(b->statistics().requests_waiting, 0U);
  EXPECT_EQ(b->statistics().permits, 0U);
}

TEST_F(NodeQueueTest, APeerThatDoesNotReadItsAnswersIsNotServedOn) {
  start_queue();
  const PeerPtr peer = stalled = enter("peer");
  const PeerPtr other = enter("other");
  say_all(peer, plain_request("begin", 1), plain_request("stop reading", 2), note("answered", 3), note("waits", 4));
  ASSERT_TRUE(begun.wait());
  say_all(other, note("other", 1));
  said.set();
  ASSERT_TRUE(other->next(MessageKind::kResponse));
  ASSERT_TRUE(peer->wait_paused(true));
  settle();
  EXPECT_EQ(b->statistics().requests_waiting, 2U);
  ScriptedPeer::drain(peer);
  EXPECT_TRUE(peer->wait_paused(false));
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(peer->next(MessageKind::kResponse));
  EXPECT_THAT(noted, ElementsAre("other", "answered", "waits"));
}

TEST_F(NodeQueueTest, AFullLineIsNotReadIntoUntilHalfOfItIsDone) {
  start_queue();
  const PeerPtr peer = enter("peer");
  std::vector<Message> many;
  many.push_back(plain_request("begin", 1));
  constexpr std::uint64_t kMost = 4096;
  for (std::uint64_t id = 2; id < 2 + kMost; ++id) many.push_back(add_request(1, 2, id));
  many.push_back(plain_request("waiting", 2 + kMost));
  ScriptedPeer::say(peer, std::move(many));
  said.set();
  for (std::uint64_t i = 0; i < kMost + 2; ++i) ASSERT_TRUE(peer->next(MessageKind::kResponse));
  EXPECT_EQ(peer->pauses(), 1U);
  EXPECT_TRUE(peer->wait_paused(false));
  EXPECT_EQ(b->statistics().permits, 0U);
}

TEST_F(NodeQueueTest, APeerThatDoesNotReadKeepsNobodyWaiting) {
  start_queue();
  const PeerPtr frozen = stalled = enter("frozen");
  const PeerPtr other = enter("other");
  std::vector<Message> many;
  many.push_back(plain_request("begin", 1));
  many.push_back(plain_request("stop reading", 2));
  for (std::uint64_t id = 3; id < 5000; ++id) many.push_back(add_request(1, 2, id));
  said.set();
  ScriptedPeer::say(frozen, std::move(many));
  ASSERT_TRUE(frozen->wait_paused(true));
  // Not even behind the frozen one, in its turn.
  say_all(other, plain_request("waiting", 1), advance_request(10, 2), note("waits a little", 3));
  EXPECT_GT(answer_to(other, 1), 4000);
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(other->next(MessageKind::kResponse));
  EXPECT_EQ(other->pauses(), 0U);
}

TEST_F(NodeQueueTest, WhatWaitsIsRefusedToAPeerThatReadsFarTooSlowly) {
  start_queue();
  const PeerPtr peer = stalled = enter("peer");
  // It owes an answer, so it is read from, and served, all the same.
  const auto owed = rpc_async(*b, "peer", f);
  const auto sent = peer->next(MessageKind::kRequest);
  ASSERT_TRUE(sent);
  say_all(peer, plain_request("begin", 1), plain_request("stop reading", 2), note("does not run", 3));
  said.set();
  EXPECT_EQ(error_in(peer->next(MessageKind::kError)).code(), StatusCode::kResourceExhausted);
  EXPECT_TRUE(noted.empty());
  EXPECT_EQ(peer->pauses(), 0U);
  ScriptedPeer::say(peer, response(sent->header.call_id, 7));
  EXPECT_EQ(owed.wait(test::kHang), 7);
}

TEST_F(NodeQueueTest, TheEndOfADrainRefusesWhatWaits) {
  start_queue();
  const PeerPtr peer = stalled = enter("peer");
  say_all(peer, plain_request("begin", 1), plain_request("stop reading", 2), note("waits", 3), note("waits", 4));
  said.set();
  ASSERT_TRUE(peer->wait_paused(true));
  b->stop(0s);
  for (const std::uint64_t id : {3U, 4U}) {
    const auto message = peer->next(MessageKind::kError);
    ASSERT_TRUE(message);
    EXPECT_EQ(message->header.call_id, id);
    EXPECT_EQ(error_in(message).code(), StatusCode::kUnavailable);
  }
  EXPECT_TRUE(noted.empty());
}

}  // namespace
}  // namespace onward
