// SPDX-License-Identifier: Apache-2.0
#include "onward/task.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "loop_fixture.h"
#include "onward/call_context.h"
#include "onward/combinators.h"
#include "onward/pool.h"

namespace onward {
namespace {

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""h;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

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

class TaskTest : public test::LoopTest {
 protected:
  // As a function of the loop would have it: on the loop's thread.
  template <class F>
  void on_loop(F function) {
    loop.post(std::move(function));
    settle();
  }
  std::vector<std::string> log;
};

Task<int> give(int value) { co_return value; }
Task<int> add_later(Future<int> x, Future<int> y) { co_return co_await std::move(x) + co_await std::move(y); }
Task<int> add_twice(Future<int> x, Future<int> y) { co_return 2 * co_await add_later(std::move(x), std::move(y)); }
Task<void> fail_with(std::string message) {
  throw std::out_of_range(message);
  co_return;
}

TEST_F(TaskTest, RunsWhenItIsSpawnedAndNotBefore) {
  bool ran = false;
  const auto make = [](bool& flag) -> Task<int> {
    flag = true;
    co_return 1;
  };
  Task<int> task = make(ran);
  EXPECT_FALSE(ran);
  Future<int> result;
  on_loop([&] {
    result = spawn(std::move(task));
    EXPECT_TRUE(ran);
    EXPECT_EQ(result.value(), 1);  // it never had to wait
  });
  EXPECT_EQ(result.value(), 1);
}

TEST_F(TaskTest, SpawnedFromAnotherThreadItBeginsOnTheLoop) {
  const Future<int> result = spawn(give(3));
  EXPECT_FALSE(result.done());
  settle();
  EXPECT_EQ(result.value(), 3);
}

TEST_F(TaskTest, OneThatNobodyRunsIsDestroyed) {
  const auto make = [](std::shared_ptr<int> held) -> Task<int> { co_return *held; };
  auto held = std::make_shared<int>(1);
  {
    const Task<int> never = make(held);
  }
  EXPECT_EQ(held.use_count(), 1);
}

TEST_F(TaskTest, WaitsForFuturesAndTasks) {
  const Future<int> x;
  const Future<int> y;
  const Future<int> result = spawn(add_twice(x, y));
  settle();
  x.mark_complete(1);
  settle();
  EXPECT_FALSE(result.done());
  std::thread([&] { y.mark_complete(2); }).join();
  EXPECT_FALSE(result.done());  // it goes on on its loop
  settle();
  EXPECT_EQ(result.value(), 6);
}

TEST_F(TaskTest, ErrorsAreThrownAtTheCoAwait) {
  const Future<int> x;
  const Future<std::string> result = spawn([x]() -> Task<std::string> {
    try {
      co_await x;
    } catch (const RpcError& error) {
      co_return error.status().message();
    }
    co_return "nothing was thrown";
  });
  settle();
  x.mark_error(Status(StatusCode::kNotFound, "gone"));
  settle();
  EXPECT_EQ(result.value(), "gone");
}

TEST_F(TaskTest, WhatItThrowsFailsTheFutureAndKeepsItsTypeInside) {
  const Future<std::string> inner = spawn([]() -> Task<std::string> {
    try {
      co_await fail_with("far");
    } catch (const std::out_of_range& error) {
      co_return error.what();
    }
    co_return "";
  });
  const Future<void> outer = spawn(fail_with("farther"));
  settle();
  EXPECT_EQ(inner.value(), "far");
  EXPECT_EQ(outer.status().to_string(), "UNKNOWN: farther [std::out_of_range]");
}

TEST_F(TaskTest, FuturesAndResultsThatItGivesAreOpened) {
  const Future<int> later;
  const Future<int> through = spawn([later]() -> Task<Future<int>> { co_return later; });
  const Future<int> refused = spawn([]() -> Task<Result<int>> { co_return fail(StatusCode::kNotFound, "no"); });
  const Future<void> status = spawn([]() -> Task<Status> { co_return Status(StatusCode::kAborted, "stop"); });
  settle();
  later.mark_complete(5);
  settle();
  EXPECT_EQ(through.value(), 5);
  EXPECT_EQ(refused.status().code(), StatusCode::kNotFound);
  EXPECT_EQ(status.status().code(), StatusCode::kAborted);
}

TEST_F(TaskTest, ThenTakesATask) {
  const Future<int> x;
  const Future<int> result = x.then([](int value) { return give(value + 1); });
  x.mark_complete(1);
  settle();
  EXPECT_EQ(result.value(), 2);
}

TEST_F(TaskTest, MoveOnlyValuesGoThrough) {
  const Future<std::unique_ptr<int>> made = spawn([]() -> Task<std::unique_ptr<int>> {
    Future<std::unique_ptr<int>> ready = Future<std::unique_ptr<int>>::of(std::make_unique<int>(4));
    co_return co_await std::move(ready);
  });
  settle();
  EXPECT_EQ(*made.value(), 4);
}

TEST_F(TaskTest, ABrokenPromiseIsThrown) {
  auto x = std::make_unique<Future<int>>();
  const Future<int> result = spawn([](Future<int> mine) -> Task<int> { co_return co_await mine; }(*x));
  settle();
  EXPECT_FALSE(result.done());
  x.reset();  // the coroutine's own handle cannot complete it while it waits
  settle();
  EXPECT_EQ(result.status().code(), StatusCode::kAborted);
  EXPECT_THAT(result.status().message(), HasSubstr("broken promise"));
}

TEST_F(TaskTest, ManyStepsDoNotGrowTheStack) {
  const Future<int> result = spawn([]() -> Task<int> {
    int sum = 0;
    for (int i = 0; i < 100'000; ++i) sum += co_await Future<int>::of(1).then([](int one) { return one; });
    co_return sum;
  });
  settle();
  EXPECT_EQ(result.value(), 100'000);
}

TEST_F(TaskTest, CancellationUnwindsFromTheInside) {
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

TEST_F(TaskTest, TheDeadlineUnwindsToo) {
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

TEST_F(TaskTest, InACancelledCallEachWaitThrowsAndReadyValuesPass) {
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

TEST_F(TaskTest, OneThatWillNotGiveUpDoesNotHoldTheLoop) {
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

TEST_F(TaskTest, WorkInADetachedContextGoesOn) {
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

TEST_F(TaskTest, AScopeMayStayAcrossWaits) {
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

TEST_F(TaskTest, AJobThatHasBegunIsWaitedFor) {
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

TEST_F(TaskTest, SleepsAndCombinators) {
  const Future<int> result = spawn([]() -> Task<int> {
    co_await sleep_for(10ms);
    const auto [x, y] = co_await when_all(spawn(give(1)), spawn(give(2)));
    const std::vector futures{Future<int>::of(3), Future<int>::of(4)};
    const std::vector<int> more = co_await when_all(futures);
    co_return x + y + more[0] + more[1];
  });
  settle();
  EXPECT_FALSE(result.done());
  clock.advance(10ms);
  settle();
  EXPECT_EQ(result.value(), 10);
}

TEST_F(TaskTest, TheEndOfTheLoopDestroysWhatWaits) {
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

TEST_F(TaskTest, OneThatNeverBeganIsDestroyedWithTheLoop) {
  auto own = std::make_unique<EventLoop>(EventLoopOptions{}, clock);
  const Future<int> result = spawn(give(1), &own->handle());
  own.reset();
  EXPECT_EQ(result.status().code(), StatusCode::kUnavailable);
}

TEST_F(TaskTest, AFutureOfAnotherLoopBringsItBackToItsOwn) {
  ManualClock other_clock;
  EventLoop other({}, other_clock);
  const Future<int> foreign(&other.handle());
  std::thread::id resumed;
  const Future<int> result = spawn([&]() -> Task<int> {
    const int value = co_await foreign;
    resumed = std::this_thread::get_id();
    co_return value;
  });
  settle();
  std::thread([&] {
    foreign.mark_complete(5);
    while (other.run_once(false)) {
    }
  }).join();
  EXPECT_FALSE(result.done());
  settle();
  EXPECT_EQ(result.value(), 5);
  EXPECT_EQ(resumed, std::this_thread::get_id());
}

TEST_F(TaskTest, WithoutANodeItCannotBegin) {
  LoopHandle::set_thread_default(nullptr);
  const Status status = test::thrown_by([] { return spawn(give(1)); });
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(status.message(), HasSubstr("init_rpc()"));
}

}  // namespace
}  // namespace onward
