// SPDX-License-Identifier: Apache-2.0
//
// Python's pickle as a codec: for objects that nothing else can carry, between nodes that have both switched it on.
// Who can make a node unpickle something can make it run anything, so neither end reads what somebody has sent who has
// not proved who he is: it goes over tls, unix, shm and inproc, but not over tcp.
#pragma once

#include <pybind11/pybind11.h>

#include <memory>

#include "onward/codec.h"
#include "onward/identity.h"
#include "values.h"

namespace onward::python {

inline constexpr std::uint8_t kPickleId = 64;

[[nodiscard]] std::shared_ptr<const Codec> make_pickle_codec();
[[nodiscard]] inline bool is_pickle(const Codec& codec) noexcept { return codec.id() == kPickleId; }
// OK unless `codec` is this one, and `who` has proved nothing.
[[nodiscard]] Status check_pickle(const Codec& codec, const PeerIdentity* who);
[[nodiscard]] inline Status check_pickle(const Codec& codec, const std::shared_ptr<const CallerInfo>& caller) {
  return check_pickle(codec, caller ? &caller->identity : nullptr);
}

// With the GIL.
[[nodiscard]] Status pickle(PyObject* value, Payload& out);
[[nodiscard]] Status pickle_arguments(PyObject* self, PyObject* args, PyObject* kwargs, Payload& out);
[[nodiscard]] Status unpickle(RawValue& raw, py::object& out);

}  // namespace onward::python
