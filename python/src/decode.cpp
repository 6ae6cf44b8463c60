// SPDX-License-Identifier: Apache-2.0
#include <string>
#include <utility>

#include "errors.h"
#include "pickle_codec.h"
#include "values.h"

namespace onward::python {
namespace {

PyObject* decode_string(Decoder& decoder) {
  const std::string_view text = decoder.string();
  if (!decoder.ok()) return nullptr;
  PyObject* value = PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), nullptr);
  if (value == nullptr) {
    PyErr_Clear();
    decoder.fail_at("a string that is not UTF-8");
  }
  return value;
}

PyObject* decode_bytes(std::span<const std::byte> bytes) {
  return PyBytes_FromStringAndSize(reinterpret_cast<const char*>(bytes.data()), static_cast<Py_ssize_t>(bytes.size()));
}

// The values of a sequence. What the count promises need not be there: it is believed as it comes true.
PyObject* decode_list(Decoder& decoder) {
  constexpr std::size_t kMaxReserve = 4096;
  const std::size_t count = decoder.begin_sequence();
  if (!decoder.ok()) return nullptr;
  const std::size_t reserved = std::min(count, kMaxReserve);
  py::object list = py::reinterpret_steal<py::object>(PyList_New(static_cast<Py_ssize_t>(reserved)));
  for (std::size_t i = 0; i < count; ++i) {
    PyObject* item = decode_value(decoder);
    if (item == nullptr) return nullptr;
    if (i < reserved) {
      PyList_SET_ITEM(list.ptr(), static_cast<Py_ssize_t>(i), item);
    } else {
      PyList_Append(list.ptr(), item);
      Py_DECREF(item);
    }
  }
  decoder.end_sequence();
  return decoder.ok() ? list.release().ptr() : nullptr;
}

PyObject* decode_map(Decoder& decoder) {
  const std::size_t count = decoder.begin_map();
  if (!decoder.ok()) return nullptr;
  py::object dict = py::reinterpret_steal<py::object>(PyDict_New());
  for (std::size_t i = 0; i < count; ++i) {
    const std::string_view key = decoder.key();
    py::object name = py::reinterpret_steal<py::object>(
        PyUnicode_DecodeUTF8(key.data(), static_cast<Py_ssize_t>(key.size()), nullptr));
    if (!name) {
      PyErr_Clear();
      decoder.fail_at("a key that is not UTF-8");
      return nullptr;
    }
    const py::object value = py::reinterpret_steal<py::object>(decode_value(decoder));
    if (!value) return nullptr;
    PyDict_SetItem(dict.ptr(), name.ptr(), value.ptr());
  }
  decoder.end_map();
  return decoder.ok() ? dict.release().ptr() : nullptr;
}

PyObject* decode_table(Decoder& decoder) {
  const Buffer table = decoder.table({});
  return decoder.ok() ? decode_bytes(table.bytes()) : nullptr;
}

// What onward/_values.py makes of a value with a tag that it knows.
PyObject* from_plain(const std::string& tag, PyObject* plain) {
  PyObject* value = PyObject_CallMethod(value_helpers().ptr(), "from_plain", "s#O", tag.data(),
                                        static_cast<Py_ssize_t>(tag.size()), plain);
  Py_DECREF(plain);
  return value;
}

PyObject* decode_tagged(Decoder& decoder, std::string_view tag) {
  if (tag == kTorchTag) return decode_array(decoder, tag);
  const std::string name(tag);  // lives as long as the message; reading goes on
  PyObject* plain = decoder.peek() == ValueKind::kMap ? decode_map(decoder) : decode_list(decoder);
  if (plain == nullptr) return nullptr;
  if (name == "tuple") {
    PyObject* tuple = PyList_AsTuple(plain);
    Py_DECREF(plain);
    return tuple;
  }
  return from_plain(name, plain);
}

bool can_be_tagged(ValueKind kind) {
  return kind == ValueKind::kSequence || kind == ValueKind::kMap || kind == ValueKind::kTensor;
}

// A Python error while decoding becomes the decoder's.
void take_python_error(Decoder& decoder) {
  if (PyErr_Occurred() == nullptr) return;
  const Status error = status_of_python_error();
  decoder.fail_at(error.type() + ": " + error.message());
}

Status decode(RawValue& raw, FunctionRef<void(Decoder&)> read) {
  InboundMessage message{.header = {}, .body = raw.body.bytes(), .storage = &raw.body, .segments = raw.segments};
  return raw.codec->decode(message, [&](Decoder& decoder) {
    read(decoder);
    take_python_error(decoder);
  });
}

}  // namespace

RawValue RawValue::keep(const Codec& codec, InboundMessage& message) {
  constexpr std::size_t kCopyBytes = 4096;
  RawValue raw{.codec = &codec, .body = {}, .segments = {}};
  raw.body = message.body.size() <= kCopyBytes || message.storage == nullptr ? Buffer::copy_of(message.body)
                                                                             : message.retain(message.body);
  for (Buffer& segment : message.segments) raw.segments.push_back(std::move(segment));
  return raw;
}

PyObject* decode_value(Decoder& decoder) {
  const ValueKind kind = decoder.peek();
  if (!decoder.ok()) return nullptr;
  if (can_be_tagged(kind)) {
    if (const std::string_view tag = decoder.tag(); !tag.empty()) return decode_tagged(decoder, tag);
  }
  switch (kind) {
    case ValueKind::kNull:
      decoder.null();
      if (!decoder.ok()) return nullptr;
      Py_RETURN_NONE;
    case ValueKind::kBoolean:
      return PyBool_FromLong(decoder.boolean() ? 1 : 0);
    case ValueKind::kInteger:
      return PyLong_FromLongLong(decoder.integer());
    case ValueKind::kUnsigned:
      return PyLong_FromUnsignedLongLong(decoder.unsigned_integer());
    case ValueKind::kReal:
      return PyFloat_FromDouble(decoder.real());
    case ValueKind::kString:
      return decode_string(decoder);
    case ValueKind::kBytes: {
      const Buffer bytes = decoder.bytes();
      return decoder.ok() ? decode_bytes(bytes.bytes()) : nullptr;
    }
    case ValueKind::kSequence:
    case ValueKind::kNumbers:
      return decode_list(decoder);
    case ValueKind::kMap:
      return decode_map(decoder);
    case ValueKind::kTensor:
      return decode_array(decoder, {});
    case ValueKind::kTable:
      return decode_table(decoder);
  }
  return nullptr;
}

Status decode_arguments(RawValue& raw, CallArguments& out) {
  if (is_pickle(*raw.codec)) {
    py::object both;
    if (Status failed = unpickle(raw, both); !failed.ok()) return failed;
    if (!PyTuple_Check(both.ptr()) || PyTuple_GET_SIZE(both.ptr()) != 2) {
      return {StatusCode::kInvalidArgument, "what was pickled are no arguments of a call"};
    }
    out.positional = py::reinterpret_borrow<py::object>(PyTuple_GET_ITEM(both.ptr(), 0));
    PyObject* keywords = PyTuple_GET_ITEM(both.ptr(), 1);
    if (keywords != Py_None) out.keywords = py::reinterpret_borrow<py::object>(keywords);
    return {};
  }
  return decode(raw, [&](Decoder& decoder) {
    const std::size_t count = decoder.begin_sequence();
    py::list positional;
    for (std::size_t i = 0; i < count && decoder.ok(); ++i) {
      if (i + 1 == count && decoder.peek() == ValueKind::kMap && decoder.tag() == kKeywordsTag) {
        out.keywords = py::reinterpret_steal<py::object>(decode_map(decoder));
        break;
      }
      const py::object value = py::reinterpret_steal<py::object>(decode_value(decoder));
      if (!value) return;
      positional.append(value);
    }
    decoder.end_sequence();
    out.positional = py::reinterpret_steal<py::object>(PyList_AsTuple(positional.ptr()));
  });
}

Status decode_result(RawValue& raw, py::object& out) {
  if (is_pickle(*raw.codec)) return unpickle(raw, out);
  return decode(raw, [&](Decoder& decoder) { out = py::reinterpret_steal<py::object>(decode_value(decoder)); });
}

py::handle value_helpers() {
  static const py::object* module = new py::object(py::module_::import("onward._values"));
  return *module;
}

}  // namespace onward::python
