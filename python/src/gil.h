// SPDX-License-Identifier: Apache-2.0
//
// The GIL, for threads that Python did not make: the event thread, and those of the pool. The kernel thread never takes
// it, nor any lock that is held while somebody waits for it.
#pragma once

#include <pybind11/pybind11.h>

#include <utility>

namespace onward::python {

namespace py = pybind11;

// A thread that is of no use any more, as the interpreter goes away: until the process ends, a moment later.
[[noreturn]] void sleep_for_ever() noexcept;

// This thread as the interpreter sees it. Made when it is first asked for, gone with the thread.
class PythonThread {
 public:
  [[nodiscard]] static PythonThread& current() noexcept;
  // Takes the GIL, unless the thread has it.
  void acquire() noexcept;
  // Gives it back, if the thread has it.
  void release() noexcept;

  PythonThread() noexcept = default;
  PythonThread(const PythonThread&) = delete;
  PythonThread& operator=(const PythonThread&) = delete;
  ~PythonThread();

 private:
  PyThreadState* state_ = nullptr;
  bool holds_ = false;
};

// A reference to a Python object that may be dropped by any thread, with the GIL or without: without, the event thread
// drops it.
class AnyThreadRef {
 public:
  AnyThreadRef() noexcept = default;
  // Takes over one reference.
  explicit AnyThreadRef(PyObject* adopted) noexcept : object_(adopted) {}
  explicit AnyThreadRef(py::object object) noexcept : object_(object.release().ptr()) {}
  AnyThreadRef(AnyThreadRef&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  AnyThreadRef& operator=(AnyThreadRef&& other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  AnyThreadRef(const AnyThreadRef&) = delete;
  AnyThreadRef& operator=(const AnyThreadRef&) = delete;
  ~AnyThreadRef() {
    if (object_ != nullptr) drop(object_);
  }
  [[nodiscard]] PyObject* get() const noexcept { return object_; }
  [[nodiscard]] explicit operator bool() const noexcept { return object_ != nullptr; }
  [[nodiscard]] PyObject* release() noexcept { return std::exchange(object_, nullptr); }

 private:
  static void drop(PyObject* object) noexcept;
  PyObject* object_ = nullptr;
};

// A function for a PyMethodDef, which says by its flags what it takes.
template <class F>
[[nodiscard]] PyCFunction as_c_function(F* function) noexcept {
  // NOLINTNEXTLINE(bugprone-casting-through-void): so says Python's own documentation
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(function));
}

// Whether the interpreter is going away, or this process was forked from the one that has the threads.
[[nodiscard]] bool is_over() noexcept;
// In the child of a fork: none of the threads is there.
void set_forked() noexcept;
[[nodiscard]] bool was_forked() noexcept;

}  // namespace onward::python
