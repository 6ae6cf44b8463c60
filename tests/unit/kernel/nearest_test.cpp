// SPDX-License-Identifier: Apache-2.0
#include "nearest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onward {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

const std::vector<std::string> kNames = {"rfc.my_add_2", "rfc.my_add_3", "rfc.nested.my_add_3", "search", "go"};

TEST(NearestTest, TheNearestComesFirst) {
  EXPECT_THAT(nearest_words("rfc.my_add_3", kNames, 3), ElementsAre("rfc.my_add_3", "rfc.my_add_2"));
  EXPECT_THAT(nearest_words("rfc.my_add_4", kNames, 3), ElementsAre("rfc.my_add_2", "rfc.my_add_3"));
  EXPECT_THAT(nearest_words("rfc.my_add_4", kNames, 1), ElementsAre("rfc.my_add_2"));
  EXPECT_EQ(nearest("serach", kNames), "search");
}

TEST(NearestTest, AWordWithoutADotIsALastPart) {
  EXPECT_THAT(nearest_words("my_add_3", kNames, 3), ElementsAre("rfc.my_add_3", "rfc.nested.my_add_3", "rfc.my_add_2"));
  EXPECT_EQ(nearest("my_add_3", {"rfc.nested.my_add_3", "rfc.my_add_3"}), "rfc.my_add_3");
  EXPECT_THAT(nearest_words("other.my_add_3", kNames, 3), IsEmpty());
}

TEST(NearestTest, WhatIsFarIsNotNear) {
  EXPECT_THAT(nearest_words("find", kNames, 3), IsEmpty());
  EXPECT_THAT(nearest_words("xy", kNames, 3), IsEmpty());
  EXPECT_THAT(nearest_words("", kNames, 3), IsEmpty());
  EXPECT_THAT(nearest_words(std::string(10'000, 'a'), {std::string(10'000, 'a')}, 3), IsEmpty());
  EXPECT_EQ(nearest("search", {}), "");
}

}  // namespace
}  // namespace onward
