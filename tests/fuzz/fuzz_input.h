// SPDX-License-Identifier: Apache-2.0
//
// What fuzz targets share. A target is a file NAME_fuzz.cpp that defines LLVMFuzzerTestOneInput: whatever the bytes,
// it returns 0, or ends the program when something does not hold that must.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t bytes);

namespace onward::fuzz {

// Ends the program, which is a finding, if `holds` does not.
inline void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", what);
  std::abort();
}

// Takes an input apart from its front. What is not there reads as zeros.
class FuzzInput {
 public:
  FuzzInput(const std::uint8_t* data, std::size_t bytes) : rest_(data, bytes) {}

  [[nodiscard]] std::uint8_t byte() {
    if (rest_.empty()) return 0;
    const std::uint8_t first = rest_.front();
    rest_ = rest_.subspan(1);
    return first;
  }
  // Of two bytes, little-endian.
  [[nodiscard]] std::uint16_t number() {
    const std::uint8_t low = byte();
    return static_cast<std::uint16_t>(low | byte() << 8U);
  }
  [[nodiscard]] std::span<const std::byte> rest() const { return std::as_bytes(rest_); }

 private:
  std::span<const std::uint8_t> rest_;
};

}  // namespace onward::fuzz
