// SPDX-License-Identifier: Apache-2.0
//
// Frames as text: bytes in hexadecimal, `xx*N` for N times the byte xx, and comments from # to the end of
// the line. docs/WIRE.md explains them.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace onward::testing_support {

// The bytes that `text` stands for. Throws std::invalid_argument with the line for anything else.
[[nodiscard]] std::vector<std::byte> parse_golden(const std::string& text);

// One whole frame as text, field by field, below `title`, which is a comment of one or more lines.
[[nodiscard]] std::string annotate_frame(const std::string& title, std::span<const std::byte> frame);

// Empty if both are the same, else where they differ first, for a failed test's message.
[[nodiscard]] std::string first_difference(std::span<const std::byte> expected, std::span<const std::byte> found);

// The whole file; throws std::invalid_argument if it cannot be read, or written.
[[nodiscard]] std::string read_text(const std::string& path);
void write_text(const std::string& path, const std::string& text);

}  // namespace onward::testing_support
