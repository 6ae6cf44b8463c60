// SPDX-License-Identifier: Apache-2.0
//
// How a loop ends, and how it does not even begin.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <memory>

#include "onward/event_loop.h"
#include "onward/sanitizers.h"

namespace onward {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

struct Unwanted final : LoopTask {
  void run() noexcept override { ADD_FAILURE() << "ran after its loop"; }
  void drop() noexcept override { dropped = true; }
  bool dropped = false;
};

TEST(EventLoopEnd, DropsWhatIsQueuedAndWhatComesLater) {
  Unwanted queued;
  Unwanted late;
  auto token = std::make_shared<int>(0);
  auto loop = std::make_unique<EventLoop>();
  LoopHandle& handle = loop->handle();
  LoopHandle::retain(&handle);
  loop->schedule(queued);
  loop->post([token] { ADD_FAILURE(); });
  EXPECT_FALSE(handle.waits_ended());
  loop.reset();
  EXPECT_TRUE(queued.dropped);
  EXPECT_EQ(token.use_count(), 1);
  EXPECT_TRUE(handle.waits_ended());

  handle.schedule(late);
  EXPECT_TRUE(late.dropped);
  handle.post([token] { ADD_FAILURE(); });
  EXPECT_EQ(token.use_count(), 1);
  LoopHandle::release(&handle);
}

TEST(EventLoopEnd, TellsTheTimersThatWillNotFire) {
  struct Watch final : WheelTimer {
    void on_timer() override { ADD_FAILURE(); }
    void on_dropped() noexcept override { dropped = true; }
    bool dropped = false;
  } watch;
  {
    EventLoop loop;
    loop.arm(watch, loop.now() + 1h);
  }
  EXPECT_TRUE(watch.dropped);
}

TEST(EventLoopEnd, OutOfDescriptorsIsAnErrorThatSaysSo) {
  if (kSanitized) GTEST_SKIP() << "the sanitizers need descriptors of their own to look at memory";
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  const int next = ::dup(0);  // the lowest number that is free
  ASSERT_GE(next, 0);
  ::close(next);
  for (rlim_t left = 0; left < 5; ++left) {
    const rlimit tight{static_cast<rlim_t>(next) + left, limit.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &tight), 0);
    try {
      const EventLoop loop;
      ADD_FAILURE() << "with " << left << " descriptors left";
    } catch (const RpcError& error) {
      EXPECT_EQ(error.code(), StatusCode::kResourceExhausted);
      EXPECT_THAT(error.status().message(), HasSubstr("ulimit -n"));
    }
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
  }
  const int after = ::dup(0);
  EXPECT_EQ(after, next) << "descriptors leaked";
  ::close(after);
}

}  // namespace
}  // namespace onward
