// SPDX-License-Identifier: Apache-2.0
//
// Whether values are what a function takes: found before a call goes out, by the rules by which a node reads its
// arguments with codec flex, and never by stricter ones.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "onward/value_dynamic.h"
#include "signature_type.h"

namespace onward {

struct ArgumentMismatch {
  std::size_t index = 0;       // of the argument, from 0
  std::string path = {};       // "[1].line", where it is in the argument; empty: the argument itself
  std::string expected = {};   // "an int8 (-128 to 127)"
  std::string found = {};      // "the string \"ten\""
  bool string_wanted = false;  // the argument itself should have been a string
};

// Members of structs that are passed over, as a node does: "argument 1 has a member \"lin\" …".
using ArgumentNotes = std::vector<std::string>;

// The first argument that the node would refuse; nothing if it would take all. `arguments` are as many as there are
// parameters.
[[nodiscard]] std::optional<ArgumentMismatch> check_arguments(const FunctionSignature& signature,
                                                              const DynamicValue::Sequence& arguments,
                                                              ArgumentNotes& notes);

}  // namespace onward
