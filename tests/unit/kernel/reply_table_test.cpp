// SPDX-License-Identifier: Apache-2.0
#include "reply_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <random>
#include <vector>

#include "loop_fixture.h"
#include "onward/typed_function.h"

namespace onward {
namespace {

struct NoSink final : ReplySink {
  void send_result(std::uint64_t, const Codec&, const FunctionName&, FunctionRef<void(Encoder&)>) override {}
  void send_payload(std::uint64_t, const Codec&, const FunctionName&, Payload&&) override {}
  void send_error(std::uint64_t, const FunctionName&, const Status&) override {}
  bool may_call(const Function&) override { return true; }
  bool park(detail::ParkedReply&) noexcept override { return true; }
  void unpark(detail::ParkedReply&, Unpark) noexcept override {}
  const Codec& codec(std::uint8_t) const noexcept override { std::abort(); }
  void retain() noexcept override {}
  void release() noexcept override {}
};

class ReplyTableTest : public test::LoopTest {
 protected:
  struct Reply final : detail::ParkedReply {
    Reply(detail::FutureStateBase& state, ReplySink& sink, std::uint64_t id) : ParkedReply(state, sink, id) {}
    void run(detail::FutureStateBase&, bool) noexcept override {}
    void drop(const Status&) noexcept override {}
    void destroy() noexcept override {}
  };
  Reply& reply(std::uint64_t id) {
    replies_.push_back(std::make_unique<Reply>(*detail::FutureAccess::state(future_), sink_, id));
    return *replies_.back();
  }
  ReplyTable table;

 private:
  NoSink sink_;
  Future<int> future_;
  std::vector<std::unique_ptr<Reply>> replies_;
};

TEST_F(ReplyTableTest, FindsWhatIsInIt) {
  EXPECT_EQ(table.find(1), nullptr);
  EXPECT_EQ(table.first(), nullptr);
  Reply& one = reply(1);
  EXPECT_TRUE(table.insert(one));
  EXPECT_FALSE(table.insert(reply(1)));
  EXPECT_EQ(table.find(1), &one);
  EXPECT_EQ(table.find(2), nullptr);
  EXPECT_EQ(table.first(), &one);
  table.erase(reply(1));  // another of its id, which is not there
  EXPECT_EQ(table.size(), 1U);
  table.erase(one);
  table.erase(one);
  EXPECT_EQ(table.find(1), nullptr);
  EXPECT_EQ(table.first(), nullptr);
}

// Against a map, with the ids that a caller makes (slot and generation) and with any others.
TEST_F(ReplyTableTest, HoldsWhatAMapHolds) {
  std::mt19937_64 random(7);
  std::map<std::uint64_t, Reply*> model;
  for (int round = 0; round < 20'000; ++round) {
    const bool grows = (round / 4'000) % 2 == 0;
    if (model.empty() || random() % 10 < (grows ? 7U : 3U)) {
      const std::uint64_t id = random() % 2 == 0 ? (random() % 4) << 32 | (random() % 3'000) : random();
      Reply& made = reply(id);
      EXPECT_EQ(table.insert(made), model.emplace(id, &made).second);
    } else {
      auto victim = model.lower_bound(random());
      if (victim == model.end()) victim = model.begin();
      table.erase(*victim->second);
      model.erase(victim);
    }
    ASSERT_EQ(table.size(), model.size());
  }
  for (const auto& [id, made] : model) EXPECT_EQ(table.find(id), made);
  std::size_t seen = 0;
  table.for_each([&](detail::ParkedReply& each) { seen += model.contains(each.call_id()) ? 1 : 0; });
  EXPECT_EQ(seen, model.size());
  while (detail::ParkedReply* each = table.first()) table.erase(*each);
  EXPECT_EQ(table.size(), 0U);
}

}  // namespace
}  // namespace onward
