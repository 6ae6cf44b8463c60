// SPDX-License-Identifier: Apache-2.0
//
// Python's values as codecs carry them. With the GIL, all of it.
//
//   None, bool, int of 64 bits, float, str     as they are
//   bytes, bytearray, memoryview               bytes; they arrive as bytes. From 4 KiB on the object's own memory is
//   sent list                                       a sequence dict with string keys                      a map; it
//   arrives sorted by its keys tuple, set, frozenset, other dicts         a tagged sequence: C++ reads the sequence
//   dataclasses, named tuples                  a tagged map, or sequence: they arrive as themselves where the class is
//                                              imported, else as what is inside
//   numpy arrays and scalars, torch tensors,   a tensor, and numbers. The array's own memory is sent, and must stay as
//   it whatever has __dlpack__ or a buffer        is until the call is answered. What arrives is writable and nobody
//   else's
#pragma once

#include <pybind11/pybind11.h>

#include <string>
#include <vector>

#include "onward/codec.h"
#include "onward/message.h"
#include "onward/status.h"

namespace onward::python {

namespace py = pybind11;

// A value as it came, not yet read.
struct RawValue {
  const Codec* codec = nullptr;
  Buffer body;
  std::vector<Buffer> segments;

  // Keeps what the message has; a small body is copied, so that it does not hold a larger block.
  [[nodiscard]] static RawValue keep(const Codec& codec, InboundMessage& message);
};

// Writes `value`. False if that cannot be: the encoder has failed, with a message that says where the value lies.
bool encode_value(Encoder& encoder, PyObject* value);
// The arguments of a call as one sequence; `keywords` may be null or a dict. `self`, if there is one, comes first.
bool encode_arguments(Encoder& encoder, PyObject* self, PyObject* arguments, PyObject* keywords);

// Where the value lies that encode_arguments() could not write: "args[1]['x']".
[[nodiscard]] std::string_view encode_place() noexcept;

// The value, a new reference; null, with the decoder failed or a Python error set.
[[nodiscard]] PyObject* decode_value(Decoder& decoder);

struct CallArguments {
  py::object positional;  // a tuple
  py::object keywords;    // a dict, or null
};
// Moves out of `raw`.
[[nodiscard]] Status decode_arguments(RawValue& raw, CallArguments& out);
[[nodiscard]] Status decode_result(RawValue& raw, py::object& out);

// One value in `codec`, or why not.
[[nodiscard]] Status encode_payload(const Codec& codec, PyObject* value, Payload& out);

// How the type is called: "int", "shop.Order".
[[nodiscard]] std::string type_name_of(PyObject* value);

// The helpers in onward/_values.py, which this calls for what is rare.
[[nodiscard]] py::handle value_helpers();

// arrays.cpp: whatever has __dlpack__ or a buffer. Says whether `value` was such a thing.
enum class Encoded : std::uint8_t { kNo, kYes, kFailed };
[[nodiscard]] Encoded encode_array(Encoder& encoder, PyObject* value);
// A numpy array, or a torch tensor if `tag` says so and torch is imported.
[[nodiscard]] PyObject* decode_array(Decoder& decoder, std::string_view tag);
// A numpy array of bytes that owns the buffer.
[[nodiscard]] py::object array_of(Buffer buffer);
// Memory that belongs to `owner`, a new reference to which is kept until it was sent.
[[nodiscard]] Buffer borrow_memory(PyObject* owner, const void* data, std::size_t bytes);

inline constexpr std::string_view kKeywordsTag = "python.kwargs";
inline constexpr std::string_view kTorchTag = "torch.Tensor";

}  // namespace onward::python
