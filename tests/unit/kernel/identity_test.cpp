// SPDX-License-Identifier: Apache-2.0
#include "onward/identity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

namespace onward {
namespace {

TEST(PatternMatch, StarStandsForAnything) {
  for (const char* text : {"", "a", "rfc.my_add", "***"}) EXPECT_TRUE(matches("*", text)) << text;
  EXPECT_TRUE(matches("rfc.*", "rfc."));
  EXPECT_TRUE(matches("rfc.*", "rfc.chained.add"));
  EXPECT_TRUE(matches("*.add", "rfc.chained.add"));
  EXPECT_TRUE(matches("a*b*c", "a-b-b-c"));
  EXPECT_TRUE(matches("a**c", "ac"));
  EXPECT_TRUE(matches("", ""));
  EXPECT_FALSE(matches("", "a"));
  EXPECT_FALSE(matches("rfc.*", "rfc"));
  EXPECT_FALSE(matches("a*b*c", "a-c-b"));
  EXPECT_FALSE(matches("abc", "abcd"));
  EXPECT_FALSE(matches("abcd", "abc"));
  EXPECT_FALSE(matches("A", "a"));
}

// A pattern of many stars takes no exponential time.
TEST(PatternMatch, ManyStars) {
  std::string pattern;
  for (int i = 0; i < 50; ++i) pattern += "*a";
  EXPECT_FALSE(matches(pattern + "b", std::string(10'000, 'a')));
  EXPECT_TRUE(matches(pattern, std::string(10'000, 'a')));
}

TEST(PeerIdentity, NobodyIsAnonymous) {
  EXPECT_EQ(PeerIdentity().name(), "anonymous");
  EXPECT_FALSE(PeerIdentity().has("anonymous"));
  const PeerIdentity worker{.names = {"worker", "spare"}};
  EXPECT_EQ(worker.name(), "worker");
  EXPECT_TRUE(worker.has("spare"));
  EXPECT_TRUE(matches_any({"x", "spa*"}, worker));
  EXPECT_FALSE(matches_any({"anonymous"}, worker));
  EXPECT_FALSE(matches_any({}, worker));
  EXPECT_TRUE(matches_any({"anonymous"}, PeerIdentity()));
  EXPECT_TRUE(matches_any({"*"}, PeerIdentity()));
}

TEST(AccessRules, TheMostSpecificPatternDecides) {
  const PeerIdentity front{.names = {"front"}};
  const PeerIdentity ops{.names = {"ops-1"}};
  AccessRules rules;
  EXPECT_TRUE(rules.allows("anything", {}));
  ASSERT_TRUE(rules.add("*", {"front"}).ok());
  ASSERT_TRUE(rules.add("rfc.*", {"ops-*"}).ok());
  ASSERT_TRUE(rules.add("rfc.open", {"*"}).ok());
  ASSERT_TRUE(rules.add("rfc.shut", {}).ok());
  ASSERT_TRUE(rules.add("rfc.shutter*", {"front"}).ok());
  EXPECT_TRUE(rules.allows("search", front));
  EXPECT_FALSE(rules.allows("search", ops));
  EXPECT_FALSE(rules.allows("search", {}));
  EXPECT_FALSE(rules.allows("rfc.add", front));
  EXPECT_TRUE(rules.allows("rfc.add", ops));
  EXPECT_TRUE(rules.allows("rfc.open", {}));
  EXPECT_FALSE(rules.allows("rfc.shut", front));
  EXPECT_FALSE(rules.allows("rfc.shut", ops));
  EXPECT_TRUE(rules.allows("rfc.shutter1", front));
  EXPECT_FALSE(rules.allows("rfc.shutter1", ops));
  EXPECT_EQ(rules.add("*", {}).code(), StatusCode::kAlreadyExists);
}

TEST(MostSpecific, TheNameItselfThenTheLongestPattern) {
  const std::map<std::string, int> rules = {{"*", 1}, {"search.*", 2}, {"search.find", 3}, {"*.find", 4}};
  EXPECT_EQ(most_specific(rules, "search.find")->second, 3);
  EXPECT_EQ(most_specific(rules, "search.more")->second, 2);
  EXPECT_EQ(most_specific(rules, "other.find")->second, 4);
  EXPECT_EQ(most_specific(rules, "else")->second, 1);
  const std::map<std::string, int> others = {{"a", 1}};
  EXPECT_TRUE(most_specific(others, "b") == others.end());
}

}  // namespace
}  // namespace onward
