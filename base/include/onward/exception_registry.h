// SPDX-License-Identifier: Apache-2.0
//
// The exceptions that come back as themselves, of the whole process. Users register theirs by onward/exception.h.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <typeinfo>

#include "onward/export.h"
#include "onward/status.h"

namespace onward {

// The other base of a registered exception that Onward throws: the whole status, with detail and trail. It is no
// std::exception, so that `catch (const std::exception&)` is not ambiguous.
class ONWARD_API StatusCarrier {
 public:
  explicit StatusCarrier(Status status) noexcept : status_(std::move(status)) {}
  StatusCarrier(const StatusCarrier&) = default;
  StatusCarrier(StatusCarrier&&) = default;
  StatusCarrier& operator=(const StatusCarrier&) = default;
  StatusCarrier& operator=(StatusCarrier&&) = default;
  virtual ~StatusCarrier();
  [[nodiscard]] const Status& status() const noexcept { return status_; }

 private:
  Status status_;
};

struct ExceptionType {
  std::string name;            // Status::type() of its errors
  const std::type_info* type;  // of what is caught
  // Called while one is being handled: what becomes of it.
  std::function<Status()> capture;
  // Throws one that carries the status; returns where that cannot be, as for a detail that cannot be read.
  std::function<void(const Status&)> raise;
};

// How C++ names the type, "demo::SeatsTaken".
[[nodiscard]] ONWARD_API std::string type_name(const std::type_info& type);

// From now on, in all threads and modules, until the process ends. OK, and nothing changes, if that type has that
// name already, as when two modules register it; ALREADY_EXISTS where one of the two is taken otherwise.
[[nodiscard]] ONWARD_API Status register_exception_type(ExceptionType type);

}  // namespace onward
