// SPDX-License-Identifier: Apache-2.0
#include "context_functions.h"

#include <chrono>
#include <functional>
#include <memory>
#include <vector>

namespace onward::context_functions {
namespace {

// Counts, and who waits for it. On the kernel thread alone.
class Counter {
 public:
  Future<std::string> reached(int count) {
    Future<std::string> future;
    if (count_ >= count) return Future<std::string>::of(note_);
    waiting_.push_back({count, future});
    return future;
  }
  void add(int change, std::string note) {
    count_ += change;
    note_ = std::move(note);
    for (const auto& [count, future] : waiting_) {
      if (count_ >= count) future.try_complete(note_);
    }
    std::erase_if(waiting_, [](const auto& entry) { return entry.second.done(); });
  }

 private:
  int count_ = 0;
  std::string note_;
  std::vector<std::pair<int, Future<std::string>>> waiting_;
};

struct State {
  Counter held;
  Counter unwound;
  Future<void> never;
};

Seen see() {
  const CallContext call = CallContext::current();
  Seen seen;
  seen.remaining_ms = call.remaining() == Duration::max() ? -1 : call.remaining() / std::chrono::milliseconds(1);
  seen.caller = call.caller()->node;
  if (const auto trace = call.trace()) seen.trace_id = trace->trace_id_text();
  seen.tenant = std::string(call.baggage().get("tenant").value_or(""));
  return seen;
}

Task<Seen> relay_see(std::string peer) {
  co_return co_await rpc_async(to(peer, {.timeout = std::chrono::hours(1)}), kSee);
}

Task<void> hold(std::shared_ptr<State> state, std::string peer) {
  struct Guard {
    State& state;
    ~Guard() { state.unwound.add(1, std::string(to_string(CallContext::current().status().code()))); }
  };
  const Guard guard{*state};
  const Future<void> forever = peer.empty() ? state->never : rpc_async(peer, kHold, std::string());
  state->held.add(1, "");
  co_await forever;
}

}  // namespace

Status add_functions(FunctionTable& table) {
  const auto state = std::make_shared<State>();
  Status failed;
  const auto add = [&](const auto& as, auto function) {
    if (failed.ok()) failed = table.add(as.name().name, std::move(function));
  };
  add(kSee, see);
  add(kRelaySee, relay_see);
  add(kHold, [state](std::string peer) { return hold(state, std::move(peer)); });
  add(kAwaitHeld, [state](int count) { return state->held.reached(count).then([](const std::string&) {}); });
  add(kAwaitUnwound, [state](int count) { return state->unwound.reached(count); });
  return failed;
}

}  // namespace onward::context_functions
