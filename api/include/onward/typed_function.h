// SPDX-License-Identifier: Apache-2.0
//
// From a plain C++ signature to a Function.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "onward/function.h"
#include "onward/identity.h"
#include "onward/task.h"
#include "onward/value.h"

namespace onward {

// Marks a function as one that blocks: it runs on the pool. Its parameters must own what they hold (no
// string_view, no span).
template <class F>
struct Blocking {
  F function;
};
template <class F>
[[nodiscard]] Blocking<std::decay_t<F>> blocking(F&& function) {
  return {std::forward<F>(function)};
}

namespace detail {

template <class R, class... Args>
const Signature& signature_of() {
  static const Signature signature = [] {
    std::string text = "(";
    std::vector<std::string> structs;
    std::size_t index = 0;
    ((text += index++ == 0 ? "" : ", ", describe_value<std::remove_cvref_t<Args>>(text)), ...);
    (list_structs<std::remove_cvref_t<Args>>(structs), ...);
    text += ") -> ";
    using T = typename CompletedValue<R>::Type;
    if constexpr (std::is_void_v<T>) {
      text += "void";
    } else {
      describe_value<T>(text);
      list_structs<T>(structs);
    }
    return Signature(std::move(text), std::move(structs));
  }();
  return signature;
}

template <class T>
inline constexpr bool kIsView = std::is_same_v<T, std::string_view>;
template <class T, std::size_t N>
inline constexpr bool kIsView<std::span<T, N>> = true;

template <class F>
struct Callable : Callable<decltype(&F::operator())> {};
template <class R, class... Args>
struct Callable<R (*)(Args...)> {
  // What a coroutine may take: it lives longer than what a reference, or a view, refers to.
  static constexpr bool kOwnsArguments = (!std::is_reference_v<Args> && ...) && (!kIsView<Args> && ...);
  using Result = R;
  using Arguments = std::tuple<std::remove_cvref_t<Args>...>;
  static const Signature& signature() { return signature_of<R, Args...>(); }
};
template <class R, class... Args>
struct Callable<R (*)(Args...) noexcept> : Callable<R (*)(Args...)> {};
template <class C, class R, class... Args>
struct Callable<R (C::*)(Args...)> : Callable<R (*)(Args...)> {};
template <class C, class R, class... Args>
struct Callable<R (C::*)(Args...) const> : Callable<R (*)(Args...)> {};
template <class C, class R, class... Args>
struct Callable<R (C::*)(Args...) noexcept> : Callable<R (*)(Args...)> {};
template <class C, class R, class... Args>
struct Callable<R (C::*)(Args...) const noexcept> : Callable<R (*)(Args...)> {};

template <class... Args>
void decode_arguments(Decoder& decoder, std::tuple<Args...>& arguments) {
  const std::size_t count = decoder.begin_sequence();
  if (!decoder.ok()) return;
  if (count != sizeof...(Args)) {
    decoder.fail(Status(StatusCode::kInvalidArgument,
                        "it takes " + std::to_string(sizeof...(Args)) + " arguments and got " + std::to_string(count)));
    return;
  }
  std::apply([&](Args&... argument) { (decode_value(decoder, argument), ...); }, arguments);
  decoder.end_sequence();
}

// Writes what a Future, or a function, came to.
template <class T>
void send_outcome(ReplySink& sink, std::uint64_t call_id, const Codec& codec, const FunctionName& function,
                  const Result<T>& outcome) {
  if (!outcome) {
    sink.send_error(call_id, function, outcome.error());
    return;
  }
  sink.send_result(call_id, codec, function, [&](Encoder& encoder) {
    if constexpr (std::is_same_v<T, std::monostate>) {
      encoder.null();
    } else {
      encode_value(encoder, *outcome);
    }
  });
}

template <class T>
class TypedParkedReply final : public ParkedReply {
 public:
  TypedParkedReply(FutureState<T>& state, const IncomingCall& call)
      : ParkedReply(state, call.sink, call.message.header.call_id) {}
  void run(FutureStateBase& state, bool) noexcept override {
    if (sink() != nullptr) {
      send_outcome(*sink(), call_id(), sink()->codec(context()->tag()), function(),
                   static_cast<FutureState<T>&>(state).result());
    }
    finish(ReplySink::Unpark::kAnswered);
  }
  void drop(const Status&) noexcept override { finish(ReplySink::Unpark::kUnanswered); }

 private:
  void destroy() noexcept override { pool_delete(this); }
};

template <class F, bool kOnPool>
class TypedFunction final : public Function {
  using R = typename Callable<F>::Result;
  using Arguments = typename Callable<F>::Arguments;
  using T = typename CompletedValue<R>::Type;

 public:
  TypedFunction(const FunctionName& name, F function, std::string documentation)
      : Function(name, Callable<F>::signature(),
                 kOnPool ? RunMode::kBlocking
                         : (FutureTraits<R>::is_future || kIsTask<R> ? RunMode::kAsync : RunMode::kDirect),
                 std::move(documentation)),
        function_(std::move(function)) {}

  void invoke(IncomingCall& call) const noexcept override {
    const std::uint64_t call_id = call.message.header.call_id;
    try {
      Arguments arguments{};
      const Status decoded =
          call.codec.decode(call.message, [&](Decoder& decoder) { decode_arguments(decoder, arguments); });
      if (!decoded.ok()) {
        call.sink.send_error(call_id, name(),
                             decoded.with_message(name().name + signature().text + ": " + decoded.message()));
        return;
      }
      answer(call, arguments);
    } catch (...) {
      call.sink.send_error(call_id, name(), status_from_current_exception());
    }
  }

 private:
  void answer(IncomingCall& call, Arguments& arguments) const {
    const std::uint64_t call_id = call.message.header.call_id;
    if constexpr (kOnPool) {
      static_assert(!kIsTask<R>, "a coroutine runs on the kernel thread: register it without blocking()");
      park(call, call.pool.run([this, moved = std::move(arguments)]() mutable -> R {
        return std::apply(function_, std::move(moved));
      }));
    } else if constexpr (kIsTask<R>) {
      static_assert(Callable<F>::kOwnsArguments,
                    "a coroutine takes its parameters by value: references and views are gone at its first co_await");
      park(call, spawn(std::apply(function_, std::move(arguments))));
    } else if constexpr (FutureTraits<R>::is_future) {
      park(call, std::apply(function_, std::move(arguments)));
    } else if constexpr (std::is_void_v<R>) {
      std::apply(function_, std::move(arguments));
      send_outcome<std::monostate>(call.sink, call_id, call.codec, name(), {});
    } else if constexpr (std::is_same_v<R, Status>) {
      const Status status = std::apply(function_, std::move(arguments));
      send_outcome<std::monostate>(
          call.sink, call_id, call.codec, name(),
          status.ok() ? Result<std::monostate>() : Result<std::monostate>(std::unexpect, status));
    } else if constexpr (FutureTraits<R>::is_result && !std::is_void_v<T>) {
      send_outcome<T>(call.sink, call_id, call.codec, name(), std::apply(function_, std::move(arguments)));
    } else {
      const R value = std::apply(function_, std::move(arguments));
      call.sink.send_result(call_id, call.codec, name(), [&](Encoder& encoder) { encode_value(encoder, value); });
    }
  }

  // The local Future is the last handle here: once it is gone, only the user's copies can complete it.
  template <class U>
  // NOLINTNEXTLINE(performance-unnecessary-value-param): its handle has to end here
  void park(IncomingCall& call, Future<U> future) const {
    if constexpr (!std::is_same_v<U, T>) {
      park(call, flatten(std::move(future)));
    } else {
      FutureState<T>* state = FutureAccess::state(future);
      state->set_observed();
      if (state->done()) {
        send_outcome(call.sink, call.message.header.call_id, call.codec, name(), state->result());
        return;
      }
      state->require_loop();
      auto* reply = pool_new<TypedParkedReply<T>>(*state, call);
      if (call.sink.park(*reply)) {
        state->add_callback(*reply);
      } else {
        reply->drop({});
      }
    }
  }
  template <class U>
  static Future<T> flatten(Future<U> future) {
    Future<T> flat;
    complete_with(flat, [&] { return std::move(future); });
    return flat;
  }

  mutable F function_;  // a lambda may be mutable; on the pool it is called from many threads
};

template <class F>
const void* address_of(const F& function) {
  if constexpr (std::is_pointer_v<F>) return reinterpret_cast<const void*>(function);
  return nullptr;
}
template <class F>
const void* address_of(const Blocking<F>& function) {
  return address_of(function.function);
}

template <class F>
std::unique_ptr<Function> make_function(std::string_view name, F function, std::string documentation) {
  return std::make_unique<TypedFunction<F, false>>(FunctionName::intern(name), std::move(function),
                                                   std::move(documentation));
}
template <class F>
std::unique_ptr<Function> make_function(std::string_view name, Blocking<F> function, std::string documentation) {
  return std::make_unique<TypedFunction<F, true>>(FunctionName::intern(name), std::move(function.function),
                                                  std::move(documentation));
}

}  // namespace detail

template <class F>
Status FunctionTable::add(std::string_view name, F function, std::string documentation) {
  const void* address = detail::address_of(function);
  return insert(detail::make_function(name, std::move(function), std::move(documentation)), address);
}

}  // namespace onward
