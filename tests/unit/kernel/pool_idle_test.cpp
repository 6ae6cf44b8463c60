// SPDX-License-Identifier: Apache-2.0
//
// What a thread of the pool is told when it has nothing to do.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "loop_fixture.h"
#include "onward/pool.h"

namespace onward {
namespace {

using test::Event;
using test::kHang;
using ::testing::ElementsAre;

class PoolIdleTest : public ::testing::Test {
 protected:
  PoolIdleTest() : thread_([this] { loop.run(); }) {}
  ~PoolIdleTest() override {
    loop.stop();
    thread_.join();
  }
  [[nodiscard]] PoolOptions noting(const std::function<void()>& more = {}) {
    return {.threads = 1, .on_idle = [this, more] {
              note("idle");
              if (more) more();
            }};
  }
  void note(const std::string& what) {
    const std::lock_guard lock(mutex_);
    notes_.push_back(what);
    changed_.notify_all();
  }
  [[nodiscard]] std::vector<std::string> notes(std::size_t count) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, kHang, [&] { return notes_.size() >= count; }));
    return notes_;
  }

  EventLoop loop;
  Event gate;

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> notes_;
  std::thread thread_;
};

TEST_F(PoolIdleTest, ItIsCalledWhenNoJobIsLeft) {
  Pool pool(loop.handle(), "p", noting());
  std::thread::id worker;
  std::vector<Future<void>> jobs;
  jobs.push_back(pool.run([&] {
    EXPECT_TRUE(gate.wait());
    worker = std::this_thread::get_id();
    note("one");
  }));
  jobs.push_back(pool.run([&] { note("two"); }));
  jobs.push_back(pool.run([&] { note("three"); }));
  gate.set();
  EXPECT_THAT(notes(4), ElementsAre("one", "two", "three", "idle"));
  pool.run([&] {
        EXPECT_EQ(std::this_thread::get_id(), worker);
        note("four");
      })
      .wait(kHang);
  EXPECT_THAT(notes(6), ElementsAre("one", "two", "three", "idle", "four", "idle"));
  pool.stop();
  EXPECT_EQ(notes(6).size(), 6U);
}

TEST_F(PoolIdleTest, ItIsCalledBehindTheLastJobOfAThreadThatEnds) {
  Pool pool(loop.handle(), "p", noting());
  Event begun;
  const auto job = pool.run([&] {
    begun.set();
    EXPECT_TRUE(gate.wait());
    note("job");
  });
  const auto next = pool.run([&] { note("never"); });
  ASSERT_TRUE(begun.wait());
  std::thread stopper([&] { pool.stop(); });
  EXPECT_THROW(next.wait(kHang), RpcError);  // the pool is stopping
  gate.set();
  stopper.join();
  EXPECT_THAT(notes(2), ElementsAre("job", "idle"));
}

TEST_F(PoolIdleTest, ItMayUseThePool) {
  Pool* own = nullptr;
  std::optional<Future<void>> more;
  Pool pool(loop.handle(), "p", noting([&] {
              EXPECT_EQ(own->queued(), 0U);
              if (!more) more = own->run([this] { note("more"); });
            }));
  own = &pool;
  const auto job = pool.run([this] { note("job"); });
  EXPECT_THAT(notes(4), ElementsAre("job", "idle", "more", "idle"));
}

}  // namespace
}  // namespace onward
