// SPDX-License-Identifier: Apache-2.0
//
// When the interpreter goes away, Python 3.11 ends every other thread that wants the GIL, by unwinding its stack
// (PyThread_exit_thread). Frames of C++ cannot be unwound so: their destructors need the GIL, and those that are
// noexcept, or catch everything, end the process. From Python 3.14 on such threads sleep until the process ends. Ours
// do so here too: the linker has each frame of this module ask this function what to do when it is unwound (--wrap),
// before anything of it is.
#include <unistd.h>
#include <unwind.h>

#include "gil.h"

extern "C" {
// NOLINTBEGIN(bugprone-reserved-identifier,readability-identifier-naming): the linker's names
_Unwind_Reason_Code __real___gxx_personality_v0(int version, _Unwind_Action actions, _Unwind_Exception_Class type,
                                                _Unwind_Exception* exception, _Unwind_Context* context);
_Unwind_Reason_Code __wrap___gxx_personality_v0(int version, _Unwind_Action actions, _Unwind_Exception_Class type,
                                                _Unwind_Exception* exception, _Unwind_Context* context) {
  if ((actions & _UA_FORCE_UNWIND) != 0 && onward::python::is_over()) onward::python::sleep_for_ever();
  return __real___gxx_personality_v0(version, actions, type, exception, context);
}
// NOLINTEND(bugprone-reserved-identifier,readability-identifier-naming)
}

namespace onward::python {

void sleep_for_ever() noexcept {
  while (true) pause();
}

}  // namespace onward::python
