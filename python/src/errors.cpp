// SPDX-License-Identifier: Apache-2.0
#include "errors.h"

#include <string>
#include <utility>

#include "onward/codec.h"
#include "onward/log.h"
#include "values.h"

namespace onward::python {
namespace {

// Of onward/_errors.py.
py::handle error_helpers() {
  static const py::object* module = new py::object(py::module_::import("onward._errors"));
  return *module;
}

Status made(int code, std::string message, std::string type, const py::object& detail) {
  Status status = Status(static_cast<StatusCode>(code), std::move(message)).with_type(std::move(type));
  if (detail.is_none()) return status;
  Payload payload;
  const Status encoded = encode_payload(error_detail_codec(), detail.ptr(), payload);
  return encoded.ok() ? status.with_encoded_detail("python.exception", payload.body)
                      : status.without_detail("python.exception", encoded.message());
}

py::object detail_of(const Status& status) {
  if (status.detail_bytes().empty()) return py::none();
  RawValue raw{.codec = &error_detail_codec(), .body = status.detail_bytes(), .segments = {}};
  py::object value;
  return decode_result(raw, value).ok() ? value : py::none();
}

py::list trail_of(const Status& status) {
  py::list trail;
  for (const Hop& hop : status.trail()) trail.append(py::make_tuple(hop.node, hop.function, hop.message));
  return trail;
}

}  // namespace

Status status_of_exception(PyObject* exception) {
  const py::object status =
      py::reinterpret_steal<py::object>(PyObject_CallMethod(error_helpers().ptr(), "to_status", "(O)", exception));
  if (status) return status.cast<Status>();
  // An exception whose own str() raises, for one.
  PyErr_Clear();
  return Status(StatusCode::kUnknown, "an exception that cannot be described").with_type(type_name_of(exception));
}

Status status_of_python_error() {
  PyObject* type = nullptr;
  PyObject* value = nullptr;
  PyObject* traceback = nullptr;
  PyErr_Fetch(&type, &value, &traceback);
  PyErr_NormalizeException(&type, &value, &traceback);
  const py::object owned_type = py::reinterpret_steal<py::object>(type);
  const py::object exception = py::reinterpret_steal<py::object>(value);
  const py::object owned_traceback = py::reinterpret_steal<py::object>(traceback);
  if (!exception) return {StatusCode::kInternal, "a Python function failed without an exception"};
  if (traceback != nullptr) PyException_SetTraceback(value, traceback);
  Status status = status_of_exception(value);
  // Its frames hold what the function had: Futures, for one, that nobody else will complete.
  PyException_SetTraceback(value, Py_None);
  return status;
}

py::object exception_of(const Status& error) {
  py::object exception = py::reinterpret_steal<py::object>(
      PyObject_CallMethod(error_helpers().ptr(), "from_status", "(O)", py::cast(error).ptr()));
  if (exception) return exception;
  PyErr_Clear();
  return py::reinterpret_steal<py::object>(PyObject_CallFunction(PyExc_RuntimeError, "s", error.to_string().c_str()));
}

PyObject* raise_status(const Status& error) {
  const py::object exception = exception_of(error);
  PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(exception.ptr())), exception.ptr());
  return nullptr;
}

PyObject* raise_status(StatusCode code, const std::string& message) { return raise_status(Status(code, message)); }

void raise_current_exception() noexcept {
  try {
    throw;
  } catch (py::error_already_set& error) {
    error.restore();
  } catch (...) {
    raise_status(status_from_current_exception());
  }
}

void bind_status(py::module_& module) {
  py::class_<Status>(module, "Status", "An error as it travels: see onward._errors.")
      .def(py::init(&made), py::arg("code"), py::arg("message"), py::arg("type") = "", py::arg("detail") = py::none())
      .def_property_readonly("code", [](const Status& status) { return static_cast<int>(status.code()); })
      .def_property_readonly("message", &Status::message)
      .def_property_readonly("type", &Status::type)
      .def_property_readonly("detail_type", &Status::detail_type)
      .def_property_readonly("detail", &detail_of)
      .def_property_readonly("trail", &trail_of)
      .def("__str__", &Status::to_string);
  module.def("log", [](const std::string& level, const std::string& source, const std::string& text) {
    log(level == "error" ? LogLevel::kError : level == "warning" ? LogLevel::kWarning : LogLevel::kInfo, source, text);
  });
}

}  // namespace onward::python
