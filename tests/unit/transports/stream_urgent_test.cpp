// SPDX-License-Identifier: Apache-2.0
//
// Messages that go before what is queued, byte by byte.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "fake_stream.h"
#include "onward/stream/frame_reader.h"
#include "onward/stream/frame_writer.h"
#include "onward/testing/messages.h"

namespace onward {
namespace {

using testing_support::hello;
using testing_support::make_message;
using Outcome = IoResult::Outcome;

// Of what arrives, in its order; each must be what make_message() makes.
struct Ids final : ConnectionEvents {
  std::vector<std::uint64_t> ids;
  void on_message(InboundMessage& message) override {
    if (message.header.kind == MessageKind::kHello) return;
    EXPECT_EQ(testing_support::pattern_error(message.body, message.header.call_id), "");
    ids.push_back(message.header.call_id);
  }
  void on_closed(const Status& /*reason*/) override {}
};

// However much of the queue is written: between two frames, and no later than it must.
TEST(StreamUrgent, WhatIsPutFirstLeavesAtTheFirstGap) {
  constexpr std::uint64_t kUrgent = 1000;
  std::vector<std::size_t> ends;  // of frames, in the stream
  const auto fill = [&](FrameWriter& to) {
    to.append(hello());
    std::size_t end = to.queued_bytes();
    ends = {end};
    for (std::uint64_t id = 1; id <= 24; ++id) {
      const std::size_t body = id % 3 == 0 ? 5000 : id * 7;
      const std::size_t segment = id % 5 == 0 ? 6000 + id : id;
      Message message = id % 4 == 0 ? make_message(id, body, {segment, 33}) : make_message(id, body);
      to.append(std::move(message));
      ends.push_back(to.queued_bytes());
    }
  };
  {
    FrameWriter whole;
    fill(whole);
  }
  const std::size_t all = ends.back();
  for (std::size_t written = 0; written < all; written += written % 89 + 1) {
    for (const std::size_t untouchable : {std::size_t{0}, std::size_t{100}, std::size_t{9000}}) {
      FrameWriter parted;
      fill(parted);
      FakeStream out;
      std::size_t left = written;
      out.allowed = [&](std::size_t asked) { return std::exchange(left, left - std::min(left, asked)); };
      while (left > 0) ASSERT_NE(parted.write(out).outcome, Outcome::kFailed);
      ASSERT_EQ(out.output.size(), written);
      for (std::uint64_t i = 0; i < 2; ++i) parted.append_first(make_message(kUrgent + i, i * 11), untouchable);
      parted.append(make_message(25, 100));
      out.allowed = [](std::size_t asked) { return asked; };
      while (!parted.empty()) ASSERT_EQ(parted.write(out).outcome, Outcome::kDone);
      const auto gap = std::ranges::lower_bound(ends, std::max(written + untouchable, ends.front()));
      const auto before = static_cast<std::uint64_t>(gap == ends.end() ? 24 : gap - ends.begin());
      FrameReader back{MessageLimits{}};
      Ids arrived;
      out.input = std::move(out.output);
      while (out.read_at < out.input.size()) ASSERT_NE(back.read(out, arrived).outcome, Outcome::kFailed);
      std::vector<std::uint64_t> expected;
      for (std::uint64_t id = 1; id <= before; ++id) expected.push_back(id);
      expected.insert(expected.end(), {kUrgent, kUrgent + 1});
      for (std::uint64_t id = before + 1; id <= 25; ++id) expected.push_back(id);
      ASSERT_EQ(arrived.ids, expected) << written << " bytes written, " << untouchable << " untouchable";
    }
  }
}

}  // namespace
}  // namespace onward
