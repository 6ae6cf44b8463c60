// SPDX-License-Identifier: Apache-2.0
#include "gil.h"

#include <atomic>

#include "event_thread.h"

namespace onward::python {
namespace {

std::atomic<bool> forked{false};

class DropTask final : public EventTask {
 public:
  explicit DropTask(PyObject* object) noexcept : object_(object) {}
  void run() noexcept override {
    Py_DECREF(object_);
    delete this;
  }

 private:
  PyObject* object_;
};

}  // namespace

PythonThread& PythonThread::current() noexcept {
  thread_local PythonThread thread;
  return thread;
}

void PythonThread::acquire() noexcept {
  if (holds_) return;
  if (is_over()) sleep_for_ever();
  if (state_ == nullptr) state_ = PyThreadState_New(PyInterpreterState_Main());
  PyEval_RestoreThread(state_);
  holds_ = true;
}

void PythonThread::release() noexcept {
  if (!holds_) return;
  holds_ = false;
  PyEval_SaveThread();
}

PythonThread::~PythonThread() {
  if (state_ == nullptr || is_over()) return;
  acquire();
  PyThreadState_Clear(state_);
  PyThreadState_DeleteCurrent();
}

void AnyThreadRef::drop(PyObject* object) noexcept {
  if (is_over()) return;
  if (PyGILState_Check() != 0) {
    Py_DECREF(object);
  } else {
    EventThread::instance().post(*new DropTask(object));
  }
}

bool is_over() noexcept { return _Py_IsFinalizing() != 0 || forked.load(std::memory_order_relaxed); }
void set_forked() noexcept { forked = true; }
bool was_forked() noexcept { return forked.load(std::memory_order_relaxed); }

}  // namespace onward::python
