// SPDX-License-Identifier: Apache-2.0
//
// The process's node, and what Python needs beside it.
#pragma once

#include <pybind11/pybind11.h>

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include "handler.h"
#include "onward/node.h"
#include "onward/pool.h"

namespace onward::python {

class NodeState {
 public:
  // Null where none runs. With the GIL, or the kernel thread.
  [[nodiscard]] static Node* node() noexcept;
  // The node for a call; null, with the Python error set, where there is none.
  [[nodiscard]] static Node* require(const char* what);
};

// The peer that `to` stands for: a name, a URL, a rank or a WorkerInfo. False with the Python error set. With the GIL.
struct KnownPeer {
  PeerHandle handle;
  std::string name;
};
[[nodiscard]] const KnownPeer* find_peer(PyObject* to);

void bind_node(py::module_& module);

}  // namespace onward::python
