// SPDX-License-Identifier: Apache-2.0
//
// rpc_async() and rpc_sync(), which take their arguments from the stack, as each microsecond counts.
#include <array>
#include <cmath>
#include <string>

#include "call.h"
#include "context.h"
#include "errors.h"
#include "node_state.h"
#include "pickle_codec.h"
#include "values.h"

namespace onward::python {
namespace {

enum Argument : std::uint8_t { kTo, kFunc, kArgs, kKwargs, kTimeout, kCodec, kArgumentCount };

struct Names {
  std::array<PyObject*, kArgumentCount> names{};

  static const Names& instance() {
    static const Names* names = [] {
      auto* made = new Names;
      constexpr std::array kText{"to", "func", "args", "kwargs", "timeout", "codec"};
      for (std::size_t i = 0; i < kText.size(); ++i) made->names[i] = PyUnicode_InternFromString(kText[i]);
      return made;
    }();
    return *names;
  }
};

using Given = std::array<PyObject*, kArgumentCount>;

bool parse(const char* function, PyObject* const* args, Py_ssize_t count, PyObject* keywords, Given& given) {
  if (count > kCodec) {
    PyErr_Format(PyExc_TypeError, "%s() takes at most %d positional arguments (%zd given)", function, kCodec, count);
    return false;
  }
  for (Py_ssize_t i = 0; i < count; ++i) given[static_cast<std::size_t>(i)] = args[i];
  const Py_ssize_t keyword_count = keywords == nullptr ? 0 : PyTuple_GET_SIZE(keywords);
  for (Py_ssize_t i = 0; i < keyword_count; ++i) {
    PyObject* name = PyTuple_GET_ITEM(keywords, i);
    std::size_t at = 0;
    while (at < kArgumentCount && Names::instance().names[at] != name) ++at;
    for (std::size_t k = 0; at == kArgumentCount && k < kArgumentCount; ++k) {
      if (PyUnicode_Compare(name, Names::instance().names[k]) == 0) at = k;
      if (at != kArgumentCount) break;
    }
    if (at == kArgumentCount) {
      PyErr_Format(PyExc_TypeError, "%s() got an unexpected keyword argument %R", function, name);
      return false;
    }
    if (given[at] != nullptr) {
      PyErr_Format(PyExc_TypeError, "%s() got multiple values for argument %R", function, name);
      return false;
    }
    given[at] = args[count + i];
  }
  if (given[kTo] == nullptr || given[kFunc] == nullptr) {
    PyErr_Format(PyExc_TypeError, "%s() needs to and func", function);
    return false;
  }
  return true;
}

// name -> FunctionName, function -> FunctionName: looked up once. What it holds lives as long as the process.
PyObject* name_cache() {
  static PyObject* cache = PyDict_New();
  return cache;
}

const FunctionName* look_up_name(PyObject* function) {
  const py::object text = PyUnicode_Check(function)
                              ? py::reinterpret_borrow<py::object>(function)
                              : py::reinterpret_steal<py::object>(PyObject_CallMethod(
                                    py::module_::import("onward._functions").ptr(), "name_of", "(O)", function));
  if (!text) return nullptr;
  return &FunctionName::intern(text.cast<std::string>());
}

// The name that `function` is called by; null with the error set. `self` is that of a bound method.
const FunctionName* name_of(PyObject* function, PyObject*& self) {
  if (PyMethod_Check(function)) {
    if (PyType_Check(PyMethod_GET_SELF(function))) return look_up_name(function);  // a class method
    self = PyMethod_GET_SELF(function);
    function = PyMethod_GET_FUNCTION(function);
  }
  if (PyObject* known = PyDict_GetItemWithError(name_cache(), function); known != nullptr) {
    return static_cast<const FunctionName*>(PyCapsule_GetPointer(known, nullptr));
  }
  PyErr_Clear();  // it cannot be hashed
  const FunctionName* name = look_up_name(function);
  if (name == nullptr) return nullptr;
  const py::object capsule =
      py::reinterpret_steal<py::object>(PyCapsule_New(const_cast<FunctionName*>(name), nullptr, nullptr));
  if (PyDict_SetItem(name_cache(), function, capsule.ptr()) != 0) PyErr_Clear();
  return name;
}

// A tuple of the positional arguments; null with the error set.
py::object as_tuple(PyObject* given) {
  if (given == nullptr || given == Py_None) return py::tuple();
  if (PyTuple_CheckExact(given)) return py::reinterpret_borrow<py::object>(given);
  if (PyTuple_Check(given) || PyList_Check(given)) return py::reinterpret_steal<py::object>(PySequence_Tuple(given));
  PyErr_Format(PyExc_TypeError, "args must be a tuple, not %R: for one argument say args=(x,)", given);
  return {};
}

// Encodes what is called; false with the error set.
bool encode_call(const Codec& codec, const FunctionName& name, PyObject* self, PyObject* args, PyObject* kwargs,
                 Payload& out) {
  const Status encoded =
      is_pickle(codec) ? pickle_arguments(self, args, kwargs, out)
                       : codec.encode([&](Encoder& encoder) { encode_arguments(encoder, self, args, kwargs); }, out);
  if (encoded.ok()) return true;
  const std::string place(encode_place());
  raise_status(encoded.with_message("the arguments of " + name.name + " cannot be sent: " +
                                    (place.empty() ? "" : "at " + place + ": ") + encoded.message()));
  return false;
}

bool parse_codec(Node& node, PyObject* given, const Codec*& out) {
  std::string name;
  if (given != nullptr && given != Py_None) name = py::cast<std::string>(py::handle(given));
  const Result<const Codec*> codec = node.codec(name);
  if (!codec) return raise_status(codec.error()), false;
  out = *codec;
  return true;
}

// Starts the call that `given` describes; an empty reference with the error set.
CoreRef start(const char* what, const Given& given) {
  Node* node = NodeState::require(what);
  if (node == nullptr) return {};
  const KnownPeer* peer = find_peer(given[kTo]);
  if (peer == nullptr) return {};
  PyObject* self = nullptr;
  const FunctionName* name = name_of(given[kFunc], self);
  if (name == nullptr) return {};
  const py::object args = as_tuple(given[kArgs]);
  if (!args) return {};
  PyObject* kwargs = given[kKwargs] == Py_None ? nullptr : given[kKwargs];
  if (kwargs != nullptr && !PyDict_Check(kwargs)) {
    PyErr_Format(PyExc_TypeError, "kwargs must be a dict, not %R", kwargs);
    return {};
  }
  Timeout timeout;
  if (given[kTimeout] != nullptr && !parse_timeout(given[kTimeout], timeout)) return {};
  const Codec* codec = nullptr;
  CallRequest request;
  request.peer = peer->handle;
  request.peer_name = peer->name;
  request.context = current_call();
  if (!parse_codec(*node, given[kCodec], codec)) return {};
  if (!encode_call(*codec, *name, self, args.ptr(), kwargs, request.payload)) return {};
  request.codec = codec->id();
  if (!timeout.is_default) {
    request.options.timeout =
        timeout.seconds ? std::chrono::duration_cast<Duration>(std::chrono::duration<double>(*timeout.seconds))
                        : kNoTimeout;
    if (timeout.seconds) request.deadline = node->loop().now() + *request.options.timeout;
  }
  CoreRef core(FutureCore::make(true, Origin::here()));
  const CallContext context = request.context;
  const ContextScope scope(context);
  pool_new<PyCall>(*node, *name, core, std::move(request))->start();
  return core;
}

PyObject* rpc_async(PyObject*, PyObject* const* args, Py_ssize_t count, PyObject* keywords) {
  return guarded([&]() -> PyObject* {
    Given given{};
    if (!parse("rpc_async", args, count, keywords, given)) return nullptr;
    const CoreRef core = start("rpc_async()", given);
    return core.get() == nullptr ? nullptr : wrapper_of(*core);
  });
}

PyObject* rpc_sync(PyObject*, PyObject* const* args, Py_ssize_t count, PyObject* keywords) {
  return guarded([&]() -> PyObject* {
    if (EventThread::instance().is_current()) {
      return raise_status(StatusCode::kFailedPrecondition,
                          "rpc_sync() on the event thread, which runs async functions and callbacks, would stop all of "
                          "them: use rpc_async() and then() or await, or do not mark the function as async");
    }
    Given given{};
    if (!parse("rpc_sync", args, count, keywords, given)) return nullptr;
    const CoreRef core = start("rpc_sync()", given);
    if (core.get() == nullptr) return nullptr;
    if (core->wait(std::nullopt) < 0) return nullptr;
    return core->value();
  });
}

PyMethodDef functions[] = {
    {"rpc_async", as_c_function(rpc_async), METH_FASTCALL | METH_KEYWORDS,
     "rpc_async(to, func, args=None, kwargs=None, timeout=-1, codec=None) -> Future: calls func at the node `to`."},
    {"rpc_sync", as_c_function(rpc_sync), METH_FASTCALL | METH_KEYWORDS,
     "rpc_sync(to, func, args=None, kwargs=None, timeout=-1, codec=None): rpc_async(…).wait()."},
    {nullptr, nullptr, 0, nullptr}};

}  // namespace

bool parse_seconds(PyObject* value, double& out) {
  if (PyNumber_Check(value) != 0) {
    out = PyFloat_AsDouble(value);
  } else {
    const py::object total = py::reinterpret_steal<py::object>(PyObject_CallMethod(value, "total_seconds", nullptr));
    if (!total) {
      PyErr_Format(PyExc_TypeError, "timeout must be seconds, a datetime.timedelta or None, not %R", value);
      return false;
    }
    out = PyFloat_AsDouble(total.ptr());
  }
  if (PyErr_Occurred() != nullptr) return false;
  if (!std::isnan(out)) return true;
  PyErr_SetString(PyExc_ValueError, "timeout is not a number");
  return false;
}

// As PyTorch has it: 0 is no timeout, and -1 the node's. A timedelta of zero is zero: over at once.
bool parse_timeout(PyObject* value, Timeout& out) {
  out.is_default = false;
  if (value == Py_None) return true;
  double seconds = 0;
  if (!parse_seconds(value, seconds)) return false;
  const bool is_number = PyNumber_Check(value) != 0;
  out.is_default = is_number && seconds == -1;
  if ((seconds != 0 || !is_number) && seconds < kForEverSeconds) out.seconds = seconds;
  return true;
}

void bind_calls(py::module_& module) {
  if (PyModule_AddFunctions(module.ptr(), functions) != 0) throw py::error_already_set();
}

}  // namespace onward::python
