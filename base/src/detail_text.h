// SPDX-License-Identifier: Apache-2.0
//
// The detail of an error, for people.
#pragma once

#include <string>

#include "onward/buffer.h"

namespace onward {

// `{"left": 2, "rows": ["A", "B"]}`, on one line and cut after 512 bytes; how many bytes it has, where this program
// does not have the codec flex; that it cannot be read, where that is so.
[[nodiscard]] std::string detail_text(const Buffer& bytes);

}  // namespace onward
