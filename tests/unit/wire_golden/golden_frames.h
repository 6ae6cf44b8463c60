// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <ostream>
#include <string>
#include <vector>

#include "onward/message.h"

namespace onward::testing_support {

// A message whose bytes on the wire are fixed.
struct GoldenFrame {
  std::string name;   // of the file, without .hex
  std::string title;  // comment lines
  std::function<Message()> build;
  // Checks what was read back from the file, with EXPECT_.
  std::function<void(InboundMessage& message)> check;

  friend std::ostream& operator<<(std::ostream& out, const GoldenFrame& frame) { return out << frame.name; }
};

[[nodiscard]] std::vector<GoldenFrame> golden_frames();

}  // namespace onward::testing_support
