// SPDX-License-Identifier: Apache-2.0
#include "onward/services.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onward {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(ServicesTest, AreFoundByNameAndVersion) {
  Services services;
  int counter = 0;
  EXPECT_TRUE(services.provide({"counter", 2}, &counter, "store", {"counter"}).ok());
  EXPECT_EQ(services.find({"counter", 2}).value(), &counter);
  EXPECT_EQ(services.find({"clock", 1}).error().code(), StatusCode::kNotFound);
}

TEST(ServicesTest, AnotherVersionIsRefusedWithBoth) {
  Services services;
  int counter = 0;
  ASSERT_TRUE(services.provide({"counter", 2}, &counter, "store", {"counter"}).ok());
  const Status error = services.find({"counter", 3}).error();
  EXPECT_EQ(error.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(error.message(), AllOf(HasSubstr("version 3"), HasSubstr("version 2"), HasSubstr("\"store\"")));
}

TEST(ServicesTest, OneNameHasOneProvider) {
  Services services;
  int counter = 0;
  ASSERT_TRUE(services.provide({"counter", 1}, &counter, "store", {"counter"}).ok());
  const Status error = services.provide({"counter", 2}, &counter, "cache", {"counter"});
  EXPECT_EQ(error.code(), StatusCode::kAlreadyExists);
  EXPECT_THAT(error.message(), HasSubstr("module \"store\" already"));
  services.withdraw("store");
  EXPECT_TRUE(services.provide({"counter", 2}, &counter, "cache", {"counter"}).ok());
}

}  // namespace
}  // namespace onward
