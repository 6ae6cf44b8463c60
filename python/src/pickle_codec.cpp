// SPDX-License-Identifier: Apache-2.0
#include "pickle_codec.h"

#include <span>
#include <string>
#include <utility>

#include "errors.h"
#include "gil.h"

namespace onward::python {
namespace {

// What is pickled never comes here; C++ code that names this codec for a call does.
class PickleCodec final : public Codec {
 public:
  [[nodiscard]] std::uint8_t id() const override { return kPickleId; }
  [[nodiscard]] std::string_view name() const override { return "pickle"; }
  [[nodiscard]] Status encode(FunctionRef<void(Encoder&)>, Payload&) const override { return for_python(); }
  [[nodiscard]] Status decode(InboundMessage&, FunctionRef<void(Decoder&)>) const override { return for_python(); }

 private:
  static Status for_python() {
    return {StatusCode::kUnimplemented, "codec pickle is for Python's functions at both ends: use codec flex"};
  }
};

}  // namespace

std::shared_ptr<const Codec> make_pickle_codec() { return std::make_shared<PickleCodec>(); }

Status check_pickle(const Codec& codec, const PeerIdentity* who) {
  if (!is_pickle(codec) || (who != nullptr && !who->names.empty())) return {};
  return {
      StatusCode::kPermissionDenied,
      "it came in codec pickle from a peer that has not proved who it is: over tcp nobody does, use tls, unix or shm"};
}

Status pickle(PyObject* value, Payload& out) {
  const py::object parts =
      py::reinterpret_steal<py::object>(PyObject_CallMethod(value_helpers().ptr(), "pickle_value", "(O)", value));
  if (!parts) return status_of_python_error();
  PyObject* body = PyTuple_GET_ITEM(parts.ptr(), 0);
  out.body =
      Buffer::copy_of(std::string_view(PyBytes_AS_STRING(body), static_cast<std::size_t>(PyBytes_GET_SIZE(body))));
  for (const py::handle buffer : py::reinterpret_borrow<py::list>(PyTuple_GET_ITEM(parts.ptr(), 1))) {
    const Py_buffer* view = PyMemoryView_GET_BUFFER(buffer.ptr());
    out.segments.push_back(borrow_memory(buffer.ptr(), view->buf, static_cast<std::size_t>(view->len)));
  }
  return {};
}

Status pickle_arguments(PyObject* self, PyObject* args, PyObject* kwargs, Payload& out) {
  py::tuple all = py::reinterpret_borrow<py::tuple>(args);
  if (self != nullptr) all = py::make_tuple(py::handle(self)) + all;
  const py::object keywords = kwargs == nullptr ? py::none() : py::reinterpret_borrow<py::object>(kwargs);
  return pickle(py::make_tuple(all, keywords).ptr(), out);
}

Status unpickle(RawValue& raw, py::object& out) {
  py::list buffers;
  for (Buffer& segment : raw.segments) buffers.append(array_of(std::move(segment)));
  const std::string_view body = raw.body.text();
  out =
      py::reinterpret_steal<py::object>(PyObject_CallMethod(value_helpers().ptr(), "unpickle_value", "y#O", body.data(),
                                                            static_cast<Py_ssize_t>(body.size()), buffers.ptr()));
  return out ? Status() : status_of_python_error();
}

}  // namespace onward::python
