// SPDX-License-Identifier: Apache-2.0
//
// JSON and the data model of codec.h, for the command line:
//
//   JSON                                                 model
//   ---------------------------------------------------  ------------------------------------------
//   null, true, 1, 1.5, "text", [1, 2], {"a": 1}         null, boolean, integer, real, string, sequence, map
//   {"float": "NaN"}, and "Infinity", "-Infinity"        the reals that JSON has no numbers for
//   {"bytes": "aGVsbG8="}                                bytes, in base64
//   {"dtype": "float32", "shape": [2], "data": [1, 2]}   tensor, row by row; data may also be {"bytes": …},
//   little-endian,
//                                                        as it is for float16 and bfloat16
//   {"table": "demo.Point", "bytes": "…"}                a FlatBuffers table
//
// Packed numbers become an array. An object with exactly the keys of a row above is that row, so a map
// that has them cannot be written.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "onward/status.h"
#include "onward/value_dynamic.h"

namespace onward {

// INVALID_ARGUMENT says where the text is not JSON, or what is wrong with a tensor or bytes.
[[nodiscard]] Result<DynamicValue> parse_json(std::string_view text);

// An argument of the command line: JSON, or a string without its quotes, if it does not look like JSON: it
// begins with none of { [ " and no -, and it does not parse.
[[nodiscard]] Result<DynamicValue> parse_argument(std::string_view text);

// On one line. Strings that are not UTF-8 have U+FFFD where they are not.
[[nodiscard]] std::string to_json(const DynamicValue& value);

// For people: a string alone is bare, without what would steer a terminal; anything else is JSON, where whatever fits
// `width` columns stands on one line.
[[nodiscard]] std::string to_text(const DynamicValue& value, std::size_t width);

}  // namespace onward
