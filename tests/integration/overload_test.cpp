// SPDX-License-Identifier: Apache-2.0
//
// A node that is asked for ten times what it can do. What that is, is measured in the same round, so that a slow or
// busy machine changes both sides. Each round prints a row for docs/OVERLOAD.md.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "cluster.h"
#include "workload.h"

namespace onward::testing_support {
namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

// What one unit of work takes.
constexpr int kWorkMs = kSanitized ? 20 : 4;
constexpr auto kDeadline = 50 * kWorkMs * 1ms;
constexpr int kAtOnce = 8;  // of closed loops: enough to keep four busy
constexpr double kOverload = 10;
constexpr double kWanted = 0.9;
// A round can be spoilt by what else runs on the machine.
constexpr int kRounds = 4;
constexpr std::size_t kCarried = 1000;
// What a server may have more than before, besides what its limits allow.
constexpr std::size_t kMoreBytes = std::size_t{48} << 20;
constexpr std::size_t kInFlightBytes = std::size_t{16} << 20;

struct Work {
  std::string name;
  const Remote<bool(int, std::string)>& function;
};
void PrintTo(const Work& work, std::ostream* out) { *out << work.name; }
std::vector<Work> works() {
  return {{"pool", workload::kHold}, {"direct", workload::kBurn}, {"adaptive", workload::kAsk}};
}

struct Tally {
  std::atomic<int> done = 0;     // within their deadlines
  std::atomic<int> refused = 0;  // RESOURCE_EXHAUSTED
  std::atomic<int> late = 0;     // DEADLINE_EXCEEDED
  std::atomic<int> other = 0;
  std::atomic<int> missing = 0;  // not answered yet

  void count(const Result<bool>& outcome) {
    if (outcome) {
      ++done;
    } else if (outcome.error().code() == StatusCode::kResourceExhausted) {
      ++refused;
    } else if (outcome.error().code() == StatusCode::kDeadlineExceeded) {
      ++late;
    } else {
      ++other;
      last_error = outcome.error().to_string();
    }
    --missing;
  }
  std::string last_error;  // kernel thread
};

class Generator {
 public:
  Generator(Node& client, const Work& work) : client_(client), work_(work) {}

  // Calls a second that succeed, where each answer brings on the next call.
  double closed_loop(Clock::duration warm_up, Clock::duration time) {
    const auto tally = std::make_shared<Tally>();
    const auto going = std::make_shared<std::atomic<bool>>(true);
    for (int i = 0; i < kAtOnce; ++i) next(tally, going);
    const double rate = measured(*tally, warm_up, time);
    *going = false;
    EXPECT_TRUE(await([&] { return tally->missing == 0; }));
    return rate;
  }

  // Begins `rate` calls a second, whatever becomes of them; returns how many a second were done in time behind the
  // warm-up. Not all have been answered yet then.
  double open_loop(double rate, Clock::duration warm_up, Clock::duration time, const std::shared_ptr<Tally>& tally) {
    std::atomic<bool> going = true;
    std::thread sender([&] {
      const Clock::time_point begun = Clock::now();
      int sent = 0;
      while (going) {
        const auto due = static_cast<int>(std::chrono::duration<double>(Clock::now() - begun).count() * rate);
        for (; sent < due; ++sent) call(tally);
        std::this_thread::sleep_for(1ms);  // the pace of the load, nothing is waited for
      }
    });
    const double done = measured(*tally, warm_up, time);
    going = false;
    sender.join();
    return done;
  }

  void call(const std::shared_ptr<Tally>& tally) {
    ++tally->missing;
    rpc_async(client_, to("server", {.timeout = kDeadline}), work_.function, kWorkMs, carried_)
        .on_done([tally](const Result<bool>& outcome) { tally->count(outcome); });
  }

 private:
  // The work lasts for that long; what is looked at is the load of that time.
  static double measured(const Tally& tally, Clock::duration warm_up, Clock::duration time) {
    std::this_thread::sleep_for(warm_up);
    const int before = tally.done;
    const Clock::time_point begun = Clock::now();
    std::this_thread::sleep_for(time);
    return (tally.done - before) / std::chrono::duration<double>(Clock::now() - begun).count();
  }
  void next(const std::shared_ptr<Tally>& tally, const std::shared_ptr<std::atomic<bool>>& going) {
    ++tally->missing;
    rpc_async(client_, to("server", {.timeout = kDeadline}), work_.function, kWorkMs, carried_)
        .on_done([this, tally, going](const Result<bool>& outcome) {
          tally->count(outcome);
          if (!*going) return;
          if (outcome) return next(tally, going);
          // Refused: not at once again.
          ++tally->missing;
          sleep_for(1ms).on_done([this, tally, going](const auto&) {
            --tally->missing;
            if (*going) next(tally, going);
          });
        });
  }

  Node& client_;
  const Work& work_;
  std::string carried_ = std::string(kCarried, 'x');
};

struct Round {
  double peak = 0;
  double goodput = 0;
  std::size_t more_bytes = 0;
  int sent_after = 0;
  int failed_after = 0;
  std::string error;

  [[nodiscard]] bool good() const { return goodput >= kWanted * peak && sent_after > 0 && failed_after == 0; }
};

std::vector<TransportKind> overloaded_transports() {
  std::vector<TransportKind> kinds = transport_kinds();
  std::erase_if(kinds, [](const TransportKind& kind) { return kind.name == "auto" || kind.name == "mixed"; });
  // Ratios mean little there: what is looked for is the same over all sockets, and over memory.
  if (kSanitized) {
    std::erase_if(kinds, [](const TransportKind& kind) { return kind.name != "tcp" && kind.name != "shm"; });
  }
  return kinds;
}

class Overload : public testing::TestWithParam<std::tuple<TransportKind, Work>> {
 protected:
  Round run(Generator& generator, Process& server) {
    Round round;
    const std::size_t before = server.resident_bytes();
    round.peak = generator.closed_loop(300ms, 1s);
    const auto tally = std::make_shared<Tally>();
    round.goodput = generator.open_loop(kOverload * round.peak, 500ms, 1s, tally);
    round.more_bytes = server.resident_bytes() - std::min(before, server.resident_bytes());
    // The load falls, while what was asked before is still being done: each place that there is may be taken for as
    // long as one piece of work takes.
    std::this_thread::sleep_for(kWorkMs * 1ms);
    const auto after = std::make_shared<Tally>();
    const Clock::duration pause(static_cast<Clock::rep>(2e9 / round.peak));
    for (int i = 0; i < 50; ++i) {
      std::this_thread::sleep_for(pause);
      generator.call(after);
    }
    EXPECT_TRUE(await([&] { return after->missing == 0 && tally->missing == 0; }));
    round.sent_after = 50;
    round.failed_after = 50 - after->done;
    round.error = after->last_error + tally->last_error;
    EXPECT_EQ(tally->other + after->other, 0) << round.error;
    std::printf("| %s | %s | %.0f | %.0f | %.0f %% | %d | %d | %.1f | %d of 50 |\n",
                std::get<0>(GetParam()).name.c_str(), std::get<1>(GetParam()).name.c_str(), round.peak, round.goodput,
                100 * round.goodput / round.peak, tally->refused.load(), tally->late.load(),
                static_cast<double>(round.more_bytes) / (1 << 20), after->done.load());
    return round;
  }

  Cluster cluster{std::get<0>(GetParam())};
};

TEST_P(Overload, AtTenTimesItsCapacityANodeKeepsItsThroughput) {
  Process& server =
      cluster.start("server", {.toml = "[limits]\nmax_in_flight_bytes = " + std::to_string(kInFlightBytes) +
                                       "\n[limits.functions.\"probe.work.ask\"]\nadaptive = true\n" +
                                       "[loop]\nslow_callback_ms = 1000\n"});
  const auto client = cluster.client();
  Generator generator(*client, std::get<1>(GetParam()));
  Round round;
  for (int i = 0; i < kRounds && !round.good(); ++i) {
    round = run(generator, server);
    EXPECT_TRUE(kSanitized || round.more_bytes < kInFlightBytes + kMoreBytes) << round.more_bytes;
  }
  EXPECT_GE(round.goodput, kWanted * round.peak);
  EXPECT_EQ(round.failed_after, 0) << "of the calls right behind the overload";
}

INSTANTIATE_TEST_SUITE_P(Transports, Overload,
                         testing::Combine(testing::ValuesIn(overloaded_transports()), testing::ValuesIn(works())),
                         [](const auto& case_info) {
                           return std::get<0>(case_info.param).name + "_" + std::get<1>(case_info.param).name;
                         });

}  // namespace
}  // namespace onward::testing_support
