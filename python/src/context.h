// SPDX-License-Identifier: Apache-2.0
//
// The call that Python code runs for: the kernel's CallContext, and where that is in Python. With the GIL.
#pragma once

#include <pybind11/pybind11.h>

#include "onward/call_context.h"

namespace onward::python {

// Of the function or callback that this thread runs, or of the coroutine.
[[nodiscard]] CallContext current_call();
// Has the coroutine functions that are called from here find it, by a context variable: runs `function` in a copy of
// the current contextvars.Context.
[[nodiscard]] pybind11::object call_object(const CallContext& call);
void bind_context(pybind11::module_& module);

}  // namespace onward::python
