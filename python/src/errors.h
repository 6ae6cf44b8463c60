// SPDX-License-Identifier: Apache-2.0
//
// Python's exceptions and Onward's statuses. What becomes of which is in onward/_errors.py. With the GIL, all of it.
#pragma once

#include <pybind11/pybind11.h>

#include "onward/status.h"

namespace onward::python {

namespace py = pybind11;

// The Python error that is set, which is cleared, and nothing is left of its traceback but a text.
[[nodiscard]] Status status_of_python_error();
// Of an exception.
[[nodiscard]] Status status_of_exception(PyObject* exception);
// The exception that stands for an error: the one that it came from, where its class is imported here, else an
// RpcError.
[[nodiscard]] py::object exception_of(const Status& error);
// Sets it; returns null.
PyObject* raise_status(const Status& error);
PyObject* raise_status(StatusCode code, const std::string& message);
// Calls `function`; what it throws becomes the Python error, and null is returned.
template <class F>
PyObject* guarded(F&& function) noexcept;

void bind_status(py::module_& module);

// Sets what is being handled as the Python error; inside a catch block.
void raise_current_exception() noexcept;

template <class F>
PyObject* guarded(F&& function) noexcept {
  try {
    return std::forward<F>(function)();
  } catch (...) {
    raise_current_exception();
    return nullptr;
  }
}

}  // namespace onward::python
