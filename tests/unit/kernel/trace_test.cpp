// SPDX-License-Identifier: Apache-2.0
#include "onward/trace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "onward/buffer.h"
#include "wire.h"

namespace onward {
namespace {

using ::testing::HasSubstr;

constexpr std::string_view kParent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

TEST(TraceContext, IsReadAndWrittenAsTheStandardSays) {
  const auto read = TraceContext::parse(kParent);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->to_string(), kParent);
  EXPECT_EQ(read->trace_id_text(), "4bf92f3577b34da6a3ce929d0e0e4736");
  EXPECT_EQ(read->flags, TraceContext::kSampled);
}

TEST(TraceContext, WhatIsNoneIsNotRead) {
  const std::string good(kParent);
  EXPECT_FALSE(TraceContext::parse(""));
  EXPECT_FALSE(TraceContext::parse(good.substr(0, 54)));
  EXPECT_FALSE(TraceContext::parse(good + "0"));
  EXPECT_FALSE(TraceContext::parse("ff" + good.substr(2)));
  EXPECT_FALSE(TraceContext::parse("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01"));
  EXPECT_FALSE(TraceContext::parse("00-00000000000000000000000000000000-00f067aa0ba902b7-01"));
  EXPECT_FALSE(TraceContext::parse("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01"));
  EXPECT_FALSE(TraceContext::parse("00-4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7-01"));
  // A later version may say more.
  EXPECT_TRUE(TraceContext::parse("01" + good.substr(2) + "-more"));
  EXPECT_FALSE(TraceContext::parse("01" + good.substr(2) + "more"));
}

TEST(TraceContext, AChildIsAnotherSpanOfTheSameTrace) {
  const TraceContext root = TraceContext::generate();
  const TraceContext child = root.child();
  EXPECT_EQ(child.trace_id, root.trace_id);
  EXPECT_NE(child.span_id, root.span_id);
  EXPECT_NE(TraceContext::generate().trace_id, root.trace_id);
  EXPECT_EQ(TraceContext::parse(root.to_string()), root);
}

TEST(Baggage, KeepsTheLastValueOfAKey) {
  Baggage baggage;
  EXPECT_TRUE(baggage.set("tenant", "a").ok());
  EXPECT_TRUE(baggage.set("tenant", "b").ok());
  EXPECT_TRUE(baggage.set("empty", "").ok());
  EXPECT_EQ(baggage.get("tenant"), "b");
  EXPECT_EQ(baggage.get("empty"), "");
  EXPECT_FALSE(baggage.get("nothing"));
  baggage.remove("tenant");
  baggage.remove("nothing");
  EXPECT_EQ(baggage.entries().size(), 1U);
}

TEST(Baggage, IsBounded) {
  Baggage baggage;
  EXPECT_EQ(baggage.set("", "x").code(), StatusCode::kInvalidArgument);
  EXPECT_TRUE(baggage.set("k", std::string(Baggage::kMaxBytes - 1, 'x')).ok());
  const Status refused = baggage.set("l", "");
  EXPECT_EQ(refused.code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(refused.message(), HasSubstr("8192 bytes at most"));
  EXPECT_TRUE(baggage.set("k", "short").ok());
  for (std::size_t i = 1; i < Baggage::kMaxEntries; ++i) EXPECT_TRUE(baggage.set(std::to_string(i), "").ok());
  EXPECT_EQ(baggage.set("one more", "").code(), StatusCode::kResourceExhausted);
  EXPECT_TRUE(baggage.set("1", "changed").ok());
}

TEST(WireContext, CarriesTraceAndBaggage) {
  CallMetadata sent{.trace = TraceContext::parse(kParent), .baggage = {}};
  ASSERT_TRUE(sent.baggage.set("tenant", "a").ok());
  ASSERT_TRUE(sent.baggage.set("empty", "").ok());
  const auto got = wire::decode_context(wire::encode_context(sent).bytes());
  ASSERT_TRUE(got) << got.error().to_string();
  EXPECT_EQ(got->trace->trace_id, sent.trace->trace_id);
  EXPECT_NE(got->trace->span_id, sent.trace->span_id);
  EXPECT_EQ(got->baggage.entries(), sent.baggage.entries());
  EXPECT_TRUE(wire::decode_context(wire::encode_context({}).bytes())->empty());
}

TEST(WireContext, RefusesWhatBreaksItsBounds) {
  CallMetadata sent;
  ASSERT_TRUE(sent.baggage.set("k", std::string(Baggage::kMaxBytes - 1, 'x')).ok());
  const Buffer whole = wire::encode_context(sent);
  EXPECT_TRUE(wire::decode_context(whole.bytes()));
  EXPECT_FALSE(wire::decode_context(whole.bytes().first(whole.size() / 2)));
  EXPECT_FALSE(wire::decode_context({}));
}

}  // namespace
}  // namespace onward
