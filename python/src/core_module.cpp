// SPDX-License-Identifier: Apache-2.0
//
// onward._core: what the Python package is made of that is not Python.
#include "call.h"
#include "context.h"
#include "errors.h"
#include "future_core.h"
#include "node_state.h"

namespace onward::python {
namespace {

void bind_event_thread(py::module_& module) {
  module.def("use_asyncio", [](py::object run_loop) { EventThread::instance().use_asyncio(std::move(run_loop)); });
  module.def("drain", [] { return EventThread::instance().drain(); });
  module.def("on_event_thread", [] { return EventThread::instance().is_current(); });
  module.def("stop_event_thread", [] {
    const py::gil_scoped_release released;
    EventThread::instance().stop();
  });
  // In the child of a fork. Where nothing had been started, nothing is missing.
  module.def("after_fork", [] {
    if (NodeState::node() != nullptr || EventThread::instance().started()) set_forked();
  });
}

}  // namespace
}  // namespace onward::python

// NOLINTNEXTLINE(readability-identifier-naming): Python's
PYBIND11_MODULE(_core, module) {
  using namespace onward::python;
  module.doc() = "The parts of onward that are not Python; use onward.rpc.";
  // NOLINTNEXTLINE(performance-unnecessary-value-param): pybind11's signature
  py::register_local_exception_translator([](std::exception_ptr error) {
    try {
      if (error) std::rethrow_exception(error);
    } catch (const onward::RpcError& rpc_error) {
      raise_status(rpc_error.status());
    }
  });
  bind_status(module);
  bind_future(module);
  bind_context(module);
  bind_calls(module);
  bind_node(module);
  bind_event_thread(module);
}
