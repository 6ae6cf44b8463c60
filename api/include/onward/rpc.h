// SPDX-License-Identifier: Apache-2.0
//
// The API, in the RFC's words.
//
//   int my_add_2(int a, int b) { return a + b; }
//
//   Future<int> my_add_3(int a, int b, int c) {      // returns a Future: it is async
//     Future<int> ret;
//     rpc_async("dst2", my_add_2, a, b).add_callback([=](int sum) { ret.mark_complete(sum + c); });
//     return ret;
//   }
//
//   int six = rpc_sync("dst1", my_add_3, 1, 2, 3);
//
// A function is called by itself if it is registered in this process under the same name as at the peer,
// else by a typed handle:
//
//   const auto my_add_3 = remote<int(int, int, int)>("my_add_3");
#pragma once

#include <string_view>
#include <utility>

#include "onward/call.h"
#include "onward/call_context.h"
#include "onward/error_detail.h"
#include "onward/exception.h"
#include "onward/future.h"
#include "onward/node.h"
#include "onward/retry.h"
#include "onward/task.h"
#include "onward/typed_function.h"
#include "onward/value.h"

namespace onward {

// A function known by name and type only. Cheap to copy; make it once and keep it.
template <class F>
class Remote;
template <class R, class... Params>
class Remote<R(Params...)> {
 public:
  // Throws RpcError(INVALID_ARGUMENT) for a name that is empty or longer than 255 bytes.
  explicit Remote(std::string_view name) : name_(&FunctionName::intern(name)) {}
  [[nodiscard]] const FunctionName& name() const noexcept { return *name_; }

 private:
  const FunctionName* name_;
};
template <class F>
[[nodiscard]] Remote<F> remote(std::string_view name) {
  return Remote<F>(name);
}

namespace detail {

template <class T>
class TypedOutgoingCall final : public OutgoingCall {
 public:
  TypedOutgoingCall(const FunctionName& name, const Signature& signature, Future<T> future)
      : OutgoingCall(name, signature), future_(std::move(future)) {}

  void on_response(const Codec& codec, InboundMessage& message) noexcept override {
    try {
      typename Future<T>::Stored value{};
      const Status decoded = codec.decode(message, [&](Decoder& decoder) {
        if constexpr (std::is_void_v<T>) {
          decoder.null();
        } else {
          decode_value(decoder, value);
        }
      });
      if (decoded.ok()) {
        FutureAccess::state(future_)->try_complete(std::move(value));
      } else {
        future_.try_fail(decoded.with_message("the result of " + name().name + signature().text +
                                              " cannot be read: " + decoded.message()));
      }
    } catch (...) {
      future_.try_fail(status_from_current_exception());
    }
  }
  void on_failure(const Status& error) noexcept override { future_.try_fail(error); }
  void destroy() noexcept override { pool_delete(this); }

 private:
  Future<T> future_;
};

template <class R, class... Params, class... Args>
Future<typename CompletedValue<R>::Type> call(Node& node, const Destination& to, const FunctionName& name,
                                              const Args&... args) {
  using T = typename CompletedValue<R>::Type;
  static_assert(sizeof...(Params) == sizeof...(Args),
                "the call must have as many arguments as the function has parameters");
  const Signature& signature = signature_of<R, Params...>();
  Future<T> future(&node.loop(), to.origin());
  const Result<const Codec*> codec = node.codec(to.options().codec);
  if (!codec) {
    future.try_fail(codec.error());
    return future;
  }
  Message message;
  const auto write = [&](Encoder& encoder) {
    encoder.begin_sequence(sizeof...(Args));
    (encode_value<std::remove_cvref_t<Params>>(encoder, args), ...);
    encoder.end_sequence();
  };
  Status encoded;
  try {
    encoded = (*codec)->encode(write, message.payload);
  } catch (...) {
    encoded = status_from_current_exception();
  }
  if (!encoded.ok()) {
    future.try_fail(encoded.with_message("the arguments of " + name.name + signature.text +
                                         " cannot be sent: " + encoded.message()));
    return future;
  }
  message.header.codec = (*codec)->id();
  message.header.function_id = name.id;
  message.header.signature = signature.hash;
  node.start_call(*pool_new<TypedOutgoingCall<T>>(name, signature, future), to, std::move(message));
  return future;
}

template <class T>
[[nodiscard]] Future<T> no_node() {
  Future<T> failed(static_cast<LoopHandle*>(nullptr));
  failed.try_fail(Status(StatusCode::kFailedPrecondition,
                         "no node runs in this process: call init_rpc() first, or start a Node and pass it"));
  return failed;
}

}  // namespace detail

// Calls `function` at `to` and returns a Future of its result; never blocks, never throws for what happens
// to the call: every error comes through the Future. Any thread; from a handler the call goes out from its
// node, elsewhere from the process's node (init_rpc), or from the node given first.
template <class R, class... Params, class... Args>
Future<typename detail::CompletedValue<R>::Type> rpc_async(Node& node, const Destination& to,
                                                           const Remote<R(Params...)>& function, const Args&... args) {
  return detail::call<R, Params...>(node, to, function.name(), args...);
}
template <class R, class... Params, class... Args>
Future<typename detail::CompletedValue<R>::Type> rpc_async(Node& node, const Destination& to, R (*function)(Params...),
                                                           const Args&... args) {
  const auto name = node.name_of(reinterpret_cast<const void*>(function));
  if (!name) {
    Future<typename detail::CompletedValue<R>::Type> failed(&node.loop());
    failed.try_fail(name.error());
    return failed;
  }
  return detail::call<R, Params...>(node, to, **name, args...);
}
template <class R, class... Params, class... Args>
Future<typename detail::CompletedValue<R>::Type> rpc_async(const Destination& to, const Remote<R(Params...)>& function,
                                                           const Args&... args) {
  Node* node = Node::current();
  return node == nullptr ? detail::no_node<typename detail::CompletedValue<R>::Type>()
                         : rpc_async(*node, to, function, args...);
}
template <class R, class... Params, class... Args>
Future<typename detail::CompletedValue<R>::Type> rpc_async(const Destination& to, R (*function)(Params...),
                                                           const Args&... args) {
  Node* node = Node::current();
  return node == nullptr ? detail::no_node<typename detail::CompletedValue<R>::Type>()
                         : rpc_async(*node, to, function, args...);
}

// rpc_async(…).wait(): blocks this thread, returns the result or throws: the registered exception that the function
// has thrown (exception.h), else RpcError. Throws FAILED_PRECONDITION at once on a kernel thread.
template <class... Arguments>
auto rpc_sync(Arguments&&... arguments) {
  EventLoop::check_may_block("rpc_sync()");
  auto future = rpc_async(std::forward<Arguments>(arguments)...);
  using T = typename decltype(future)::Value;
  if constexpr (std::is_void_v<T>) {
    std::move(future).wait();
  } else {
    return std::move(future).wait();
  }
}

}  // namespace onward
