// SPDX-License-Identifier: Apache-2.0
#include "onward/status.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <new>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace onward {
namespace {

using ::testing::HasSubstr;

TEST(Status, IsOkByDefault) {
  const Status status;
  EXPECT_TRUE(status.ok());
  EXPECT_EQ(status.code(), StatusCode::kOk);
  EXPECT_EQ(status.message(), "");
  EXPECT_EQ(status.type(), "");
  EXPECT_TRUE(status.trail().empty());
  EXPECT_EQ(status.to_string(), "OK");
}

TEST(Status, ACodeOfOkDropsTheMessage) {
  const Status status(StatusCode::kOk, "never seen");
  EXPECT_TRUE(status.ok());
  EXPECT_EQ(status.message(), "");
}

TEST(Status, IsOnePointerWide) { EXPECT_EQ(sizeof(Status), sizeof(void*)); }

TEST(Status, HasTheCanonicalNamesAndNumbers) {
  const std::vector<std::string> names = {
      "OK",        "CANCELLED",      "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
      "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
      "ABORTED",   "OUT_OF_RANGE",   "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
      "DATA_LOSS", "UNAUTHENTICATED"};
  for (std::size_t i = 0; i < names.size(); ++i) {
    EXPECT_EQ(to_string(static_cast<StatusCode>(i)), names[i]) << i;
  }
  EXPECT_EQ(to_string(static_cast<StatusCode>(17)), "UNKNOWN");
  EXPECT_EQ(to_string(static_cast<StatusCode>(255)), "UNKNOWN");
}

TEST(Status, CopiesShareAndDoNotChangeEachOther) {
  const Status first(StatusCode::kNotFound, "no such file");
  const Status second = first;
  const Status changed = second.with_message("no such folder").with_type("demo::Missing");
  EXPECT_EQ(&first.message(), &second.message());
  EXPECT_EQ(first.message(), "no such file");
  EXPECT_EQ(first.type(), "");
  EXPECT_EQ(changed.message(), "no such folder");
  EXPECT_EQ(changed.type(), "demo::Missing");
  EXPECT_EQ(changed.code(), StatusCode::kNotFound);
}

TEST(Status, AMovedFromStatusIsOk) {
  Status from(StatusCode::kAborted, "stopped");
  const Status to = std::move(from);
  EXPECT_TRUE(from.ok());  // NOLINT(bugprone-use-after-move): that is what is tested
  EXPECT_EQ(to.code(), StatusCode::kAborted);
}

TEST(Status, AssignmentToItselfKeepsIt) {
  Status status(StatusCode::kAborted, "stopped");
  const Status& alias = status;
  status = alias;
  EXPECT_EQ(status.message(), "stopped");
}

TEST(Status, ChangesOfOkGiveOk) {
  const Status ok;
  EXPECT_TRUE(ok.with_message("x").ok());
  EXPECT_TRUE(ok.with_type("x").ok());
  EXPECT_TRUE(ok.with_hop({"a", "f", ""}).ok());
}

TEST(Status, TheTrailGrowsAtItsOuterEndAndIsBounded) {
  Status status(StatusCode::kInternal, "broken");
  for (std::size_t i = 0; i < Status::kMaxHops + 10; ++i) {
    status = status.with_hop({"node" + std::to_string(i), "f", ""});
  }
  ASSERT_EQ(status.trail().size(), Status::kMaxHops);
  EXPECT_EQ(status.trail().front().node, "node0");
  EXPECT_EQ(status.trail().back().node, "node" + std::to_string(Status::kMaxHops - 1));
}

TEST(Status, ReadsLikeATraceback) {
  const Status status = Status(StatusCode::kUnavailable, "connection refused")
                            .with_type("std::system_error")
                            .with_hop({"c", "read", "block 7"})
                            .with_hop({"b", "", ""});
  EXPECT_EQ(status.to_string(),
            "UNAVAILABLE: connection refused [std::system_error]\n"
            "    at node c, function read: block 7\n"
            "    at node b");
}

TEST(Status, IsCopiedAndDroppedByManyThreads) {
  const Status shared(StatusCode::kInternal, "one for all");
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([shared] {
      for (int n = 0; n < 10'000; ++n) {
        const Status copy = shared;  // NOLINT(performance-unnecessary-copy-initialization): counted
        ASSERT_EQ(copy.message(), "one for all");
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(shared.message(), "one for all");
}

template <class F>
Status thrown(F function) {
  try {
    function();
  } catch (...) {
    return status_from_current_exception();
  }
  return {};
}

struct DemoError : std::logic_error {
  using std::logic_error::logic_error;
};

TEST(StatusFromException, AnRpcErrorGivesItsOwnStatus) {
  const Status original = Status(StatusCode::kNotFound, "gone").with_type("demo::X").with_hop({"a", "f", ""});
  const Status status = thrown([&] { throw RpcError(original); });
  EXPECT_EQ(&status.message(), &original.message());
  EXPECT_EQ(status.trail(), original.trail());
}

TEST(StatusFromException, AnyOtherKeepsItsTypeAndText) {
  const Status range = thrown([] { static_cast<void>(std::vector<int>().at(3)); });
  EXPECT_EQ(range.code(), StatusCode::kUnknown);
  EXPECT_EQ(range.type(), "std::out_of_range");
  EXPECT_THAT(range.message(), HasSubstr("range_check"));

  const Status own = thrown([] { throw DemoError("of my own"); });
  EXPECT_EQ(own.type(), "onward::(anonymous namespace)::DemoError");
  EXPECT_EQ(own.message(), "of my own");
}

TEST(StatusFromException, OutOfMemoryIsResourceExhausted) {
  const Status status = thrown([] { throw std::bad_alloc(); });
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(status.type(), "std::bad_alloc");
}

TEST(StatusFromException, WhatIsNoExceptionHasAtLeastAType) {
  const Status status = thrown([] { throw 7; });
  EXPECT_EQ(status.code(), StatusCode::kUnknown);
  EXPECT_EQ(status.type(), "int");
}

TEST(StatusFromException, ReadsAPointerToo) {
  const Status status = status_from(std::make_exception_ptr(DemoError("kept")));
  EXPECT_EQ(status.message(), "kept");
  EXPECT_EQ(status.type(), "onward::(anonymous namespace)::DemoError");
}

TEST(StatusFromException, ANullPointerIsAnErrorAndNotACrash) {
  const Status status = status_from(std::exception_ptr());
  EXPECT_EQ(status.code(), StatusCode::kUnknown);
  EXPECT_NE(status.message(), "");
}

TEST(RpcErrorTest, WhatIsTheWholeStatus) {
  const RpcError error(Status(StatusCode::kNotFound, "gone").with_hop({"a", "f", ""}));
  EXPECT_STREQ(error.what(), "NOT_FOUND: gone\n    at node a, function f");
  EXPECT_EQ(error.code(), StatusCode::kNotFound);
}

TEST(ResultTest, FailMakesAnError) {
  const auto half = [](int x) -> Result<int> {
    if (x % 2 != 0) return fail(StatusCode::kInvalidArgument, "odd");
    return x / 2;
  };
  EXPECT_EQ(half(4), 2);
  ASSERT_FALSE(half(3));
  EXPECT_EQ(half(3).error().message(), "odd");
}

TEST(Status, ThrowsIfItIsAnError) {
  EXPECT_NO_THROW(Status().throw_if_error());
  try {
    Status(StatusCode::kNotFound, "gone").throw_if_error();
    ADD_FAILURE();
  } catch (const RpcError& error) {
    EXPECT_EQ(error.status().to_string(), "NOT_FOUND: gone");
  }
}

}  // namespace
}  // namespace onward
