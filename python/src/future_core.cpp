// SPDX-License-Identifier: Apache-2.0
#include "future_core.h"

#include <sched.h>

#include <string>

#include "errors.h"

namespace onward::python {

thread_local BreakScope* BreakScope::current_ = nullptr;

Status BreakScope::take() noexcept {
  if (current_ == nullptr) {
    return {StatusCode::kAborted,
            "broken promise: the last reference to a Future is gone, and nobody can complete it any more"};
  }
  current_->used_ = true;
  return current_->cause_;
}

// Completes a Future as another one has ended.
class LinkObserver final : public Observer {
 public:
  explicit LinkObserver(CoreRef target) noexcept : target_(std::move(target)) {}
  void run(FutureCore& core) noexcept override {
    FutureCore& target = *target_;
    PyObject* value = core.value();
    std::unique_lock lock(target.mutex_);
    if (value != nullptr) {
      target.value_ = AnyThreadRef(value);
      target.publish(FutureCore::Phase::kValue, lock, true);
      return;
    }
    PyErr_Clear();
    target.error_ = core.error_;
    if (PyObject* exception = core.value_.get()) target.value_ = AnyThreadRef(Py_NewRef(exception));
    target.publish(FutureCore::Phase::kFailed, lock, true);
  }

 private:
  CoreRef target_;
};

namespace {

// A failure that nobody has looked at, told on the event thread.
class ReportTask final : public EventTask {
 public:
  ReportTask(Origin origin, Status error, AnyThreadRef exception) noexcept
      : origin_(std::move(origin)), error_(std::move(error)), exception_(std::move(exception)) {}
  void run() noexcept override {
    const py::object exception =
        exception_ ? py::reinterpret_borrow<py::object>(exception_.get()) : exception_of(error_);
    const std::string origin = origin_.text();
    const py::object helpers = py::reinterpret_steal<py::object>(PyImport_ImportModule("onward._errors"));
    const py::object done = !helpers ? py::object()
                                     : py::reinterpret_steal<py::object>(PyObject_CallMethod(
                                           helpers.ptr(), "report_unobserved", "Os", exception.ptr(), origin.c_str()));
    if (!done) PyErr_WriteUnraisable(nullptr);
    delete this;
  }

 private:
  Origin origin_;
  Status error_;
  AnyThreadRef exception_;
};

}  // namespace

Origin Origin::here() noexcept {
  PyFrameObject* frame = PyEval_GetFrame();
  if (frame == nullptr) return {};
  Origin origin;
  origin.code = AnyThreadRef(reinterpret_cast<PyObject*>(PyFrame_GetCode(frame)));
  origin.instruction = PyFrame_GetLasti(frame);
  return origin;
}

std::string Origin::text() const {
  if (!code) return {};
  auto* object = reinterpret_cast<PyCodeObject*>(code.get());
  const py::handle handle(code.get());
  return std::string(py::str(handle.attr("co_filename"))) + ":" +
         std::to_string(PyCode_Addr2Line(object, instruction)) + " in " +
         std::string(py::str(handle.attr("co_qualname")));
}

FutureCore::~FutureCore() {
  while (first_ != nullptr) delete std::exchange(first_, first_->next_);
  if (phase_.load(std::memory_order_relaxed) != Phase::kFailed || observed_.load(std::memory_order_relaxed)) return;
  if (!is_over()) EventThread::instance().post(*new ReportTask(std::move(origin_), error_, std::move(value_)));
}

void FutureCore::publish(Phase phase, std::unique_lock<std::mutex>& lock, bool has_gil) noexcept {
  phase_.store(phase, std::memory_order_release);
  Observer* first = first_;
  const bool alone = first != nullptr && first->next_ == nullptr && !scheduled_;
  const bool at_once = alone && has_gil && first->runs_at_once();
  if (at_once) {
    first_ = nullptr;
    last_ = &first_;
  } else if (alone && phase == Phase::kRaw && first->pass_on(raw_)) {
    first_ = nullptr;
    last_ = &first_;
    observed_.store(true, std::memory_order_relaxed);
  } else if (first != nullptr) {
    first = nullptr;
    schedule();
  }
  for (Waiter* waiter = std::exchange(waiters_, nullptr); waiter != nullptr;) waiter = wake(*waiter);
  lock.unlock();
  if (at_once) first->run(*this);
  delete first;
}

void FutureCore::schedule() noexcept {
  if (scheduled_) return;
  scheduled_ = true;
  add_reference();
  EventThread::instance().post(*this);
}

void FutureCore::run() noexcept {
  Observer* observer = nullptr;
  {
    const std::lock_guard lock(mutex_);
    observer = std::exchange(first_, nullptr);
    last_ = &first_;
    scheduled_ = false;
  }
  while (observer != nullptr) {
    Observer* next = observer->next_;
    observer->run(*this);
    delete std::exchange(observer, next);
  }
  drop_reference();
}

bool FutureCore::complete(RawValue value) noexcept {
  std::unique_lock lock(mutex_);
  if (!pending()) return false;
  raw_ = std::move(value);
  publish(Phase::kRaw, lock, false);
  return true;
}

bool FutureCore::complete(AnyThreadRef value) noexcept {
  std::unique_lock lock(mutex_);
  if (!pending()) return false;
  value_ = std::move(value);
  publish(Phase::kValue, lock, false);
  return true;
}

bool FutureCore::fail(const Status& error) noexcept {
  std::unique_lock lock(mutex_);
  if (!pending()) return false;
  error_ = error;
  publish(Phase::kFailed, lock, false);
  return true;
}

bool FutureCore::set_value(PyObject* value) {
  if (is_future(value)) return follow(core_of(value));
  std::unique_lock lock(mutex_);
  if (!pending()) return false;
  value_ = AnyThreadRef(Py_NewRef(value));
  publish(Phase::kValue, lock, true);
  return true;
}

bool FutureCore::set_exception(PyObject* exception) {
  std::unique_lock lock(mutex_);
  if (!pending()) return false;
  value_ = AnyThreadRef(Py_NewRef(exception));
  publish(Phase::kFailed, lock, true);
  return true;
}

bool FutureCore::follow(FutureCore& other) {
  if (&other == this) {
    raise_status(StatusCode::kInvalidArgument, "a Future cannot be completed with itself");
    throw py::error_already_set();
  }
  {
    const std::lock_guard lock(mutex_);
    if (!pending()) return false;
    phase_.store(Phase::kClaimed, std::memory_order_release);
  }
  other.set_observed();
  other.add_observer(*new LinkObserver(CoreRef::share(*this)));
  return true;
}

void FutureCore::add_observer(Observer& observer) noexcept {
  std::unique_lock lock(mutex_);
  if (done() && first_ == nullptr && !scheduled_ && observer.runs_at_once()) {
    lock.unlock();
    observer.run(*this);
    delete &observer;
    return;
  }
  *last_ = &observer;
  last_ = &observer.next_;
  if (done()) schedule();
}

// Its own thread's attempt or, where another one is at it, that one's.
void FutureCore::decode() {
  while (decoding_) {
    Py_BEGIN_ALLOW_THREADS;
    sched_yield();
    Py_END_ALLOW_THREADS;
  }
  if (phase_.load(std::memory_order_acquire) != Phase::kRaw) return;
  decoding_ = true;
  py::object value;
  const Status decoded = decode_result(raw_, value);
  decoding_ = false;
  raw_ = {};
  if (decoded.ok()) {
    value_ = AnyThreadRef(std::move(value));
  } else {
    error_ = decoded.with_message("the answer cannot be read: " + decoded.message());
  }
  phase_.store(decoded.ok() ? Phase::kValue : Phase::kFailed, std::memory_order_release);
}

PyObject* FutureCore::value() {
  decode();
  set_observed();
  if (phase_.load(std::memory_order_acquire) == Phase::kValue) return Py_NewRef(value_.get());
  const py::object error = py::reinterpret_steal<py::object>(exception());
  // Each who looks would add lines to one traceback.
  PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(error.ptr())), error.ptr());
  return nullptr;
}

PyObject* FutureCore::exception() {
  decode();
  set_observed();
  if (phase_.load(std::memory_order_acquire) == Phase::kValue) return nullptr;
  if (!value_) value_ = AnyThreadRef(exception_of(error_));
  PyException_SetTraceback(value_.get(), Py_None);
  return Py_NewRef(value_.get());
}

Status FutureCore::status() {
  decode();
  if (phase_.load(std::memory_order_acquire) == Phase::kValue) return {};
  if (error_.ok()) error_ = status_of_exception(value_.get());
  return error_;
}

void FutureCore::wrapper_gone() noexcept {
  wrapper_ = nullptr;
  if (produced_ || !pending()) return;
  if (solely_owned()) set_observed();  // nobody else can
  fail(BreakScope::take());
}

int FutureCore::traverse(visitproc visit, void* arg) noexcept {
  for (Observer* observer = first_; observer != nullptr; observer = observer->next_) {
    if (const int stop = observer->traverse(visit, arg); stop != 0) return stop;
  }
  Py_VISIT(value_.get());
  return 0;
}

void FutureCore::clear() noexcept {
  Observer* observer = nullptr;
  {
    const std::lock_guard lock(mutex_);
    if (scheduled_) return;
    observer = std::exchange(first_, nullptr);
    last_ = &first_;
  }
  while (observer != nullptr) delete std::exchange(observer, observer->next_);
}

}  // namespace onward::python
