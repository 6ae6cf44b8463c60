// SPDX-License-Identifier: Apache-2.0
//
// Calls that Python code makes.
#pragma once

#include <pybind11/pybind11.h>

#include <atomic>
#include <cstddef>
#include <optional>
#include <string>

#include "future_core.h"
#include "onward/call.h"
#include "onward/call_context.h"
#include "onward/node.h"

namespace onward::python {

// How a call was made, in case it has to be made once more.
struct CallRequest {
  PeerHandle peer;
  std::string peer_name;
  CallOptions options;
  TimePoint deadline = TimePoint::max();  // of `options.timeout`, on the node's clock
  CallContext context;
  Payload payload;
  std::uint8_t codec = 0;
  bool asked = false;  // the peer was asked to look for the function
};

// One under way; it completes the Future of Python without the GIL.
class PyCall final : public OutgoingCall {
 public:
  // `core` is told of this call: the kernel thread may cancel it there.
  PyCall(Node& node, const FunctionName& name, CoreRef core, CallRequest request);
  void on_response(const Codec& codec, InboundMessage& message) noexcept override;
  void on_failure(const Status& error) noexcept override;
  bool on_unknown_function() noexcept override;
  void destroy() noexcept override;
  // Any thread.
  void start(Destination::Origin origin = Destination::Origin::current());
  // How many of this process wait for their answers, but for the one that nodes with ranks keep open.
  [[nodiscard]] static std::size_t under_way() noexcept { return under_way_.load(std::memory_order_relaxed); }

 private:
  [[nodiscard]] bool counts() const noexcept;
  // Behind this, its Future may be completed.
  void end() noexcept;

  static std::atomic<std::size_t> under_way_;
  Node& node_;
  CoreRef core_;
  CallRequest request_;
};

// rpc_async and rpc_sync.
void bind_calls(py::module_& module);

// The function by which Python nodes are asked to look for others, by name.
inline constexpr std::string_view kResolve = "python.resolve";
// The function that is not answered while its node lives: see onward/_rendezvous.py.
inline constexpr std::string_view kStay = "python.stay";

}  // namespace onward::python
