// SPDX-License-Identifier: Apache-2.0
//
// What the loop looks at instead of waiting for it.
#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <functional>
#include <memory>

#include "loop_fixture.h"
#include "onward/event_loop.h"

namespace onward {
namespace {

using namespace std::chrono_literals;

struct Memory final : Pollable {
  [[nodiscard]] bool has_work() noexcept override {
    ++looks;
    return pending > 0;
  }
  void work() override {
    --pending;
    ++worked;
    if (action) action();
  }
  [[nodiscard]] bool prepare_sleep() noexcept override {
    ++sleeps;
    return pending == 0 && !refuses_sleep;
  }
  std::function<void()> action;
  int pending = 0;
  int looks = 0;
  int worked = 0;
  int sleeps = 0;
  bool refuses_sleep = false;
};

using EventLoopMemory = test::LoopTest;

TEST_F(EventLoopMemory, IsLookedAtInEveryTurn) {
  Memory memory;
  loop.look_at(memory);
  loop.look_at(memory);  // twice is once
  EXPECT_FALSE(loop.run_once(false));
  EXPECT_EQ(memory.looks, 1);
  memory.pending = 3;
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(loop.run_once(false));
  EXPECT_FALSE(loop.run_once(false));
  EXPECT_EQ(memory.worked, 3);
  EXPECT_EQ(memory.sleeps, 0);
}

// The turn that would sleep asks first; one that says no is looked at again.
TEST_F(EventLoopMemory, LeavesTheListBeforeTheLoopSleeps) {
  Memory memory;
  Memory wakeful;
  loop.look_at(memory);
  loop.look_at(wakeful);
  wakeful.refuses_sleep = true;
  loop.run_once(true);  // does not sleep
  EXPECT_EQ(memory.sleeps, 1);
  EXPECT_EQ(wakeful.sleeps, 1);
  const int looks = memory.looks;
  memory.pending = 1;
  loop.run_once(false);
  EXPECT_EQ(memory.looks, looks);
  loop.look_at(memory);
  loop.run_once(false);
  EXPECT_EQ(memory.worked, 1);
}

// Descriptors are looked at, too, however much there is to do in memory.
TEST_F(EventLoopMemory, DoesNotStarveDescriptors) {
  Memory memory;
  memory.pending = 1'000'000;
  loop.look_at(memory);
  const int fd = ::eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC);
  bool readable = false;
  {
    IoWatcher watcher(loop, fd, &readable, [](void* seen) { *static_cast<bool*>(seen) = true; }, nullptr);
    watcher.watch_readable(true);
    for (int i = 0; i < 100 && !readable; ++i) loop.run_once(true);
  }
  ::close(fd);
  EXPECT_TRUE(readable);
  EXPECT_LT(memory.worked, 100);
}

TEST_F(EventLoopMemory, IsForgottenAfterManyIdleTurns) {
  Memory idle;
  Memory busy;
  busy.pending = 1'000'000;
  loop.look_at(idle);
  loop.look_at(busy);
  for (int i = 0; i < 10'000; ++i) loop.run_once(true);
  EXPECT_EQ(idle.sleeps, 1);
  EXPECT_LT(idle.looks, 5'000);
  EXPECT_GE(busy.worked, 9'999);  // when the other leaves, this one may be passed over once
}

TEST_F(EventLoopMemory, WhatWorksMayDestroyAndAddOthers) {
  auto other = std::make_unique<Memory>();
  Memory late;
  Memory memory;
  memory.pending = 1;
  memory.action = [&] {
    other.reset();
    loop.look_at(late);
  };
  loop.look_at(memory);
  loop.look_at(*other);
  loop.run_once(false);
  late.pending = 1;
  loop.run_once(false);
  EXPECT_EQ(late.worked, 1);
}

TEST_F(EventLoopMemory, StaysAwakeForWhatComesSoon) {
  Memory memory;  // outlives its loop, which may be
  EventLoop busy;
  busy.look_at(memory);
  busy.stay_awake(10s);
  memory.action = [&] { busy.stop(); };
  int turns = 0;
  while (memory.worked == 0 && ++turns < 1'000) {
    if (turns == 100) memory.pending = 1;
    busy.run_once(true);
  }
  EXPECT_EQ(memory.worked, 1);
  EXPECT_EQ(memory.sleeps, 0);
}

// An edge-triggered watcher is called once for each change, read or not.
TEST_F(EventLoopMemory, EdgesAreToldOnce) {
  const int fd = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  int told = 0;
  {
    IoWatcher watcher(loop, fd, &told, [](void* count) { ++*static_cast<int*>(count); }, nullptr, true);
    watcher.watch_readable(true);
    for (int change = 1; change <= 3; ++change) {
      const std::uint64_t one = 1;
      ASSERT_EQ(::write(fd, &one, sizeof one), static_cast<ssize_t>(sizeof one));
      for (int i = 0; i < 3; ++i) loop.run_once(false);
      EXPECT_EQ(told, change);
    }
  }
  ::close(fd);
}

}  // namespace
}  // namespace onward
