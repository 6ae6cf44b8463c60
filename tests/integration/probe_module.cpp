// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstddef>
#include <cstring>
#include <memory>
#include <numeric>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "context_functions.h"
#include "onward/combinators.h"
#include "onward/identity.h"
#include "onward/log.h"
#include "probe.h"
#include "workload.h"

namespace onward {
namespace {

using probe::Statistics;

Future<int> chain(const std::string& peer, int value, int count) {
  if (value == count) return Future<int>::of(value);
  return rpc_async(peer, probe::kAdd, value, 1).then([=](int next) { return chain(peer, next, count); });
}

Future<std::int64_t> fan_out(const std::string& peer, int count) {
  std::vector<Future<int>> calls;
  for (int i = 0; i < count; ++i) calls.push_back(rpc_async(peer, probe::kAdd, i, 1));
  return when_all(calls).then(
      [](const std::vector<int>& sums) { return std::accumulate(sums.begin(), sums.end(), std::int64_t{0}); });
}

// A window of calls that refills itself.
class Load : public std::enable_shared_from_this<Load> {
 public:
  Load(std::string peer, int total, int bytes)
      : peer_(std::move(peer)), left_(total), missing_(total), filling_(static_cast<std::size_t>(bytes), 'f') {}

  Future<int> start(int window) {
    for (int i = 0; i < window; ++i) next();
    return done_;
  }

 private:
  void next() {
    if (left_ == 0) return;
    const std::string text = "number " + std::to_string(left_--) + filling_;
    rpc_async(peer_, probe::kEcho, text).on_done([self = shared_from_this(), text](const Result<std::string>& answer) {
      if (answer && *answer == text) ++self->right_;
      if (--self->missing_ == 0) self->done_.mark_complete(self->right_);
      self->next();
    });
  }

  std::string peer_;
  int left_;
  int missing_;
  int right_ = 0;
  std::string filling_;
  Future<int> done_;
};

class ProbeModule final : public Module {
 public:
  Status start(ModuleContext& context) override {
    node_ = &context.node();
    table_ = &context.functions();
    add_direct();
    add_parking();
    add_nested();
    add_blocking();
    for (const char* codec : {"flex", "raw", "flatbuffers"}) add_failing(codec);
    if (Status status = context_functions::add_functions(*table_); failure_.ok()) failure_ = std::move(status);
    if (Status status = workload::add_functions(*table_); failure_.ok()) failure_ = std::move(status);
    return failure_;
  }

  Future<void> stop() override {
    log(LogLevel::kInfo, node_->name(), "answered " + std::to_string(counted_) + " counted calls");
    return Future<void>::of();
  }

 private:
  struct Waiter {
    std::size_t count;
    Future<void> future;
  };

  // Under the name that callers use, with the signature that they expect.
  template <class R, class... Params, class F>
  void add(const Remote<R(Params...)>& as, F function) {
    if (Status status = table_->add(as.name().name, std::move(function)); failure_.ok()) failure_ = std::move(status);
  }

  void add_direct() {
    add(probe::kEcho, [](std::string text) { return text; });
    add(probe::kWhoCalls,
        [] { return current_caller()->node + ", proved to be " + current_caller()->identity.name(); });
    add(probe::kAdd, [](int a, int b) { return a + b; });
    add(probe::kBlob, [](std::uint64_t bytes) {
      Buffer blob = Buffer::allocate(bytes);
      std::memset(blob.mutable_data(), 'x', bytes);
      return blob;
    });
    add(probe::kCount, [this] { ++counted_; });
    add(probe::kThrow, [](const std::string& text) { throw std::out_of_range(text); });
    add(probe::kFail, [] {
      probe::SeatsTaken error;
      error.rows = {"A", "B"};
      error.left = 2;
      throw error;
    });
    add(probe::kBlock, [this](const std::string& path) {
      log(LogLevel::kInfo, node_->name(), "blocks its kernel thread");
      ::close(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    });
    add(probe::kCrash, [] { static_cast<void>(::raise(SIGKILL)); });
  }

  void add_parking() {
    add(probe::kPark, [this] {
      parked_.emplace_back();
      const Future<std::string> answer = parked_.back();
      for (const Waiter& waiter : waiters_) {
        if (parked_.size() >= waiter.count) waiter.future.try_complete({});
      }
      std::erase_if(waiters_, [](const Waiter& waiter) { return waiter.future.done(); });
      return answer;
    });
    add(probe::kRelease, [this](const std::string& text) {
      const std::vector<Future<std::string>> parked = std::exchange(parked_, {});
      for (const Future<std::string>& answer : parked) answer.try_complete(text);
      return static_cast<int>(parked.size());
    });
    add(probe::kAwaitParked, [this](int count) {
      const auto wanted = static_cast<std::size_t>(count);
      if (parked_.size() >= wanted) return Future<void>::of();
      return waiters_.emplace_back(Waiter{wanted, Future<void>()}).future;
    });
    add(probe::kSlow, [this](int milliseconds) {
      ++counted_;
      return sleep_for(std::chrono::milliseconds(milliseconds));
    });
  }

  void add_nested() {
    add(probe::kPing, [this](const std::string& peer, int depth) {
      if (depth == 0) return Future<int>::of(0);
      return rpc_async(peer, probe::kPing, node_->name(), depth - 1).then([](int deeper) { return deeper + 1; });
    });
    add(probe::kRelayPark, [](const std::string& peer) { return rpc_async(peer, probe::kPark); });
    add(probe::kRelayCount, [](const std::string& peer) { return rpc_async(peer, probe::kCount); });
    add(probe::kRelayThrow,
        [](const std::string& peer, const std::string& text) { return rpc_async(peer, probe::kThrow, text); });
    add(probe::kRelayTwice, [](const std::string& peer, const std::string& last, const std::string& text) {
      return rpc_async(peer, probe::kRelayThrow, last, text);
    });
    add(probe::kFanOut, fan_out);
    add(probe::kChain, [](const std::string& peer, int count) { return chain(peer, 0, count); });
    add(probe::kLoad, [](const std::string& peer, int total, int window, int bytes) {
      return std::make_shared<Load>(peer, total, bytes)->start(window);
    });
  }

  void add_failing(const char* codec) {
    add(probe::relay_fail(codec), [codec] { return rpc_async(to("worker", {.codec = codec}), probe::kFail); });
    add(probe::sync_relay_fail(codec), blocking([codec] {
          try {
            rpc_sync(to("worker", {.codec = codec}), probe::kFail);
          } catch (const probe::SeatsTaken&) {
            throw RpcError(status_from_current_exception().with_hop_message("while booking"));
          }
        }));
  }

  void add_blocking() {
    add(probe::kSyncPing, blocking([this](const std::string& peer, int depth) {
          return depth == 0 ? 0 : rpc_sync(peer, probe::kSyncPing, node_->name(), depth - 1) + 1;
        }));
    add(probe::kSyncRelayPark, blocking([](const std::string& peer) { return rpc_sync(peer, probe::kPark); }));
    add(probe::kHang, blocking([this] {
          log(LogLevel::kInfo, node_->name(), "hangs");
          for (;;) ::pause();
        }));
    add(probe::kStatistics, blocking([this] {
          const Node::Statistics now = node_->statistics();
          return Statistics{.connections = now.connections,
                            .calls_in_flight = now.calls_in_flight,
                            .requests_in_flight = now.requests_in_flight};
        }));
  }

  Node* node_ = nullptr;
  FunctionTable* table_ = nullptr;
  Status failure_;
  std::vector<Future<std::string>> parked_;
  std::vector<Waiter> waiters_;
  std::uint64_t counted_ = 0;
};

}  // namespace

ONWARD_MODULE(probe, .version = "1.0", .summary = "what the integration tests do to a node",
              .create = make_module<ProbeModule>);

}  // namespace onward
