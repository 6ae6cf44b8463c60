// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdexcept>
#include <string>

#include "onward/exception.h"
#include "onward/services.h"

namespace greeting {

// Each module that includes this registers it, with a type_info of its own.
struct Asleep : std::runtime_error {
  using std::runtime_error::runtime_error;
};
ONWARD_EXCEPTION(Asleep, onward::StatusCode::kAborted)

// What module greeter gives others.
class Greeting {
 public:
  static constexpr onward::ServiceName kService{"greeting", 1};
  virtual ~Greeting() = default;
  virtual std::string greet(const std::string& name) = 0;
};

}  // namespace greeting
