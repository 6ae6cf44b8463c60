// SPDX-License-Identifier: Apache-2.0
#include "handler.h"

#include <utility>

#include "context.h"
#include "errors.h"
#include "onward/call_context.h"
#include "onward/future.h"
#include "pickle_codec.h"
#include "values.h"

namespace onward::python {
namespace {

void send_outcome(ReplySink& sink, std::uint64_t call_id, const Codec& codec, const FunctionName& name,
                  Result<Payload>& outcome) {
  if (outcome) {
    sink.send_payload(call_id, codec, name, std::move(*outcome));
  } else {
    sink.send_error(call_id, name, outcome.error());
  }
}

// A response that waits for what another thread encodes.
class PayloadReply final : public detail::ParkedReply {
 public:
  PayloadReply(detail::FutureState<Payload>& state, const IncomingCall& call)
      : ParkedReply(state, call.sink, call.message.header.call_id) {}
  void run(detail::FutureStateBase& base, bool) noexcept override {
    if (sink() != nullptr) {
      send_outcome(*sink(), call_id(), sink()->codec(context()->tag()), function(),
                   static_cast<detail::FutureState<Payload>&>(base).result());
    }
    finish(ReplySink::Unpark::kAnswered);
  }
  void drop(const Status&) noexcept override { finish(ReplySink::Unpark::kUnanswered); }

 private:
  void destroy() noexcept override { pool_delete(this); }
};

// NOLINTNEXTLINE(performance-unnecessary-value-param): its handle has to end here
void park(const IncomingCall& call, const FunctionName& name, Future<Payload> future) {
  detail::FutureState<Payload>* state = detail::FutureAccess::state(future);
  state->set_observed();
  if (state->done()) {
    send_outcome(call.sink, call.message.header.call_id, call.codec, name, state->result());
    return;
  }
  auto* reply = pool_new<PayloadReply>(*state, call);
  if (call.sink.park(*reply)) {
    state->add_callback(*reply);
  } else {
    reply->drop({});
  }
}

Status cannot_send(const Handler& handler, const Status& why) {
  return why.with_message("the result of " + handler.name + " cannot be sent: " + why.message());
}

// The result of a plain function, encoded; with the GIL.
Result<Payload> answer_plain(const Handler& handler, const Codec& codec, PyObject* result) {
  if (is_future(result) || PyCoro_CheckExact(result)) {
    const bool is_coroutine = !is_future(result);
    if (is_coroutine) {
      const py::object closed = py::reinterpret_steal<py::object>(PyObject_CallMethod(result, "close", nullptr));
      PyErr_Clear();
    }
    return std::unexpected(Status(StatusCode::kFailedPrecondition,
                                  handler.name + " returned a " + (is_coroutine ? "coroutine" : "Future") +
                                      ", but is not marked as async: put @rpc.async_function in front of it"));
  }
  Payload payload;
  if (const Status encoded = encode_payload(codec, result, payload); !encoded.ok()) {
    return std::unexpected(cannot_send(handler, encoded));
  }
  return payload;
}

// Calls it; null with the error in `failed`. With the GIL.
py::object call_handler(const Handler& handler, RawValue& raw, Status& failed) {
  CallArguments arguments;
  failed = decode_arguments(raw, arguments);
  raw = {};
  if (!failed.ok()) {
    failed = failed.with_message(handler.name + ": " + failed.message());
    return {};
  }
  const py::object callable = handler.callable;
  py::object result = py::reinterpret_steal<py::object>(
      PyObject_Call(callable.ptr(), arguments.positional.ptr(), arguments.keywords.ptr()));
  if (!result) failed = status_of_python_error();
  return result;
}

// Sends what a Future of Python comes to.
class ReplyObserver final : public Observer {
 public:
  ReplyObserver(Future<Payload> reply, const Codec& codec, std::shared_ptr<Handler> handler) noexcept
      : reply_(std::move(reply)), codec_(codec), handler_(std::move(handler)) {}
  void run(FutureCore& core) noexcept override {
    if (Status error = core.status(); !error.ok()) {
      core.set_observed();
      reply_.try_fail(std::move(error));
      return;
    }
    const py::object value = py::reinterpret_steal<py::object>(core.value());
    Payload payload;
    if (const Status encoded = encode_payload(codec_, value.ptr(), payload); encoded.ok()) {
      reply_.try_complete(std::move(payload));
    } else {
      reply_.try_fail(cannot_send(*handler_, encoded));
    }
  }
  bool pass_on(RawValue& raw) noexcept override {
    if (raw.codec != &codec_) return false;
    reply_.try_complete(Payload{.body = std::move(raw.body), .segments = std::move(raw.segments)});
    return true;
  }
  [[nodiscard]] bool runs_at_once() const noexcept override { return true; }

 private:
  Future<Payload> reply_;
  const Codec& codec_;
  std::shared_ptr<Handler> handler_;
};

// A request for a function that answers later.
class AsyncRequest final : public EventTask {
 public:
  AsyncRequest(std::shared_ptr<Handler> handler, RawValue arguments, Future<Payload> reply, CallContext call) noexcept
      : handler_(std::move(handler)),
        arguments_(std::move(arguments)),
        reply_(std::move(reply)),
        call_(std::move(call)) {}

  void run() noexcept override {
    answer();
    delete this;
  }

 private:
  void answer() noexcept {
    // Nobody waits for what has not begun.
    if (Status over = call_.status(); !over.ok()) {
      reply_.try_fail(std::move(over));
      return;
    }
    const ContextScope scope(call_);
    const Codec& codec = *arguments_.codec;
    Status failed;
    py::object result = call_handler(*handler_, arguments_, failed);
    if (result && handler_->mode == Handler::Mode::kCoroutine) result = start_coroutine(result, failed);
    if (!result) {
      reply_.try_fail(std::move(failed));
      return;
    }
    if (!is_future(result.ptr())) {
      reply_.try_fail(Status(StatusCode::kFailedPrecondition,
                             handler_->name + " is marked as async, so it has to return a Future, and has returned " +
                                 (result.is_none() ? "None" : "a value of type " + type_name_of(result.ptr()))));
      return;
    }
    FutureCore& core = core_of(result.ptr());
    core.set_observed();
    const CoreRef kept = CoreRef::share(core);
    core.add_observer(*new ReplyObserver(std::move(reply_), codec, handler_));
    result = py::object();  // only the user's references can complete it now
  }

  py::object start_coroutine(const py::object& coroutine, Status& failed) {
    const py::object helpers = py::reinterpret_steal<py::object>(PyImport_ImportModule("onward._asyncio"));
    py::object future = !helpers ? py::object()
                                 : py::reinterpret_steal<py::object>(PyObject_CallMethod(
                                       helpers.ptr(), "start", "OO", coroutine.ptr(), call_object(call_).ptr()));
    if (!future) failed = status_of_python_error();
    return future;
  }

  std::shared_ptr<Handler> handler_;
  RawValue arguments_;
  Future<Payload> reply_;
  CallContext call_;
};

}  // namespace

const Signature& any_signature() {
  static const Signature signature = [] {
    Signature any("(any...) -> any");
    any.hash = 0;
    return any;
  }();
  return signature;
}

HandlerFunction::HandlerFunction(const FunctionName& name, const Signature& signature, std::shared_ptr<Handler> handler,
                                 Pool& pool)
    : Function(name, signature, handler->mode == Handler::Mode::kPlain ? RunMode::kBlocking : RunMode::kAsync,
               handler->documentation),
      handler_(std::move(handler)),
      pool_(pool) {}

void HandlerFunction::invoke(IncomingCall& call) const noexcept {
  try {
    if (const Status refused = check_pickle(call.codec, current_caller()); !refused.ok()) {
      call.sink.send_error(call.message.header.call_id, name(), refused);
      return;
    }
    RawValue arguments = RawValue::keep(call.codec, call.message);
    if (handler_->mode == Handler::Mode::kPlain) {
      invoke_plain(call, std::move(arguments));
    } else {
      invoke_async(call, std::move(arguments));
    }
  } catch (...) {
    call.sink.send_error(call.message.header.call_id, name(), status_from_current_exception());
  }
}

void HandlerFunction::invoke_plain(IncomingCall& call, RawValue arguments) const {
  park(call, name(), pool_.run([this, raw = std::move(arguments)]() mutable -> Result<Payload> {
    // Until the thread has nothing to do.
    PythonThread::current().acquire();
    const Codec& codec = *raw.codec;
    Status failed;
    const py::object result = call_handler(*handler_, raw, failed);
    if (!result) return std::unexpected(std::move(failed));
    return answer_plain(*handler_, codec, result.ptr());
  }));
}

void HandlerFunction::invoke_async(IncomingCall& call, RawValue arguments) const {
  Future<Payload> reply;
  auto* request = new AsyncRequest(handler_, std::move(arguments), reply, CallContext::current());
  park(call, name(), std::move(reply));
  EventThread::instance().post(*request);
}

}  // namespace onward::python
