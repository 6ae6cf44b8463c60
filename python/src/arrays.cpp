// SPDX-License-Identifier: Apache-2.0
//
// Arrays: what has a buffer (PEP 3118), or __dlpack__ (https://dmlc.github.io/dlpack).
#include <pybind11/numpy.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "errors.h"
#include "gil.h"
#include "values.h"

namespace onward::python {
namespace {

// As in DLPack's dlpack.h, version 0: an ABI.
struct DLDevice {
  std::int32_t type;
  std::int32_t id;
};
struct DLDataType {
  std::uint8_t code;  // 0 int, 1 uint, 2 float, 4 bfloat, 6 bool
  std::uint8_t bits;
  std::uint16_t lanes;
};
struct DLTensor {
  void* data;
  DLDevice device;
  std::int32_t ndim;
  DLDataType dtype;
  std::int64_t* shape;
  std::int64_t* strides;
  std::uint64_t byte_offset;
};
struct DLManagedTensor {
  DLTensor tensor;
  void* manager_ctx;
  void (*deleter)(DLManagedTensor*);
};
constexpr std::int32_t kCpu = 1;

struct TypeNames {
  NumberType type;
  const char* buffer;  // the formats of PEP 3118 that it has on this machine
  std::uint8_t dlpack_code;
  std::uint8_t bits;
  const char* numpy;  // null: numpy has none
};
constexpr std::array kTypes{
    TypeNames{NumberType::kBool, "?", 6, 8, "?"},           TypeNames{NumberType::kInt8, "b", 0, 8, "int8"},
    TypeNames{NumberType::kInt16, "h", 0, 16, "int16"},     TypeNames{NumberType::kInt32, "i", 0, 32, "int32"},
    TypeNames{NumberType::kInt64, "lqn", 0, 64, "int64"},   TypeNames{NumberType::kUint8, "B", 1, 8, "uint8"},
    TypeNames{NumberType::kUint16, "H", 1, 16, "uint16"},   TypeNames{NumberType::kUint32, "I", 1, 32, "uint32"},
    TypeNames{NumberType::kUint64, "LQN", 1, 64, "uint64"}, TypeNames{NumberType::kFloat16, "e", 2, 16, "float16"},
    TypeNames{NumberType::kBfloat16, "", 4, 16, nullptr},   TypeNames{NumberType::kFloat32, "f", 2, 32, "float32"},
    TypeNames{NumberType::kFloat64, "d", 2, 64, "float64"}};

std::optional<NumberType> type_of_format(const char* format) {
  if (format == nullptr) return NumberType::kUint8;
  if (*format == '@' || *format == '=') ++format;
  if (*format == '\0' || format[1] != '\0') return std::nullopt;
  for (const TypeNames& names : kTypes) {
    if (std::strchr(names.buffer, *format) != nullptr) return names.type;
  }
  return std::nullopt;
}

// A buffer that is given back on whichever thread is the last to need it.
Buffer wrap(Py_buffer* view) {
  const std::span<const std::byte> bytes(static_cast<const std::byte*>(view->buf), static_cast<std::size_t>(view->len));
  PyObject* capsule = PyCapsule_New(view, nullptr, [](PyObject* held) {
    auto* buffer = static_cast<Py_buffer*>(PyCapsule_GetPointer(held, nullptr));
    PyBuffer_Release(buffer);
    delete buffer;
  });
  return Buffer::wrap(bytes, [keep = AnyThreadRef(capsule)] {});
}

// Row-major, copied if it is not.
Encoded encode_buffer(Encoder& encoder, PyObject* value) {
  auto view = std::make_unique<Py_buffer>();
  if (PyObject_GetBuffer(value, view.get(), PyBUF_FULL_RO) != 0) return Encoded::kFailed;
  const std::optional<NumberType> type = type_of_format(view->format);
  if (!type || static_cast<std::size_t>(view->itemsize) != size_of(*type)) {
    encoder.fail(Status(StatusCode::kInvalidArgument,
                        "an array of elements \"" + std::string(view->format == nullptr ? "" : view->format) +
                            "\" cannot be sent: convert it to a type of numbers, in the byte order of this machine"));
    PyBuffer_Release(view.get());
    return Encoded::kFailed;
  }
  const bool is_bytes = PyMemoryView_Check(value) != 0 && *type == NumberType::kUint8 && view->ndim == 1;
  TensorValue tensor{.type = *type, .shape = {}, .data = {}};
  for (int i = 0; i < view->ndim; ++i) tensor.shape.push_back(static_cast<std::uint64_t>(view->shape[i]));
  const auto bytes = static_cast<std::size_t>(view->len);
  if (PyBuffer_IsContiguous(view.get(), 'C') == 0) {
    tensor.data = Buffer::allocate(bytes);
    PyBuffer_ToContiguous(tensor.data.mutable_data(), view.get(), view->len, 'C');
    PyBuffer_Release(view.get());
  } else if (bytes < kSegmentThresholdBytes) {
    tensor.data = Buffer::copy_of(std::span(static_cast<const std::byte*>(view->buf), bytes));
    PyBuffer_Release(view.get());
  } else {
    tensor.data = wrap(view.release());
  }
  if (is_bytes) {
    encoder.bytes(tensor.data);
  } else {
    encoder.tensor(tensor);
  }
  return Encoded::kYes;
}

Encoded refuse_array(Encoder& encoder, const std::string& what) {
  encoder.fail(Status(StatusCode::kInvalidArgument, what));
  return Encoded::kFailed;
}

bool is_contiguous(const DLTensor& tensor) {
  if (tensor.strides == nullptr ||
      std::find(tensor.shape, tensor.shape + tensor.ndim, 0) != tensor.shape + tensor.ndim) {
    return true;
  }
  std::int64_t expected = 1;
  for (std::int32_t i = tensor.ndim; i-- > 0;) {
    if (tensor.shape[i] != 1 && tensor.strides[i] != expected) return false;
    expected *= tensor.shape[i];
  }
  return true;
}

Encoded encode_dlpack(Encoder& encoder, PyObject* export_method) {
  PyObject* capsule = PyObject_CallNoArgs(export_method);
  if (capsule == nullptr) return Encoded::kFailed;
  AnyThreadRef owner(capsule);  // its destructor gives the tensor back, as nobody renames it
  const auto* managed = static_cast<DLManagedTensor*>(PyCapsule_GetPointer(capsule, "dltensor"));
  if (managed == nullptr) return Encoded::kFailed;
  const DLTensor& tensor = managed->tensor;
  if (tensor.device.type != kCpu)
    return refuse_array(encoder, "a tensor that is not in the CPU's memory cannot be sent: move it to the CPU");
  TensorValue out;
  const TypeNames* names = nullptr;
  for (const TypeNames& known : kTypes) {
    if (known.dlpack_code == tensor.dtype.code && known.bits == tensor.dtype.bits && tensor.dtype.lanes == 1)
      names = &known;
  }
  if (names == nullptr)
    return refuse_array(encoder, "a tensor of such elements cannot be sent: convert it to a type of numbers");
  out.type = names->type;
  std::size_t bytes = size_of(out.type);
  for (std::int32_t i = 0; i < tensor.ndim; ++i) {
    out.shape.push_back(static_cast<std::uint64_t>(tensor.shape[i]));
    bytes *= static_cast<std::size_t>(tensor.shape[i]);
  }
  if (!is_contiguous(tensor))
    return refuse_array(encoder, "a tensor that is not contiguous cannot be sent by __dlpack__: copy it first");
  const std::span<const std::byte> data(static_cast<const std::byte*>(tensor.data) + tensor.byte_offset, bytes);
  out.data = bytes < kSegmentThresholdBytes ? Buffer::copy_of(data) : Buffer::wrap(data, [keep = std::move(owner)] {});
  encoder.tensor(out);
  return Encoded::kYes;
}

bool is_torch_tensor(PyObject* value) {
  const std::string_view name = Py_TYPE(value)->tp_name;
  return (name == "Tensor" || name == "Parameter" || name == "torch.Tensor") &&
         PyObject_HasAttrString(value, "requires_grad") != 0;
}

Encoded encode_torch(Encoder& encoder, PyObject* value) {
  // Detached from the graph of gradients, and contiguous.
  const py::object plain =
      py::reinterpret_steal<py::object>(PyObject_CallMethod(value_helpers().ptr(), "plain_torch", "(O)", value));
  if (!plain) return Encoded::kFailed;
  encoder.begin_tagged(kTorchTag);
  Encoded done = Encoded::kNo;
  if (PyObject_CheckBuffer(plain.ptr()) != 0) {  // one of booleans, which DLPack does not know, as numpy sees it
    done = encode_buffer(encoder, plain.ptr());
  } else if (const py::object method =
                 py::reinterpret_steal<py::object>(PyObject_GetAttrString(plain.ptr(), "__dlpack__"))) {
    done = encode_dlpack(encoder, method.ptr());
  } else {
    return Encoded::kFailed;
  }
  if (done == Encoded::kYes) encoder.end_tagged();
  return done;
}

}  // namespace

Buffer borrow_memory(PyObject* owner, const void* data, std::size_t bytes) {
  Py_INCREF(owner);
  return Buffer::wrap({static_cast<const std::byte*>(data), bytes}, [keep = AnyThreadRef(owner)] {});
}

Encoded encode_array(Encoder& encoder, PyObject* value) {
  if (PyObject_CheckBuffer(value) != 0) {
    // A numpy scalar is a number, not an array of no dimensions; onward/_values.py knows them.
    if (PyObject_HasAttrString(value, "dtype") != 0 && PyObject_HasAttrString(value, "__array_interface__") != 0 &&
        PyObject_HasAttrString(value, "__setitem__") == 0) {
      return Encoded::kNo;
    }
    return encode_buffer(encoder, value);
  }
  if (is_torch_tensor(value)) return encode_torch(encoder, value);
  const py::object method = py::reinterpret_steal<py::object>(PyObject_GetAttrString(value, "__dlpack__"));
  if (!method) {
    PyErr_Clear();
    return Encoded::kNo;
  }
  return encode_dlpack(encoder, method.ptr());
}

// An array over the buffer's memory, writable and nobody else's: what others share, or lies at an odd address, is
// copied.
py::array array_over(const py::dtype& type, std::vector<py::ssize_t> shape, Buffer buffer) {
  const auto aligned_to = static_cast<std::uintptr_t>(type.itemsize());
  if (buffer.empty()) return {type, std::move(shape)};
  if (!buffer.unique() || reinterpret_cast<std::uintptr_t>(buffer.data()) % aligned_to != 0) {
    buffer = Buffer::copy_of(buffer.bytes());
  }
  auto owned = std::make_unique<Buffer>(std::move(buffer));
  std::byte* data = owned->mutable_data();
  const py::capsule owner(owned.release(), [](void* held) { delete static_cast<Buffer*>(held); });
  return {type, std::move(shape), {}, data, owner};
}

py::object array_of(Buffer buffer) {
  const auto bytes = static_cast<py::ssize_t>(buffer.size());
  return array_over(py::dtype("uint8"), {bytes}, std::move(buffer));
}

PyObject* decode_array(Decoder& decoder, std::string_view tag) {
  TensorValue tensor = decoder.tensor();
  if (!decoder.ok()) return nullptr;
  return guarded([&]() -> PyObject* {
    const char* numpy_type = kTypes[static_cast<std::size_t>(tensor.type)].numpy;
    py::array array = array_over(py::dtype(numpy_type == nullptr ? "uint16" : numpy_type),
                                 {tensor.shape.begin(), tensor.shape.end()}, std::move(tensor.data));
    if (tag != kTorchTag && numpy_type != nullptr) return array.release().ptr();
    return PyObject_CallMethod(value_helpers().ptr(), "from_array", "Oi", array.ptr(), numpy_type == nullptr ? 1 : 0);
  });
}

}  // namespace onward::python
