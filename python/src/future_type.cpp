// SPDX-License-Identifier: Apache-2.0
//
// The type onward.rpc.Future. Made by hand rather than by pybind11, as every call makes one.
#include <structmember.h>

#include <algorithm>
#include <string>

#include "context.h"
#include "errors.h"
#include "future_core.h"

namespace onward::python {
namespace {

struct FutureObject {
  PyObject_HEAD FutureCore* core;
  PyObject* weak_references;
};

PyTypeObject* future_type = nullptr;

FutureObject* as_future(PyObject* object) { return reinterpret_cast<FutureObject*>(object); }

PyObject* allocate(PyTypeObject* type, FutureCore& core) {
  PyObject* object = type->tp_alloc(type, 0);
  if (object == nullptr) return nullptr;
  core.add_reference();
  as_future(object)->core = &core;
  core.set_wrapper(object);
  return object;
}

// A function of the user's that is called when a Future is done.
class CallbackObserver final : public Observer {
 public:
  enum class Kind : std::uint8_t { kValue, kDone, kThen };
  CallbackObserver(Kind kind, PyObject* function, CoreRef child)
      : function_(Py_NewRef(function)), child_(std::move(child)), context_(current_call()), kind_(kind) {}

  void run(FutureCore& core) noexcept override {
    const ContextScope scope(context_);
    if (kind_ == Kind::kValue) return run_with_value(core);
    py::object future = py::reinterpret_steal<py::object>(wrapper_of(core));
    py::object result = call(future.ptr());
    future = py::object();
    if (result) {
      if (child_.get() != nullptr) child_->set_value(result.ptr());
      return;
    }
    fail();
  }
  int traverse(visitproc visit, void* arg) noexcept override {
    Py_VISIT(function_.get());
    return 0;
  }

 private:
  // Errors pass it by: what it holds is dropped, and a Future that only it could complete inherits the error.
  void run_with_value(FutureCore& core) {
    const py::object value = py::reinterpret_steal<py::object>(core.value());
    if (!value) {
      PyErr_Clear();
      BreakScope scope(core.status());
      function_ = AnyThreadRef();
      if (!scope.used()) report(scope.cause());
      return;
    }
    if (!call(value.ptr())) fail();
  }
  // What a callback raises fails its child, else those Futures that only it could complete.
  void fail() {
    const Status error = status_of_python_error();
    if (child_.get() != nullptr) {
      child_->fail(error);
      return;
    }
    BreakScope scope(error);
    function_ = AnyThreadRef();
    if (!scope.used()) report(error);
  }
  py::object call(PyObject* argument) {
    return py::reinterpret_steal<py::object>(PyObject_CallOneArg(function_.get(), argument));
  }
  // Nobody else will hear of it.
  static void report(const Status& error) {
    const py::object lost = py::reinterpret_steal<py::object>(wrapper_of(*CoreRef(FutureCore::make(true))));
    core_of(lost.ptr()).fail(error);
  }

  AnyThreadRef function_;
  CoreRef child_;
  CallContext context_;
  Kind kind_;
};

PyObject* new_future(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
  // PyTorch's has the devices that its tensors may be on.
  PyObject* devices = Py_None;
  static const char* names[] = {"devices", nullptr};
  if (PyArg_ParseTupleAndKeywords(args, kwargs, "|$O:Future", const_cast<char**>(names), &devices) == 0) return nullptr;
  if (devices != Py_None && PyObject_IsTrue(devices) != 0) {
    return raise_status(StatusCode::kInvalidArgument, "Future(devices=…): tensors are sent from the CPU's memory only");
  }
  return guarded([&] { return allocate(type, *CoreRef(FutureCore::make(false, Origin::here()))); });
}

void dealloc_future(PyObject* self) {
  PyObject_GC_UnTrack(self);
  FutureObject* future = as_future(self);
  if (future->weak_references != nullptr) PyObject_ClearWeakRefs(self);
  if (FutureCore* core = std::exchange(future->core, nullptr); core != nullptr) {
    core->wrapper_gone();
    core->drop_reference();
  }
  PyTypeObject* type = Py_TYPE(self);
  type->tp_free(self);
  Py_DECREF(type);
}

int traverse_future(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  FutureCore* core = as_future(self)->core;
  // What others may still complete is not garbage.
  return core != nullptr && core->solely_owned() ? core->traverse(visit, arg) : 0;
}

int clear_future(PyObject* self) {
  if (FutureCore* core = as_future(self)->core; core != nullptr) core->clear();
  return 0;
}

PyObject* refuse_second(const FutureCore& core) {
  return raise_status(StatusCode::kFailedPrecondition,
                      core.done() ? "this Future has been completed before"
                                  : "this Future has been completed before, with a Future that is not done yet");
}

PyObject* future_done(PyObject* self, PyObject*) { return PyBool_FromLong(core_of(self).done() ? 1 : 0); }

PyObject* future_value(PyObject* self, PyObject*) {
  return guarded([&]() -> PyObject* {
    FutureCore& core = core_of(self);
    if (core.done()) return core.value();
    return raise_status(StatusCode::kFailedPrecondition,
                        "this Future is not done yet: wait() for it, or ask for the value in a callback");
  });
}

PyObject* future_wait(PyObject* self, PyObject* args, PyObject* kwargs) {
  PyObject* limit = Py_None;
  static const char* names[] = {"timeout", nullptr};
  if (PyArg_ParseTupleAndKeywords(args, kwargs, "|O:wait", const_cast<char**>(names), &limit) == 0) return nullptr;
  return guarded([&]() -> PyObject* {
    std::optional<double> timeout;
    if (double seconds = 0; limit != Py_None) {
      if (!parse_seconds(limit, seconds)) return nullptr;
      if (seconds < kForEverSeconds) timeout = std::max(seconds, 0.0);
    }
    FutureCore& core = core_of(self);
    const int outcome = core.wait(timeout);
    if (outcome > 0) return core.value();
    if (outcome < 0) return nullptr;
    return raise_status(StatusCode::kDeadlineExceeded,
                        "the Future was not done within " + std::string(py::str(py::handle(limit))) + " s; it goes on");
  });
}

PyObject* future_exception(PyObject* self, PyObject*) {
  return guarded([&]() -> PyObject* {
    FutureCore& core = core_of(self);
    if (!core.done()) {
      return raise_status(StatusCode::kFailedPrecondition, "this Future is not done yet: it has no exception");
    }
    PyObject* exception = core.exception();
    if (exception == nullptr) Py_RETURN_NONE;
    return exception;
  });
}

PyObject* future_set_result(PyObject* self, PyObject* value) {
  return guarded([&]() -> PyObject* {
    if (!core_of(self).set_value(value)) return refuse_second(core_of(self));
    Py_RETURN_NONE;
  });
}

PyObject* future_mark_complete(PyObject* self, PyObject* args) {
  PyObject* value = Py_None;
  if (PyArg_ParseTuple(args, "|O:mark_complete", &value) == 0) return nullptr;
  return future_set_result(self, value);
}

PyObject* future_set_exception(PyObject* self, PyObject* error) {
  return guarded([&]() -> PyObject* {
    py::object exception = py::reinterpret_borrow<py::object>(error);
    if (PyExceptionClass_Check(error)) exception = py::reinterpret_steal<py::object>(PyObject_CallNoArgs(error));
    if (!exception) return nullptr;
    if (!PyExceptionInstance_Check(exception.ptr())) {
      PyErr_Format(PyExc_TypeError, "a Future fails with an exception, not with %R", error);
      return nullptr;
    }
    if (!core_of(self).set_exception(exception.ptr())) return refuse_second(core_of(self));
    Py_RETURN_NONE;
  });
}

PyObject* require_callable(PyObject* function) {
  if (PyCallable_Check(function) != 0) return function;
  PyErr_Format(PyExc_TypeError, "a callback must be callable, not %R", function);
  return nullptr;
}

PyObject* future_add_callback(PyObject* self, PyObject* function) {
  return guarded([&]() -> PyObject* {
    if (require_callable(function) == nullptr) return nullptr;
    core_of(self).set_observed();
    core_of(self).add_observer(*new CallbackObserver(CallbackObserver::Kind::kValue, function, {}));
    return Py_NewRef(self);
  });
}

PyObject* future_add_done_callback(PyObject* self, PyObject* function) {
  return guarded([&]() -> PyObject* {
    if (require_callable(function) == nullptr) return nullptr;
    core_of(self).set_observed();
    core_of(self).add_observer(*new CallbackObserver(CallbackObserver::Kind::kDone, function, {}));
    Py_RETURN_NONE;
  });
}

PyObject* future_then(PyObject* self, PyObject* function) {
  return guarded([&]() -> PyObject* {
    if (require_callable(function) == nullptr) return nullptr;
    const CoreRef child(FutureCore::make(true, Origin::here()));
    const py::object wrapper = py::reinterpret_steal<py::object>(wrapper_of(*child));
    core_of(self).set_observed();
    core_of(self).add_observer(*new CallbackObserver(CallbackObserver::Kind::kThen, function, child));
    return Py_NewRef(wrapper.ptr());
  });
}

PyObject* future_cancel(PyObject* self, PyObject*) {
  return guarded([&]() -> PyObject* {
    FutureCore& core = core_of(self);
    if (core.done()) Py_RETURN_FALSE;
    core.set_observed();
    if (core.canceller() != nullptr) {
      core.canceller()(core);
      Py_RETURN_TRUE;
    }
    return PyBool_FromLong(core.fail(Status(StatusCode::kCancelled, "the Future was cancelled")) ? 1 : 0);
  });
}

PyObject* future_await(PyObject* self) {
  static PyObject* helper = nullptr;
  if (helper == nullptr) {
    const py::object module = py::reinterpret_steal<py::object>(PyImport_ImportModule("onward._asyncio"));
    if (!module) return nullptr;
    helper = PyObject_GetAttrString(module.ptr(), "await_future");
    if (helper == nullptr) return nullptr;
  }
  return PyObject_CallOneArg(helper, self);
}

PyObject* future_repr(PyObject* self) {
  return guarded([&]() -> PyObject* {
    FutureCore& core = core_of(self);
    if (!core.done()) return PyUnicode_FromString("<Future pending>");
    PyObject* error = core.exception();
    if (error == nullptr) {
      const py::object value = py::reinterpret_steal<py::object>(core.value());
      return PyUnicode_FromFormat("<Future done: %R>", value.ptr());
    }
    const py::object owned = py::reinterpret_steal<py::object>(error);
    return PyUnicode_FromFormat("<Future failed: %R>", error);
  });
}

PyMethodDef methods[] = {
    {"done", future_done, METH_NOARGS, "done() -> bool: whether it has a value, or has failed."},
    {"value", future_value, METH_NOARGS, "value(): the value; raises the error, or RpcError where it is not done yet."},
    {"result", future_value, METH_NOARGS, "As value()."},
    {"wait", as_c_function(future_wait), METH_VARARGS | METH_KEYWORDS,
     "wait(timeout=None): blocks this thread until it is done; then the value, or raises the error. Any number of "
     "times,\n"
     "from any thread but the event thread. Raises DeadlineExceeded after `timeout` seconds; the Future goes on."},
    {"exception", future_exception, METH_NOARGS,
     "exception(): the exception that it failed with; None if it has a value."},
    {"set_result", future_set_result, METH_O, "set_result(value): completes it. A Future as a value is waited for."},
    {"mark_complete", future_mark_complete, METH_VARARGS, "mark_complete(value=None): as set_result()."},
    {"set_exception", future_set_exception, METH_O, "set_exception(exception): it fails with that."},
    {"mark_error", future_set_exception, METH_O, "mark_error(exception): as set_exception()."},
    {"add_callback", future_add_callback, METH_O,
     "add_callback(function): runs function(value) on the event thread once there is a value; errors pass it by, and "
     "go\n"
     "on to Futures that only the function could have completed. Returns this Future."},
    {"add_done_callback", future_add_done_callback, METH_O,
     "add_done_callback(function): runs function(future) on the event thread once it is done, either way."},
    {"then", future_then, METH_O,
     "then(function): a Future of what function(future) returns, or raises. It is called when this one is done, "
     "either\n"
     "way, on the event thread. A Future that it returns is waited for."},
    {"cancel", future_cancel, METH_NOARGS,
     "cancel() -> bool: ends a call, which the peer is told of, or fails the Future with Cancelled. False if it is "
     "done."},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS, "Future[int], for type checkers."},
    {nullptr, nullptr, 0, nullptr}};

PyMemberDef members[] = {{"__weaklistoffset__", T_PYSSIZET, offsetof(FutureObject, weak_references), READONLY, nullptr},
                         {nullptr, 0, 0, 0, nullptr}};

template <class F>
void* slot(F* function) {
  return reinterpret_cast<void*>(function);
}

}  // namespace

bool is_future(PyObject* object) noexcept { return PyObject_TypeCheck(object, future_type) != 0; }

FutureCore& core_of(PyObject* future) noexcept { return *as_future(future)->core; }

PyObject* wrapper_of(FutureCore& core) {
  if (PyObject* wrapper = core.wrapper(); wrapper != nullptr) return Py_NewRef(wrapper);
  return allocate(future_type, core);
}

void bind_future(py::module_& module) {
  PyType_Slot slots[] = {
      {Py_tp_doc,
       const_cast<char*>(
           "A value that comes later.\n\n"
           "Made empty by a function that answers later, and completed once, from any thread; or returned by\n"
           "rpc_async(). Callbacks run on the event thread, one at a time, so they need no locks. It can be\n"
           "awaited. A Future that nobody can complete any more fails: a broken promise.")},
      {Py_tp_new, slot(new_future)},
      {Py_tp_dealloc, slot(dealloc_future)},
      {Py_tp_traverse, slot(traverse_future)},
      {Py_tp_clear, slot(clear_future)},
      {Py_tp_repr, slot(future_repr)},
      {Py_am_await, slot(future_await)},
      {Py_tp_methods, methods},
      {Py_tp_members, members},
      {0, nullptr}};
  PyType_Spec spec{.name = "onward.rpc.Future",
                   .basicsize = sizeof(FutureObject),
                   .itemsize = 0,
                   .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE,
                   .slots = slots};
  PyObject* type = PyType_FromSpec(&spec);
  if (type == nullptr) throw py::error_already_set();
  future_type = reinterpret_cast<PyTypeObject*>(type);
  module.attr("Future") = py::reinterpret_steal<py::object>(type);
}

}  // namespace onward::python
