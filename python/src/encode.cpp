// SPDX-License-Identifier: Apache-2.0
#include <string>

#include "errors.h"
#include "future_core.h"
#include "pickle_codec.h"
#include "values.h"

namespace onward::python {
namespace {

// Where a value lies that cannot be encoded: put together on the way out.
thread_local std::string place;  // NOLINT(cppcoreguidelines-avoid-non-const-global-variables): see above

bool at(const std::string& where) {
  place.insert(0, where);
  return false;
}

bool refuse(Encoder& encoder, const std::string& what) {
  place.clear();
  encoder.fail(Status(StatusCode::kInvalidArgument, what));
  return false;
}

bool refuse_python_error(Encoder& encoder, PyObject* value) {
  const Status error = status_of_python_error();
  return refuse(encoder, "an object of type " + type_name_of(value) + " cannot be sent: " + error.type() + ": " +
                             error.message());
}

bool encode_integer(Encoder& encoder, PyObject* value) {
  int overflow = 0;
  const long long number = PyLong_AsLongLongAndOverflow(value, &overflow);
  if (overflow == 0) {
    encoder.integer(number);
    return true;
  }
  const unsigned long long positive = PyLong_AsUnsignedLongLong(value);
  if (PyErr_Occurred() == nullptr) {
    encoder.unsigned_integer(positive);
    return true;
  }
  PyErr_Clear();
  return refuse(encoder, "an int that does not fit 64 bits cannot be sent: send it as a string, or as bytes");
}

bool encode_string(Encoder& encoder, PyObject* value) {
  Py_ssize_t bytes = 0;
  const char* text = PyUnicode_AsUTF8AndSize(value, &bytes);
  if (text == nullptr) {
    PyErr_Clear();
    return refuse(encoder, "a str with a lone surrogate cannot be sent: encode it as bytes");
  }
  encoder.string({text, static_cast<std::size_t>(bytes)});
  return true;
}

bool encode_bytes(Encoder& encoder, PyObject* value) {
  const auto bytes = static_cast<std::size_t>(PyBytes_GET_SIZE(value));
  if (bytes >= kSegmentThresholdBytes) {
    encoder.bytes(borrow_memory(value, PyBytes_AS_STRING(value), bytes));
  } else {
    encoder.bytes(std::as_bytes(std::span(PyBytes_AS_STRING(value), bytes)));
  }
  return true;
}

// The items of a list or a tuple.
bool encode_items(Encoder& encoder, PyObject* sequence, std::size_t announced) {
  for (std::size_t i = 0; i < announced; ++i) {
    const bool is_list = PyList_Check(sequence);
    // A conversion may run Python code, which may change the list.
    if (is_list && PyList_GET_SIZE(sequence) != static_cast<Py_ssize_t>(announced)) {
      return refuse(encoder, "a list has changed while it was sent");
    }
    const auto index = static_cast<Py_ssize_t>(i);
    PyObject* item = is_list ? PyList_GET_ITEM(sequence, index) : PyTuple_GET_ITEM(sequence, index);
    Py_INCREF(item);
    const bool encoded = encode_value(encoder, item);
    Py_DECREF(item);
    if (!encoded) return at("[" + std::to_string(i) + "]");
  }
  return true;
}

bool encode_list(Encoder& encoder, PyObject* list) {
  const auto count = static_cast<std::size_t>(PyList_Check(list) ? PyList_GET_SIZE(list) : PyTuple_GET_SIZE(list));
  encoder.begin_sequence(count);
  if (!encode_items(encoder, list, count)) return false;
  encoder.end_sequence();
  return true;
}

bool encode_tagged_items(Encoder& encoder, std::string_view tag, PyObject* items) {
  encoder.begin_tagged(tag);
  if (!encode_list(encoder, items)) return false;
  encoder.end_tagged();
  return true;
}

bool has_string_keys(PyObject* dict) {
  PyObject* key = nullptr;
  Py_ssize_t position = 0;
  while (PyDict_Next(dict, &position, &key, nullptr) != 0) {
    if (!PyUnicode_CheckExact(key)) return false;
    Py_ssize_t bytes = 0;
    const char* text = PyUnicode_AsUTF8AndSize(key, &bytes);
    if (text == nullptr || std::string_view(text, static_cast<std::size_t>(bytes)).contains('\0')) {
      PyErr_Clear();
      return false;
    }
  }
  return true;
}

bool encode_map(Encoder& encoder, PyObject* dict) {
  const Py_ssize_t count = PyDict_GET_SIZE(dict);
  encoder.begin_map(static_cast<std::size_t>(count));
  PyObject* key = nullptr;
  PyObject* value = nullptr;
  Py_ssize_t position = 0;
  while (PyDict_Next(dict, &position, &key, &value) != 0) {
    Py_ssize_t bytes = 0;
    const char* text = PyUnicode_AsUTF8AndSize(key, &bytes);
    const std::string_view name(text, static_cast<std::size_t>(bytes));
    encoder.key(name);
    // A conversion may run Python code, which may change the dict.
    const py::object kept_key = py::reinterpret_borrow<py::object>(key);
    const py::object kept = py::reinterpret_borrow<py::object>(value);
    if (!encode_value(encoder, value)) return at("['" + std::string(name) + "']");
    if (PyDict_GET_SIZE(dict) != count) return refuse(encoder, "a dict has changed while it was sent");
  }
  encoder.end_map();
  return true;
}

// As Python writes it.
std::string text_of(PyObject* value) {
  const py::object text = py::reinterpret_steal<py::object>(PyObject_Repr(value));
  const char* utf8 = text ? PyUnicode_AsUTF8(text.ptr()) : nullptr;
  if (utf8 != nullptr) return utf8;
  PyErr_Clear();
  return "…";
}

bool encode_dict(Encoder& encoder, PyObject* dict) {
  if (has_string_keys(dict)) return encode_map(encoder, dict);
  const py::object items = py::reinterpret_steal<py::object>(PyDict_Items(dict));
  const auto count = static_cast<std::size_t>(PyList_GET_SIZE(items.ptr()));
  encoder.begin_tagged("dict");
  encoder.begin_sequence(count);
  for (std::size_t i = 0; i < count; ++i) {
    PyObject* pair = PyList_GET_ITEM(items.ptr(), static_cast<Py_ssize_t>(i));
    PyObject* key = PyTuple_GET_ITEM(pair, 0);
    encoder.begin_sequence(2);
    if (!encode_value(encoder, key)) return at("[a key]");
    if (!encode_value(encoder, PyTuple_GET_ITEM(pair, 1))) return at("[" + text_of(key) + "]");
    encoder.end_sequence();
  }
  encoder.end_sequence();
  encoder.end_tagged();
  return true;
}

bool encode_set(Encoder& encoder, PyObject* set) {
  const py::object items = py::reinterpret_steal<py::object>(PySequence_List(set));
  return encode_tagged_items(encoder, PyFrozenSet_Check(set) ? "frozenset" : "set", items.ptr());
}

// What onward/_values.py knows: (tag, plain value), or None.
bool encode_converted(Encoder& encoder, PyObject* value) {
  const py::object converted =
      py::reinterpret_steal<py::object>(PyObject_CallMethod(value_helpers().ptr(), "to_plain", "(O)", value));
  if (!converted) return refuse_python_error(encoder, value);
  if (converted.is_none()) {
    return refuse(encoder,
                  "an object of type " + type_name_of(value) +
                      " cannot be sent: send what it consists of, make its class a dataclass, or switch on the "
                      "codec \"pickle\" at both nodes");
  }
  PyObject* tag = PyTuple_GET_ITEM(converted.ptr(), 0);
  PyObject* plain = PyTuple_GET_ITEM(converted.ptr(), 1);
  if (tag == Py_None) return encode_value(encoder, plain);
  Py_ssize_t bytes = 0;
  const char* text = PyUnicode_AsUTF8AndSize(tag, &bytes);
  encoder.begin_tagged({text, static_cast<std::size_t>(bytes)});
  // A tuple would be tagged as such once more.
  const bool encoded = PyTuple_CheckExact(plain) ? encode_list(encoder, plain) : encode_value(encoder, plain);
  if (!encoded) return false;
  encoder.end_tagged();
  return true;
}

bool encode_other(Encoder& encoder, PyObject* value) {
  if (is_future(value)) {
    return refuse(encoder, "a Future cannot be sent: send its value, in a callback or behind wait()");
  }
  if (PyBool_Check(value)) return encoder.boolean(value == Py_True), true;
  if (PyAnySet_Check(value)) return encode_set(encoder, value);
  if (PyByteArray_Check(value)) {
    encoder.bytes(
        std::as_bytes(std::span(PyByteArray_AS_STRING(value), static_cast<std::size_t>(PyByteArray_GET_SIZE(value)))));
    return true;
  }
  switch (encode_array(encoder, value)) {
    case Encoded::kYes:
      return true;
    case Encoded::kFailed:
      return PyErr_Occurred() != nullptr ? refuse_python_error(encoder, value) : false;
    case Encoded::kNo:
      break;
  }
  return encode_converted(encoder, value);
}

}  // namespace

bool encode_value(Encoder& encoder, PyObject* value) {
  PyTypeObject* type = Py_TYPE(value);
  if (type == &PyLong_Type) return encode_integer(encoder, value);
  if (type == &PyUnicode_Type) return encode_string(encoder, value);
  if (type == &PyFloat_Type) return encoder.real(PyFloat_AS_DOUBLE(value)), true;
  if (value == Py_None) return encoder.null(), true;
  if (type == &PyBool_Type) return encoder.boolean(value == Py_True), true;
  if (type == &PyBytes_Type) return encode_bytes(encoder, value);
  // What nests, to a depth that the codec bounds.
  if (!encoder.status().ok()) return false;
  if (type == &PyList_Type) return encode_list(encoder, value);
  if (type == &PyTuple_Type) return encode_tagged_items(encoder, "tuple", value);
  if (type == &PyDict_Type) return encode_dict(encoder, value);
  return encode_other(encoder, value);
}

std::string_view encode_place() noexcept { return place; }

bool encode_arguments(Encoder& encoder, PyObject* self, PyObject* arguments, PyObject* keywords) {
  place.clear();
  const auto count = static_cast<std::size_t>(PyTuple_GET_SIZE(arguments));
  const bool has_keywords = keywords != nullptr && PyDict_GET_SIZE(keywords) > 0;
  encoder.begin_sequence(count + (self != nullptr ? 1 : 0) + (has_keywords ? 1 : 0));
  if (self != nullptr && !encode_value(encoder, self)) return at("self");
  for (std::size_t i = 0; i < count; ++i) {
    if (!encode_value(encoder, PyTuple_GET_ITEM(arguments, static_cast<Py_ssize_t>(i)))) {
      return at("args[" + std::to_string(i) + "]");
    }
  }
  if (has_keywords) {
    if (!has_string_keys(keywords)) return refuse(encoder, "keywords must be strings");
    encoder.begin_tagged(kKeywordsTag);
    if (!encode_map(encoder, keywords)) return at("kwargs");
    encoder.end_tagged();
  }
  encoder.end_sequence();
  return true;
}

Status encode_payload(const Codec& codec, PyObject* value, Payload& out) {
  if (is_pickle(codec)) return pickle(value, out);
  place.clear();
  const Status status = codec.encode([&](Encoder& encoder) { encode_value(encoder, value); }, out);
  return status.ok() || place.empty() ? status : status.with_message("at " + place + ": " + status.message());
}

std::string type_name_of(PyObject* value) {
  const py::handle type(reinterpret_cast<PyObject*>(Py_TYPE(value)));
  const std::string module = py::str(type.attr("__module__"));
  const std::string name = py::str(type.attr("__qualname__"));
  return module == "builtins" ? name : module + "." + name;
}

}  // namespace onward::python
