// SPDX-License-Identifier: Apache-2.0
//
// How Tasks end before they are done.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "loop_fixture.h"
#include "onward/call_context.h"
#include "onward/combinators.h"
#include "onward/pool.h"
#include "onward/task.h"

namespace onward {
namespace {

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""h;
using ::testing::ElementsAre;

// Says when it is destroyed.
class Local {
 public:
  Local(std::vector<std::string>& log, std::string name) : log_(&log), name_(std::move(name)) {}
  Local(const Local&) = delete;
  Local& operator=(const Local&) = delete;
  ~Local() { log_->push_back("~" + name_); }

 private:
  std::vector<std::string>* log_;
  std::string name_;
};

class TaskEndTest : public test::LoopTest {
 protected:
  std::vector<std::string> log;
};

Task<int> one() { co_return 1; }

TEST_F(TaskEndTest, CancellationUnwindsFromTheInside) {
  const CallContext call = CallContext::make(loop.handle());
  const Future<int> never;
  struct Nested {
    static Task<int> inner(std::vector<std::string>& log, Future<int> never) {
      const Local local(log, "inner");
      co_return co_await never;
    }
    static Task<int> outer(std::vector<std::string>& log, Future<int> never) {
      const Local local(log, "outer");
      co_return co_await inner(log, never);
    }
  };
  Future<int> result;
  {
    const ContextScope scope(call);
    result = spawn(Nested::outer(log, never));
  }
  settle();
  EXPECT_TRUE(log.empty());
  call.cancel(Status(StatusCode::kCancelled, "enough"));
  settle();
  EXPECT_THAT(log, ElementsAre("~inner", "~outer"));
  EXPECT_EQ(result.status().to_string(), "CANCELLED: enough");
  EXPECT_NO_THROW(never.mark_complete(1));
  settle();
}

TEST_F(TaskEndTest, TheDeadlineUnwindsToo) {
  const CallContext call = CallContext::make(loop.handle(), {.timeout = 20ms});
  const Future<int> never;
  Future<int> result;
  {
    const ContextScope scope(call);
    result = spawn([never]() -> Task<int> { co_return co_await never; });
  }
  settle();
  clock.advance(20ms);
  settle();
  EXPECT_EQ(result.status().code(), StatusCode::kDeadlineExceeded);
}

TEST_F(TaskEndTest, InACancelledCallEachWaitThrowsAndReadyValuesPass) {
  const CallContext call = CallContext::make(loop.handle());
  const Future<int> never;
  Future<std::string> result;
  {
    const ContextScope scope(call);
    result = spawn([never]() -> Task<std::string> {
      std::string seen;
      for (int i = 0; i < 2; ++i) {
        try {
          co_await never;
        } catch (const RpcError& error) {
          seen += to_string(error.code());
          seen += " ";
        }
      }
      seen += std::to_string(co_await Future<int>::of(7));
      co_return seen;
    });
  }
  settle();
  call.cancel();
  settle();
  EXPECT_EQ(result.value(), "CANCELLED CANCELLED 7");
}

TEST_F(TaskEndTest, OneThatWillNotGiveUpDoesNotHoldTheLoop) {
  const CallContext call = CallContext::make(loop.handle());
  const Future<int> never;
  int attempts = 0;
  bool others_ran = false;
  {
    const ContextScope scope(call);
    static_cast<void>(spawn([&]() -> Task<void> {
      while (attempts < 10) {
        try {
          co_await never;
        } catch (const RpcError&) {
          if (++attempts == 5) loop.post([&] { others_ran = true; });
          EXPECT_EQ(others_ran, attempts > 5);
        }
      }
    }));
  }
  settle();
  call.cancel();
  settle();
  EXPECT_EQ(attempts, 10);
}

TEST_F(TaskEndTest, WorkInADetachedContextGoesOn) {
  const CallContext call = CallContext::make(loop.handle());
  const Future<int> later;
  Future<int> inside;
  Future<int> result;
  {
    const ContextScope scope(call);
    result = spawn([&]() -> Task<int> {
      {
        const ContextScope apart(CallContext::current().detached());
        inside = spawn([later]() -> Task<int> { co_return co_await later; });
      }
      co_return co_await inside;
    });
  }
  settle();
  call.cancel();
  settle();
  EXPECT_EQ(result.status().code(), StatusCode::kCancelled);
  later.mark_complete(3);
  settle();
  EXPECT_EQ(inside.value(), 3);
}

TEST_F(TaskEndTest, AScopeMayStayAcrossWaits) {
  const CallContext outer = CallContext::make(loop.handle(), {.timeout = 1h});
  const Future<int> x;
  std::vector<Duration> left;
  {
    const ContextScope scope(outer);
    static_cast<void>(spawn([&]() -> Task<void> {
      {
        const ContextScope inner(CallContext::current().detached({.timeout = 10ms}));
        left.push_back(CallContext::current().remaining());
        co_await x;
        left.push_back(CallContext::current().remaining());
      }
      left.push_back(CallContext::current().remaining());
      co_await Future<int>::of(1).then([](int one) { return one; });
      left.push_back(CallContext::current().remaining());
    }));
  }
  EXPECT_FALSE(CallContext::current());
  settle();
  x.mark_complete(1);
  settle();
  EXPECT_THAT(left, ElementsAre(Duration(10ms), Duration(10ms), Duration(1h), Duration(1h)));
  EXPECT_FALSE(CallContext::current());
}

TEST_F(TaskEndTest, AJobThatHasBegunIsWaitedFor) {
  Pool pool(loop.handle(), "p", {.threads = 1});
  const CallContext call = CallContext::make(loop.handle());
  test::Event begun;
  test::Event go_on;
  Future<int> result;
  {
    const ContextScope scope(call);
    result = spawn([&]() -> Task<int> {
      int local = 1;
      co_await pool.run([&] {
        begun.set();
        EXPECT_TRUE(go_on.wait());
        local = 2;  // it is still there
      });
      co_return local;
    });
  }
  settle();
  ASSERT_TRUE(begun.wait());
  call.cancel();
  settle();
  EXPECT_FALSE(result.done());
  go_on.set();
  pool.stop();
  settle();
  EXPECT_EQ(result.value(), 2);
}

TEST_F(TaskEndTest, TheEndOfTheLoopDestroysWhatWaits) {
  const Future<int> foreign{static_cast<LoopHandle*>(nullptr)};
  auto own = std::make_unique<EventLoop>(EventLoopOptions{}, clock);
  const Future<int> result = spawn(
      [&]() -> Task<int> {
        const Local local(log, "local");
        try {
          co_return co_await foreign;
        } catch (...) {
          log.emplace_back("caught");
          throw;
        }
      },
      &own->handle());
  own->run_once(false);
  EXPECT_TRUE(log.empty());
  own.reset();
  EXPECT_THAT(log, ElementsAre("~local"));
  EXPECT_EQ(result.status().code(), StatusCode::kUnavailable);
}

TEST_F(TaskEndTest, OneThatNeverBeganIsDestroyedWithTheLoop) {
  auto own = std::make_unique<EventLoop>(EventLoopOptions{}, clock);
  const Future<int> result = spawn(one(), &own->handle());
  own.reset();
  EXPECT_EQ(result.status().code(), StatusCode::kUnavailable);
}

}  // namespace
}  // namespace onward
