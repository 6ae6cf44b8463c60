// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "onward/services.h"

namespace greeting {

// What module greeter gives others.
class Greeting {
 public:
  static constexpr onward::ServiceName kService{"greeting", 1};
  virtual ~Greeting() = default;
  virtual std::string greet(const std::string& name) = 0;
};

}  // namespace greeting
