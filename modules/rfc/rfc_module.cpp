// SPDX-License-Identifier: Apache-2.0
//
// Module "rfc": the examples of the RFC that Onward was made from, "Async User Function for RPC"
// (pytorch/pytorch issue 36071), as they read in C++. Arguments:
//   dst               the node that is called next; default: this node itself
//   dst2              the RFC's second destination; default: dst
//   batch_size        how many batch_add calls are added at once; default: 10
//   batch_timeout_ms  how long a batch that is not full waits before it is added all the same; default: for ever
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "onward/module.h"
#include "onward/rpc.h"
#include "rfc/tensor_batch.h"

namespace onward {
namespace {

// Python's integers do not overflow. These say so when they do, and the error reaches the first caller.
int sum_of(int a, int b) {
  int sum = 0;
  if (__builtin_add_overflow(a, b, &sum)) {
    throw std::overflow_error(std::to_string(a) + " + " + std::to_string(b) + " does not fit int32");
  }
  return sum;
}

int identity(int a) { return a; }

int my_add_2(int a, int b) { return sum_of(a, b); }

// ---- The API, as the RFC introduces it ----

void register_api(FunctionTable& functions, const std::string& dst2) {
  const auto my_add_3 = [dst2](int a, int b, int c) {
    // final output future of this user function
    Future<int> future_ret;
    // nested RPC calls
    const Future<int> future_value = rpc_async(dst2, my_add_2, a, b);
    // finish processing asynchronously when the nested RPC is done.
    future_value.add_callback([=](int ret) { future_ret.mark_complete(sum_of(ret, c)); });
    return future_ret;
  };
  functions.add("rfc.identity", identity, "gives its argument back").throw_if_error();
  functions.add("rfc.my_add_2", my_add_2, "a + b").throw_if_error();
  functions.add("rfc.my_add_3", my_add_3, "a + b + c: asks dst2 for a + b").throw_if_error();
}

// ---- Nested async user functions ----

void register_nested(FunctionTable& functions, const std::string& dst) {
  const auto nested_add_2 = [dst](int a, int b) {
    Future<int> fut_ret;
    rpc_async(dst, identity, a).add_callback([=](int ret) { fut_ret.mark_complete(sum_of(ret, b)); });
    return fut_ret;
  };
  const auto nested_add_3 = [dst, my_add_2 = remote<int(int, int)>("rfc.nested.my_add_2")](int a, int b, int c) {
    Future<int> fut_ret;
    rpc_async(dst, my_add_2, a, b).add_callback([=](int ret) { fut_ret.mark_complete(sum_of(ret, c)); });
    return fut_ret;
  };
  functions.add("rfc.nested.my_add_2", nested_add_2, "a + b: asks dst for identity(a)").throw_if_error();
  functions.add("rfc.nested.my_add_3", nested_add_3, "a + b + c: asks dst for a + b, which asks its own dst for a")
      .throw_if_error();
}

// ---- Multiple async calls in one user function ----

void register_chained(FunctionTable& functions, const std::string& dst) {
  const auto my_add_3 = [dst](int a, int b, int /*c, which the RFC does not use either*/) {
    Future<int> fut_ret;
    const auto bottom_half = [=](int x) {
      const Future<int> fut2 = rpc_async(dst, my_add_2, x, x);
      fut2.add_callback([=](int ret) { fut_ret.mark_complete(ret); });
    };
    rpc_async(dst, my_add_2, a, b).add_callback(bottom_half);
    return fut_ret;
  };
  functions.add("rfc.chained.my_add_3", my_add_3, "(a + b) + (a + b): asks dst for a + b, then for the sum with itself")
      .throw_if_error();
}

// ---- Async RPC fan-out ----

void register_fan_out(FunctionTable& functions, const std::string& dst2) {
  const auto my_add_4 = [dst2](int a, int b, int c, int d) {
    Future<std::vector<int>> fut_ret;
    const auto rets = std::make_shared<std::vector<int>>();
    // The RFC takes a lock here. Onward runs all callbacks on the node's kernel thread, one at a time:
    // there is nothing to lock. The sums stand in the order in which they came.
    const auto barrier = [=](int x) {
      rets->push_back(x);
      if (rets->size() == 2) fut_ret.mark_complete(*rets);
    };
    rpc_async(dst2, my_add_2, a, b).add_callback(barrier);
    rpc_async(dst2, my_add_2, c, d).add_callback(barrier);
    return fut_ret;
  };
  functions
      .add("rfc.fan_out.my_add_4", my_add_4, "[a + b, c + d], in the order of completion: asks dst2 for both at once")
      .throw_if_error();
}

// ---- Batch RPC requests ----

// As in fan-out, the RFC's lock has nothing to do: handlers and timers share the kernel thread.
class Batch {
 public:
  Batch(std::size_t batch_size, std::optional<Duration> timeout)
      : batch_size_(batch_size), timeout_(timeout), timer_(*EventLoop::current(), [this] { flush(); }) {}

  Future<Tensor> batch_add(Tensor a, Tensor b) {
    if (const Status refused = check_fits(a, b); !refused.ok()) return Future<Tensor>::failed(refused);
    Future<Tensor> fut_ret;
    a_list_.push_back(std::move(a));
    b_list_.push_back(std::move(b));
    fut_rets_.push_back(fut_ret);
    if (a_list_.size() == batch_size_) {
      flush();
    } else if (timeout_ && a_list_.size() == 1) {
      timer_.arm(*timeout_);
    }
    return fut_ret;
  }

 private:
  // What does not go with the batch is the caller's own error; the others in it do not notice.
  [[nodiscard]] Status check_fits(const Tensor& a, const Tensor& b) const {
    if (Status refused = rfc::check_addable(a, b); !refused.ok()) return refused;
    if (a.shape().size() >= kMaxTensorRank)
      return {StatusCode::kInvalidArgument,
              "batch_add: " + rfc::describe(a) + " has too many dimensions to be stacked"};
    if (a_list_.empty()) return {};
    if (rfc::alike(a, a_list_.front())) return {};
    return {StatusCode::kInvalidArgument, "batch_add: " + rfc::describe(a) +
                                              " cannot join the batch that is being collected, which has " +
                                              rfc::describe(a_list_.front()) + "; try again when that one is full"};
  }

  void flush() {
    timer_.cancel();
    const auto a_list = std::exchange(a_list_, {});
    const auto b_list = std::exchange(b_list_, {});
    const auto fut_rets = std::exchange(fut_rets_, {});
    try {
      const Tensor aa = rfc::stack(a_list);
      const Tensor bb = rfc::stack(b_list);
      const std::vector<Tensor> cc = rfc::unstack(rfc::add(aa, bb));
      for (std::size_t i = 0; i < fut_rets.size(); ++i) fut_rets[i].try_complete(cc[i]);
    } catch (...) {
      const Status error = status_from_current_exception();
      for (const Future<Tensor>& fut_ret : fut_rets) fut_ret.try_fail(error);
    }
  }

  std::size_t batch_size_;
  std::optional<Duration> timeout_;
  Timer timer_;
  std::vector<Tensor> a_list_;
  std::vector<Tensor> b_list_;
  std::vector<Future<Tensor>> fut_rets_;
};

constexpr std::int64_t kMaxBatchSize = 65'536;

constexpr Parameter kParameters[] = {
    optional_parameter<std::string>("dst", "the node that the examples call next").otherwise("this node"),
    optional_parameter<std::string>("dst2", "the RFC's second destination").otherwise("as `dst`"),
    parameter("batch_size", 10, "how many `rfc.batch.batch_add` are added at once").range(1, kMaxBatchSize),
    optional_parameter<std::int64_t>("batch_timeout_ms", "how long a batch waits that is not full")
        .unit("ms")
        .range(1, 86'400'000)
        .otherwise("for ever"),
};

class RfcModule final : public Module {
 public:
  Status start(ModuleContext& context) override {
    const Arguments& arguments = context.arguments();
    const auto dst = arguments.find<std::string>("dst").value_or(context.node().name());
    const auto dst2 = arguments.find<std::string>("dst2").value_or(dst);
    register_api(context.functions(), dst2);
    register_nested(context.functions(), dst);
    register_chained(context.functions(), dst);
    register_fan_out(context.functions(), dst2);

    std::optional<Duration> timeout;
    if (const auto timeout_ms = arguments.find<std::int64_t>("batch_timeout_ms")) {
      timeout = std::chrono::milliseconds(*timeout_ms);
    }
    batch_ = std::make_unique<Batch>(arguments.get<std::size_t>("batch_size"), timeout);
    return context.functions().add(
        "rfc.batch.batch_add", [this](Tensor a, Tensor b) { return batch_->batch_add(std::move(a), std::move(b)); },
        "a + b of two tensors, computed for batch_size callers at once");
  }

 private:
  std::unique_ptr<Batch> batch_;
};

}  // namespace

ONWARD_MODULE(rfc, .version = "1.0", .summary = "has the RFC's examples: nested, chained, fan-out, batch",
              .create = make_module<RfcModule>, .parameters = kParameters);

}  // namespace onward
