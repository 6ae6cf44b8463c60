// SPDX-License-Identifier: Apache-2.0
//
// One key of a map and its value, written in one go.
#pragma once

#include <cstdint>
#include <string_view>

#include "onward/codec.h"

namespace onward {

inline void write_text(Encoder& out, std::string_view key, std::string_view text) {
  out.key(key);
  out.string(text);
}

inline void write_number(Encoder& out, std::string_view key, std::uint64_t number) {
  out.key(key);
  out.unsigned_integer(number);
}

// `write_one(element)` writes one value.
template <class Range, class F>
void write_list(Encoder& out, std::string_view key, const Range& range, const F& write_one) {
  out.key(key);
  out.begin_sequence(range.size());
  for (const auto& element : range) write_one(element);
  out.end_sequence();
}

}  // namespace onward
