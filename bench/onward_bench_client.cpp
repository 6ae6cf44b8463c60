// SPDX-License-Identifier: Apache-2.0
#include <future>
#include <iostream>
#include <memory>
#include <string>

#include "allocation_counter.h"
#include "measure.h"
#include "onward_bench.h"

namespace onward::bench {
namespace {

// A closed loop on the client's kernel thread: each answer starts the next call.
class ClosedLoop {
 public:
  ClosedLoop(Node& node, PeerHandle server, const Remote<Buffer(Buffer)>& function, const Settings& settings)
      : node_(node),
        server_(server),
        function_(function),
        settings_(settings),
        phases_(Phases::Seconds(settings.warmup), Phases::Seconds(settings.seconds)),
        payload_(Buffer::allocate(settings.bytes)) {
    std::fill_n(payload_.mutable_data(), payload_.size(), std::byte{'x'});
  }

  // Runs warm-up and measurement; throws the error of a call that fails.
  void run() {
    node_.pool().run([] {}).wait();
    post([this] {
      phases_.start();
      for (int i = 0; i < settings_.in_flight; ++i) start_call();
    });
    finished_.get_future().get();
  }

  [[nodiscard]] JsonLine report() const {
    const auto requests = static_cast<double>(requests_);
    JsonLine line;
    line.number("requests", requests_)
        .number("req_per_s", requests / phases_.seconds())
        .number("p50_us", latencies_.quantile_us(0.5))
        .number("p99_us", latencies_.quantile_us(0.99))
        .number("client_cpu_us", phases_.cpu_us() / requests)
        .number("gb_per_s", requests * static_cast<double>(settings_.bytes) / phases_.seconds() / 1e9)
        .number("per_call", static_cast<double>(allocations_) / requests);
    return line;
  }

 private:
  void post(std::move_only_function<void()> function) {
    struct Posted final : LoopTask {
      std::move_only_function<void()> function;
      void run() noexcept override {
        function();
        delete this;
      }
      void drop() noexcept override { delete this; }
    };
    auto* task = new Posted;
    task->function = std::move(function);
    node_.loop().schedule(*task);
  }

  // One clock reading serves all calls of a turn, as in the reference; serial calls have one each anyway.
  [[nodiscard]] static Clock::time_point now() { return EventLoop::current()->now(); }

  void start_call() {
    const Clock::time_point started = settings_.in_flight == 1 ? Clock::now() : now();
    rpc_async(node_, server_, function_, payload_).on_done([this, started](const Result<Buffer>& result) {
      if (!result) return fail(result.error());
      on_answer(started);
    });
  }

  void on_answer(Clock::time_point started) {
    const Clock::time_point at = settings_.in_flight == 1 ? Clock::now() : now();
    if (phases_.measuring()) {
      ++requests_;
      latencies_.add(at - started);
    }
    if (phases_.over(at)) next_phase(at);
    if (!done_) start_call();
  }

  void next_phase(Clock::time_point at) {
    if (done_) return;
    if (!phases_.measuring()) {
      latencies_.clear();
      requests_ = 0;
      phases_.begin_measuring();
      allocations_ = allocations();
      return;
    }
    done_ = true;
    allocations_ = allocations() - allocations_;
    phases_.end_measuring(at);
    finished_.set_value();
  }

  void fail(const Status& error) {
    if (done_) return;
    done_ = true;
    finished_.set_exception(std::make_exception_ptr(RpcError(error)));
  }

  Node& node_;
  PeerHandle server_;
  const Remote<Buffer(Buffer)>& function_;
  Settings settings_;
  Phases phases_;
  Buffer payload_;
  LatencyHistogram latencies_;
  std::promise<void> finished_;
  std::uint64_t requests_ = 0;
  std::uint64_t allocations_ = 0;
  bool done_ = false;
};

// M1: parks many requests, and reports what each costs this process.
void run_parked(Node& node, PeerHandle server, const Settings& settings) {
  const Buffer payload = Buffer::allocate(settings.bytes);
  const auto options = CallOptions{.timeout = std::chrono::minutes(10)};
  rpc_sync(node, server, kEcho, payload);
  std::vector<Future<Buffer>> futures;
  futures.reserve(static_cast<std::size_t>(settings.in_flight));
  print_line("measuring");
  const std::uint64_t before = resident_bytes();
  for (int i = 0; i < settings.in_flight; ++i) futures.push_back(rpc_async(node, to(server, options), kPark, payload));
  // Answered behind them all, on the same connection: by then they are parked.
  rpc_sync(node, to(server, options), kEcho, payload);
  const std::uint64_t after = resident_bytes();
  print_line("parked");
  std::string line;
  std::getline(std::cin, line);
  rpc_sync(node, to(server, options), kRelease, payload);
  for (Future<Buffer>& future : futures) static_cast<void>(std::move(future).wait());
  print_line(JsonLine()
                 .number("client_bytes", static_cast<double>(after - before) / settings.in_flight)
                 .number("requests", static_cast<std::uint64_t>(settings.in_flight))
                 .text());
}

// One call, so that there is a connection; then nothing, for as long as whoever reads wants.
void run_idle(Node& node, PeerHandle server, const Settings& settings) {
  rpc_sync(node, server, kEcho, Buffer::allocate(settings.bytes));
  print_line("measuring");
  std::string line;
  std::getline(std::cin, line);
  print_line(JsonLine().number("requests", std::uint64_t{1}).text());
}

}  // namespace

int run_client(const Settings& settings) {
  const bool nested = settings.shape.starts_with("N");
  const std::string peer = nested ? "middle" : "server";
  Node node(node_options(settings, "client", peer));
  node.start().throw_if_error();
  const PeerHandle server = node.peer(peer);
  if (settings.shape == "M1") {
    run_parked(node, server, settings);
  } else if (settings.shape == "idle") {
    run_idle(node, server, settings);
  } else {
    const bool payload = settings.shape.starts_with("B");
    ClosedLoop loop(node, server, nested ? kRelay : payload ? kMeasure : kEcho, settings);
    loop.run();
    print_line(loop.report().text());
    node.stop(std::chrono::seconds(10));
  }
  return 0;
}

}  // namespace onward::bench
