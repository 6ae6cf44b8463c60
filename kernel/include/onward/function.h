// SPDX-License-Identifier: Apache-2.0
//
// Functions that can be called from elsewhere: a name, a signature taken from the plain C++ type, and how
// they run.
//   R f(Args...)           runs on the kernel thread and must not block; its result is sent at once
//   Future<R> f(Args...)   is async: the response is sent when the Future completes
//   blocking(f)            runs on the pool
// R may be void, a value, Result<value> or Status. What a function throws reaches the caller.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "onward/codec.h"
#include "onward/export.h"
#include "onward/function_name.h"
#include "onward/future.h"
#include "onward/pool.h"

namespace onward {

class Function;

namespace detail {
class ParkedReply;
}

// Where responses go: one connection, seen from a function. Loop thread only. Counted.
class ONWARD_API ReplySink {
 public:
  virtual void send_result(std::uint64_t call_id, const Codec& codec, const FunctionName& function,
                           FunctionRef<void(Encoder&)> write) = 0;
  // The same for a result that is encoded already, on whatever thread: `payload` as `codec` has made it.
  virtual void send_payload(std::uint64_t call_id, const Codec& codec, const FunctionName& function,
                            Payload&& payload) = 0;
  virtual void send_error(std::uint64_t call_id, const FunctionName& function, const Status& error) = 0;
  // Whether who is at the other end may call `function`.
  [[nodiscard]] virtual bool may_call(const Function& function) = 0;
  // A reply that waits for its Future. False, and the connection ends, if another has the same call id.
  [[nodiscard]] virtual bool park(detail::ParkedReply& reply) noexcept = 0;
  // It waits no more; with kUnanswered, nothing was sent for it and nothing will be.
  enum class Unpark : std::uint8_t { kAnswered, kUnanswered };
  virtual void unpark(detail::ParkedReply& reply, Unpark how) noexcept = 0;
  [[nodiscard]] virtual const Codec& codec(std::uint8_t id) const noexcept = 0;
  virtual void retain() noexcept = 0;
  virtual void release() noexcept = 0;

 protected:
  ~ReplySink() = default;
};

namespace detail {

// What a request holds until its response has left; the kernel's own.
struct Permit {
  std::uint32_t bytes = 0;    // of its message; the most that fits for more
  std::uint32_t started = 0;  // in ticks, where its function has limits; else 0
};

// A response that waits for its Future, in its connection's table. All that a waiting request costs, besides its
// context and what its function keeps. That is its request's: the activity is the function's name, the tag is the id of
// the codec, the origin's owner is the ReplySink.
class ONWARD_API ParkedReply : public FutureCallback {
 public:
  [[nodiscard]] std::uint64_t call_id() const noexcept { return call_id_; }
  // Fails the Future that it waits for, and cancels the context; the response follows.
  void abandon(const Status& reason) noexcept;
  // Nobody waits for the response any more: none is sent, the context is cancelled, and the Future goes on without
  // this, which may be destroyed.
  void cancel(const Status& reason) noexcept;
  [[nodiscard]] const FunctionName& function() const noexcept {
    return static_cast<const FunctionName&>(*context()->activity());
  }
  // Its connection's.
  Permit permit;
  ParkedReply* next = nullptr;

 protected:
  ParkedReply(FutureStateBase& state, ReplySink& sink, std::uint64_t call_id) noexcept
      : state_(&state), call_id_(call_id) {
    sink.retain();
  }
  ~ParkedReply() = default;
  virtual void destroy() noexcept = 0;

  // Before run() answers: null if nobody waits any more.
  [[nodiscard]] ReplySink* sink() const noexcept {
    return state_ == nullptr ? nullptr : static_cast<ReplySink*>(context()->origin().owner());
  }
  // Behind the answer, or where there is none: the end of this.
  void finish(ReplySink::Unpark how) noexcept;

 private:
  FutureStateBase* state_;  // null once nobody waits
  std::uint64_t call_id_;
};

}  // namespace detail

// One request as its function sees it.
struct IncomingCall {
  ReplySink& sink;
  const Codec& codec;
  InboundMessage& message;
  Pool& pool;
};

class ONWARD_API Function {
 public:
  Function(const FunctionName& name, const Signature& signature, RunMode mode, std::string documentation)
      : name_(name), signature_(signature), mode_(mode), documentation_(std::move(documentation)) {}
  virtual ~Function() = default;
  Function(const Function&) = delete;
  Function& operator=(const Function&) = delete;

  [[nodiscard]] const FunctionName& name() const noexcept { return name_; }
  [[nodiscard]] const Signature& signature() const noexcept { return signature_; }
  [[nodiscard]] RunMode mode() const noexcept { return mode_; }
  [[nodiscard]] const std::string& documentation() const noexcept { return documentation_; }
  // The name of the module that registered it; empty if none did.
  [[nodiscard]] const std::string& module() const noexcept { return module_; }

  // Decodes, runs, answers (now or later). On the kernel thread; never throws.
  virtual void invoke(IncomingCall& call) const noexcept = 0;

 private:
  const FunctionName& name_;
  const Signature& signature_;
  RunMode mode_;
  std::string documentation_;
  std::string module_;
  friend class FunctionTable;
};

// A node's functions. Filled before the node starts. From then on only Node::add_function() adds to it, on the kernel
// thread, which alone may read it; but find_address() is for any thread: it knows what was there at the start.
class ONWARD_API FunctionTable {
 public:
  // Registers `function`: a function pointer, a lambda or functor with one call operator, or blocking(…)
  // of these. ALREADY_EXISTS if the name, or another name with the same id, is there; INVALID_ARGUMENT if the name is
  // reserved. Defined, as all that knows C++ types, in onward/typed_function.h; onward/rpc.h has it.
  template <class F>
  Status add(std::string_view name, F function, std::string documentation = {});
  // `address` is that of a plain function, by which callers in this process may name it; or null.
  Status insert(std::unique_ptr<Function> function, const void* address);
  // The module that registers from here on; empty for none.
  void set_registrar(std::string_view module) { registrar_ = module; }
  // Takes back what a module registered that does not start after all.
  void remove_of(std::string_view module);
  // From here on insert() fails with FAILED_PRECONDITION.
  void freeze() noexcept { frozen_ = true; }

  [[nodiscard]] const Function* find(std::uint64_t id) const noexcept;
  // By the address of a registered plain function; null if it is not registered here.
  [[nodiscard]] const Function* find_address(const void* address) const noexcept;
  [[nodiscard]] const std::unordered_map<std::uint64_t, std::unique_ptr<Function>>& all() const noexcept {
    return by_id_;
  }

 private:
  friend class NodeCore;
  // insert(), frozen or not. After an error `function` is still the caller's.
  Status place(std::unique_ptr<Function>&& function, const void* address);

  std::unordered_map<std::uint64_t, std::unique_ptr<Function>> by_id_;
  std::unordered_map<const void*, const Function*> by_address_;
  std::string registrar_;
  bool frozen_ = false;
};

}  // namespace onward
