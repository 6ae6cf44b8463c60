// SPDX-License-Identifier: Apache-2.0
#include "start_order.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onward {
namespace {

using ::testing::ElementsAre;

std::string refusal(const std::vector<Startable>& all) {
  const auto order = start_order(all);
  if (order) return "";
  EXPECT_EQ(order.error().code(), StatusCode::kFailedPrecondition);
  return order.error().message();
}

TEST(StartOrderTest, IsThatOfTheListWhereNothingIsNeeded) {
  EXPECT_THAT(start_order({{.name = "c"}, {.name = "a"}, {.name = "b"}}).value(), ElementsAre(0, 1, 2));
  EXPECT_THAT(start_order({}).value(), ElementsAre());
}

TEST(StartOrderTest, WhatIsNeededOrWantedGoesBefore) {
  EXPECT_THAT(start_order({{.name = "a", .needs = {"c"}}, {.name = "b"}, {.name = "c", .wants = {"b"}}}).value(),
              ElementsAre(1, 2, 0));
}

TEST(StartOrderTest, ANameThatIsProvidedStandsForItsProvider) {
  EXPECT_THAT(start_order({{.name = "a", .needs = {"store"}}, {.name = "disk", .provides = {"store"}}}).value(),
              ElementsAre(1, 0));
}

TEST(StartOrderTest, WhatNobodyProvidesIsPassedOver) {
  EXPECT_THAT(start_order({{.name = "a", .needs = {"gone"}, .wants = {"gone too"}}}).value(), ElementsAre(0));
}

TEST(StartOrderTest, ACircleIsNamedWhole) {
  EXPECT_EQ(
      refusal(
          {{.name = "x"}, {.name = "a", .needs = {"b"}}, {.name = "b", .wants = {"c"}}, {.name = "c", .needs = {"a"}}}),
      "modules that need each other cannot start: \"a\" needs \"b\" needs \"c\" needs \"a\"");
  EXPECT_EQ(refusal({{.name = "a", .needs = {"a"}}}), "modules that need each other cannot start: \"a\" needs \"a\"");
}

TEST(StartOrderTest, ANameIsThereOnce) {
  EXPECT_EQ(refusal({{.name = "a"}, {.name = "a"}}), "the module \"a\" is there twice: a node has each once");
  EXPECT_EQ(refusal({{.name = "a", .provides = {"store"}}, {.name = "b", .provides = {"store"}}}),
            "the modules \"a\" and \"b\" both provide \"store\": a node can use one of them");
}

}  // namespace
}  // namespace onward
