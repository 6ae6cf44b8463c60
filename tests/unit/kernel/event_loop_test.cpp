// SPDX-License-Identifier: Apache-2.0
#include "onward/event_loop.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "loop_fixture.h"

namespace onward {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class EventLoopTest : public test::LoopTest {
 public:
  std::vector<std::string> happened;
};

// Two ends: a byte written into one makes the other readable.
class Pipe {
 public:
  Pipe() { EXPECT_EQ(::pipe2(ends_.data(), O_NONBLOCK | O_CLOEXEC), 0); }
  ~Pipe() {
    ::close(ends_[0]);
    ::close(ends_[1]);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  [[nodiscard]] int reader() const { return ends_[0]; }
  [[nodiscard]] int writer() const { return ends_[1]; }
  void write() const { EXPECT_EQ(::write(ends_[1], "x", 1), 1); }
  void read() const {
    char c = 0;
    EXPECT_EQ(::read(ends_[0], &c, 1), 1);
  }

 private:
  std::array<int, 2> ends_{};
};

struct Note final : Flushable {
  explicit Note(std::function<void()> function) : action(std::move(function)) {}
  void flush() override { action(); }
  std::function<void()> action;
};

struct Action final : LoopTask {
  explicit Action(std::function<void()> function) : action(std::move(function)) {}
  void run() noexcept override { action(); }
  void drop() noexcept override { dropped = true; }
  std::function<void()> action;
  bool dropped = false;
};

TEST_F(EventLoopTest, ATurnHasItsOrder) {
  const Pipe pipe;
  IoWatcher watcher(
      loop, pipe.reader(), this,
      [](void* self) {
        auto& test = *static_cast<EventLoopTest*>(self);
        test.happened.push_back("input");
      },
      nullptr);
  watcher.watch_readable(true);
  Note note([&] { happened.push_back("flush"); });
  struct Grave {
    std::vector<std::string>& happened;
    ~Grave() { happened.push_back("bury"); }
  };
  Action ready([&] { happened.push_back("ready"); });
  Timer timer(loop, [&] {
    happened.push_back("timer");
    loop.schedule(ready);
    loop.flush_later(note);
    loop.dispose(std::make_unique<Grave>(happened));
  });
  timer.arm(1ms);
  clock.advance(1ms);
  loop.run_once(false);  // ManualClock's own wake-up
  happened.clear();

  timer.arm(1ms);
  clock.advance(1ms);
  loop.post([&] { happened.push_back("posted"); });
  pipe.write();
  loop.run_once(false);
  EXPECT_THAT(happened, ElementsAre("input", "timer", "posted", "ready", "flush", "bury"));
}

TEST_F(EventLoopTest, PostsRunInOrderAndNeverInline) {
  for (int i = 0; i < 5; ++i) loop.post([&, i] { happened.push_back(std::to_string(i)); });
  EXPECT_TRUE(happened.empty());
  settle();
  EXPECT_THAT(happened, ElementsAre("0", "1", "2", "3", "4"));
}

TEST_F(EventLoopTest, APostFromATaskRunsInTheSameTurnButLater) {
  loop.post([&] {
    loop.post([&] { happened.push_back("inner"); });
    happened.push_back("outer");
  });
  loop.run_once(false);
  EXPECT_THAT(happened, ElementsAre("outer", "inner"));
}

TEST_F(EventLoopTest, SaysWhetherAnythingWasDone) {
  settle();
  EXPECT_FALSE(loop.run_once(false));
  loop.post([] {});
  EXPECT_TRUE(loop.run_once(false));
  EXPECT_FALSE(loop.run_once(false));
}

TEST_F(EventLoopTest, TimeIsFrozenDuringATurn) {
  settle();
  const TimePoint before = loop.now();
  std::vector<TimePoint> seen;
  loop.post([&] {
    seen.push_back(loop.now());
    clock.advance(1s);
    seen.push_back(loop.now());
    loop.post([&] { seen.push_back(loop.now()); });
  });
  loop.run_once(false);
  EXPECT_THAT(seen, ElementsAre(before, before, before));
  loop.post([&] { seen.push_back(loop.now()); });
  loop.run_once(false);
  EXPECT_EQ(seen.back(), before + 1s);
}

TEST_F(EventLoopTest, TimersFireInOrderAndNeverEarly) {
  Timer late(loop, [&] { happened.push_back("late"); });
  Timer soon(loop, [&] { happened.push_back("soon"); });
  late.arm(20ms);
  soon.arm(10ms + 1ns);  // rounded up to the next millisecond
  EXPECT_TRUE(soon.armed());
  clock.advance(10ms);
  settle();
  EXPECT_TRUE(happened.empty());
  clock.advance(1ms);
  settle();
  EXPECT_THAT(happened, ElementsAre("soon"));
  EXPECT_FALSE(soon.armed());
  clock.advance(1h);
  settle();
  EXPECT_THAT(happened, ElementsAre("soon", "late"));
}

TEST_F(EventLoopTest, TimersMayBeMovedCancelledAndDestroyedWhileArmed) {
  int fired = 0;
  Timer moved(loop, [&] { ++fired; });
  Timer cancelled(loop, [&] { ++fired; });
  moved.arm(5ms);
  cancelled.arm(5ms);
  {
    Timer destroyed(loop, [&] { ++fired; });
    destroyed.arm(5ms);
  }
  moved.arm(50ms);
  cancelled.cancel();
  clock.advance(49ms);
  settle();
  EXPECT_EQ(fired, 0);
  clock.advance(1ms);
  settle();
  EXPECT_EQ(fired, 1);
}

TEST_F(EventLoopTest, ATimerMayArmItselfAgain) {
  int fired = 0;
  std::optional<Timer> timer;
  timer.emplace(loop, [&] {
    if (++fired < 3) timer->arm(10ms);
  });
  timer->arm(10ms);
  for (int i = 0; i < 5; ++i) {
    clock.advance(10ms);
    settle();
  }
  EXPECT_EQ(fired, 3);
}

TEST_F(EventLoopTest, ATimerOfZeroDoesNotFireInline) {
  bool fired = false;
  Timer timer(loop, [&] { fired = true; });
  timer.arm(0ms);
  EXPECT_FALSE(fired);
  clock.advance(1ms);
  settle();
  EXPECT_TRUE(fired);
}

TEST_F(EventLoopTest, FlushesOnceATurn) {
  int flushed = 0;
  Note note([&] { ++flushed; });
  loop.post([&] {
    loop.flush_later(note);
    loop.flush_later(note);
    loop.post([&] { loop.flush_later(note); });
  });
  loop.run_once(false);
  EXPECT_EQ(flushed, 1);
  loop.run_once(false);
  EXPECT_EQ(flushed, 1);
  loop.post([&] { loop.flush_later(note); });
  loop.run_once(false);
  EXPECT_EQ(flushed, 2);
}

TEST_F(EventLoopTest, AFlushMayAskForOthers) {
  Note second([&] { happened.push_back("second"); });
  Note first([&] {
    happened.push_back("first");
    loop.flush_later(second);
  });
  loop.post([&] { loop.flush_later(first); });
  loop.run_once(false);
  EXPECT_THAT(happened, ElementsAre("first", "second"));
}

TEST_F(EventLoopTest, WhatIsDestroyedIsNotFlushed) {
  int flushed = 0;
  loop.post([&] {
    auto gone = std::make_unique<Note>([&] { ++flushed; });
    auto stays = std::make_unique<Note>([&] { ++flushed; });
    loop.flush_later(*gone);
    loop.flush_later(*stays);
    gone.reset();
    loop.dispose(std::move(stays));
  });
  loop.run_once(false);
  EXPECT_EQ(flushed, 1);
}

TEST_F(EventLoopTest, DisposesAtTheEndOfTheTurn) {
  auto object = std::make_shared<int>(1);
  const std::weak_ptr<int> alive = object;
  loop.post([&] {
    loop.dispose(std::make_unique<std::shared_ptr<int>>(std::move(object)));
    EXPECT_FALSE(alive.expired());
    loop.post([&] { EXPECT_FALSE(alive.expired()); });
  });
  loop.run_once(false);
  EXPECT_TRUE(alive.expired());
}

TEST_F(EventLoopTest, TellsWhatItDisposesAtOnce) {
  struct Told {
    std::vector<std::string>& happened;
    void on_dispose() { happened.push_back("told"); }
    ~Told() { happened.push_back("gone"); }
  };
  loop.post([&] {
    loop.dispose(std::make_unique<Told>(happened));
    happened.push_back("after");
  });
  loop.run_once(false);
  EXPECT_THAT(happened, ElementsAre("told", "after", "gone"));
}

TEST_F(EventLoopTest, AnEndingObjectMayDisposeAnother) {
  struct Chain {
    EventLoop& loop;
    int left;
    int& freed;
    ~Chain() {
      ++freed;
      if (left > 0) loop.dispose(std::make_unique<Chain>(loop, left - 1, freed));
    }
  };
  int freed = 0;
  loop.post([&] { loop.dispose(std::make_unique<Chain>(loop, 3, freed)); });
  loop.run_once(false);
  EXPECT_EQ(freed, 4);
}

TEST_F(EventLoopTest, WatchesDescriptors) {
  const Pipe pipe;
  struct Seen {
    const Pipe& pipe;
    int readable = 0;
    int writable = 0;
  } seen{pipe};
  IoWatcher reader(
      loop, pipe.reader(), &seen,
      [](void* it) {
        auto& self = *static_cast<Seen*>(it);
        ++self.readable;
        self.pipe.read();
      },
      nullptr);
  auto writer = std::make_unique<IoWatcher>(loop, pipe.writer(), &seen, nullptr,
                                            [](void* it) { ++static_cast<Seen*>(it)->writable; });
  pipe.write();
  settle();
  EXPECT_EQ(seen.readable, 0);  // nobody asked
  reader.watch_readable(true);
  reader.watch_readable(true);
  EXPECT_TRUE(loop.run_once(false));
  EXPECT_EQ(seen.readable, 1);
  writer->watch_writable(true);
  loop.run_once(false);
  loop.run_once(false);
  EXPECT_EQ(seen.writable, 2);  // level-triggered
  writer->watch_writable(false);
  EXPECT_FALSE(loop.run_once(false));
  writer->watch_writable(true);
  writer.reset();
  EXPECT_FALSE(loop.run_once(false));
}

TEST_F(EventLoopTest, ReadyTasksDoNotStarveInput) {
  const Pipe pipe;
  bool stop = false;
  std::size_t runs = 0;
  std::optional<Action> endless;
  endless.emplace([&] {
    ++runs;
    if (!stop) loop.schedule(*endless);
  });
  struct Input {
    const Pipe& pipe;
    bool& stop;
  } input{pipe, stop};
  const auto read = [](void* it) {
    static_cast<Input*>(it)->pipe.read();
    static_cast<Input*>(it)->stop = true;
  };
  IoWatcher watcher(loop, pipe.reader(), &input, read, nullptr);
  watcher.watch_readable(true);
  bool fired = false;
  Timer timer(loop, [&] { fired = true; });
  timer.arm(1ms);
  loop.schedule(*endless);
  loop.run_once(false);
  EXPECT_GT(runs, 1U);
  clock.advance(1ms);
  pipe.write();
  for (int turns = 0; turns < 3 && !stop; ++turns) loop.run_once(false);
  EXPECT_TRUE(stop);
  EXPECT_TRUE(fired);
  settle();
}

TEST_F(EventLoopTest, KnowsItsThread) {
  EXPECT_FALSE(loop.in_loop_thread());
  EXPECT_EQ(EventLoop::current(), nullptr);
  EXPECT_NO_THROW(EventLoop::check_may_block("wait()"));
  bool inside = false;
  loop.post([&] {
    inside = loop.in_loop_thread() && EventLoop::current() == &loop && LoopHandle::current() == &loop.handle();
    try {
      EventLoop::check_may_block("wait()");
      ADD_FAILURE() << "blocking was allowed";
    } catch (const RpcError& error) {
      EXPECT_EQ(error.code(), StatusCode::kFailedPrecondition);
      EXPECT_THAT(error.status().message(), HasSubstr("wait() was called on the kernel thread"));
      EXPECT_THAT(error.status().message(), HasSubstr("then()"));
    }
  });
  settle();
  EXPECT_TRUE(inside);
  EXPECT_EQ(EventLoop::current(), nullptr);
}

TEST_F(EventLoopTest, OneLoopMayTurnInsideAnother) {
  EventLoop inner;
  bool ran = false;
  loop.post([&] {
    inner.post([&] { ran = EventLoop::current() == &inner; });
    inner.run_once(false);
    EXPECT_EQ(EventLoop::current(), &loop);
  });
  settle();
  EXPECT_TRUE(ran);
}

}  // namespace
}  // namespace onward
