// SPDX-License-Identifier: Apache-2.0
#include "context.h"

#include <pybind11/stl.h>

#include <memory>
#include <string>
#include <utility>

#include "errors.h"
#include "gil.h"

namespace onward::python {
namespace {

namespace py = pybind11;

double seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

// What a context variable holds in a coroutine, and rpc.current_call() returns.
struct Call {
  CallContext context;
};

PyObject* call_variable() {
  static PyObject* variable = PyContextVar_New("onward_call", nullptr);
  return variable;
}

// A function of the user's that is called when a call is cancelled: by the kernel thread, so it is passed on.
class CancelTask final : public EventTask {
 public:
  CancelTask(std::shared_ptr<AnyThreadRef> function, Status reason) noexcept
      : function_(std::move(function)), reason_(std::move(reason)) {}
  void run() noexcept override {
    const py::object reason = exception_of(reason_);
    const py::object done = py::reinterpret_steal<py::object>(PyObject_CallOneArg(function_->get(), reason.ptr()));
    if (!done) PyErr_WriteUnraisable(function_->get());
    delete this;
  }

 private:
  std::shared_ptr<AnyThreadRef> function_;
  Status reason_;
};

struct Subscription {
  CancelSubscription held;
};

Subscription on_cancel(const Call& call, py::object function) {
  auto kept = std::make_shared<AnyThreadRef>(std::move(function));
  return {call.context.on_cancel(
      [kept](const Status& reason) { EventThread::instance().post(*new CancelTask(kept, reason)); })};
}

py::object remaining(const Call& call) {
  const Duration left = call.context.remaining();
  return left == Duration::max() ? py::none() : py::object(py::float_(seconds(left)));
}

py::object caller(const Call& call) {
  const auto& who = call.context.caller();
  return who ? py::cast(*who) : py::none();
}

py::dict baggage(const Call& call) {
  py::dict entries;
  for (const auto& [key, value] : call.context.baggage().entries()) entries[py::str(key)] = value;
  return entries;
}

py::object trace(const Call& call) {
  const auto context = call.context.trace();
  return context ? py::object(py::str(context->to_string())) : py::none();
}

py::object current() {
  const CallContext call = current_call();
  return call ? call_object(call) : py::none();
}

}  // namespace

CallContext current_call() {
  if (CallContext call = CallContext::current(); call) return call;
  PyObject* value = nullptr;
  if (PyContextVar_Get(call_variable(), nullptr, &value) != 0) PyErr_Clear();
  if (value == nullptr) return {};
  const py::object call = py::reinterpret_steal<py::object>(value);
  return call.cast<const Call&>().context;
}

py::object call_object(const CallContext& call) { return py::cast(Call{call}); }

void bind_context(py::module_& module) {
  py::class_<CallerInfo>(module, "CallerInfo", "The node that a call came from.")
      .def_readonly("node", &CallerInfo::node, "Its name, as it says.")
      .def_readonly("address", &CallerInfo::address, "Where it calls from.")
      .def_property_readonly(
          "identities", [](const CallerInfo& who) { return who.identity.names; },
          "What it has proved to be: the names in its certificate, \"uid:1000\", or \"self\". Empty: nothing.");
  py::class_<Subscription>(module, "CancelSubscription", "Keeps a function of on_cancel() in place while it lives.")
      .def("close", [](Subscription& subscription) { subscription.held = {}; }, "The function is not called any more.");
  py::class_<Call>(module, "Call", "The call that a function, callback or coroutine runs for.")
      .def_property_readonly("remaining", &remaining, "Seconds until the caller's deadline; None if there is none.")
      .def(
          "cancelled", [](const Call& call) { return call.context.cancelled(); },
          "Whether nobody waits for the answer any more.")
      .def(
          "reason",
          [](const Call& call) -> py::object {
            const Status status = call.context.status();
            return status.ok() ? py::none() : exception_of(status);
          },
          "Why nobody waits any more; None while somebody does.")
      .def("on_cancel", &on_cancel, py::arg("function"),
           "Calls function(reason) on the event thread when the call is cancelled, while the result of this is kept.")
      .def_property_readonly("caller", &caller, "The node that it came from; None where it came from none.")
      .def_property_readonly("trace", &trace, "The call's traceparent; None where nobody traces.")
      .def_property_readonly("baggage", &baggage, "What travels along, a dict of strings.");
  module.def("current_call", &current, "The call that this code runs for; None where it runs for none.");
  module.attr("call_variable") = py::reinterpret_borrow<py::object>(call_variable());
}

}  // namespace onward::python
