// SPDX-License-Identifier: Apache-2.0
//
// Python's functions, as others call them.
#pragma once

#include <pybind11/pybind11.h>

#include <atomic>
#include <memory>
#include <string>

#include "future_core.h"
#include "gil.h"
#include "onward/function.h"

namespace onward::python {

// A Python function under a name, for as long as the process lives: it may be defined anew, as in a notebook.
struct Handler {
  enum class Mode : std::uint8_t { kPlain, kAsync, kCoroutine };
  std::string name;
  std::string documentation;
  std::string signature;
  std::atomic<Mode> mode{Mode::kPlain};
  py::object callable;  // with the GIL
};

// It as the kernel sees it. The kernel thread only takes the request and passes it on, to the pool or to the event
// thread.
class HandlerFunction final : public Function {
 public:
  // `pool` is that of Python's functions; it outlives this.
  HandlerFunction(const FunctionName& name, const Signature& signature, std::shared_ptr<Handler> handler, Pool& pool);
  void invoke(IncomingCall& call) const noexcept override;

 private:
  void invoke_plain(IncomingCall& call, RawValue arguments) const;
  void invoke_async(IncomingCall& call, RawValue arguments) const;

  std::shared_ptr<Handler> handler_;
  Pool& pool_;
};

// "(any...) -> any", of the hash 0, which agrees with every caller's; or what the handler says it is.
[[nodiscard]] const Signature& any_signature();

}  // namespace onward::python
