// SPDX-License-Identifier: Apache-2.0
//
// How functions are called: by name, and by a signature that both sides compare.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "onward/export.h"

namespace onward {

// Whose code runs: named in the report of a callback that holds the loop too long. Whoever makes one
// keeps it alive for as long as the loop lives.
struct Activity {
  std::string name;
};

// The 64-bit id by which a function is called on the wire: FNV-1a of its name.
[[nodiscard]] constexpr std::uint64_t function_id(std::string_view name) noexcept {
  std::uint64_t hash = 0xCBF2'9CE4'8422'2325ULL;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x0000'0100'0000'01B3ULL;
  return hash;
}

// A function's name as callers and callees share it. Interned: one object a name, for ever.
struct ONWARD_API FunctionName : Activity {
  std::uint64_t id = 0;

  static constexpr std::size_t kMaxBytes = 255;
  // Throws RpcError(INVALID_ARGUMENT) for an empty or overlong name. Any thread.
  [[nodiscard]] static const FunctionName& intern(std::string_view name);
};

// Names that begin so are the node's own: "onward.describe".
inline constexpr std::string_view kReservedNames = "onward.";

// "(int32, string) -> list<float64>", and its 32-bit hash, which requests carry. A hash is never 0; 0 in its place
// stands for a signature that is not known, or that takes what it gets, and agrees with all.
struct ONWARD_API Signature {
  std::string text;
  std::uint32_t hash = 0;
  // The structs that the text names, "Hit{file: string, line: int32}", each once. For people and tools: they do not
  // count in the hash.
  std::vector<std::string> structs;

  explicit Signature(std::string signature_text, std::vector<std::string> struct_texts = {});
  [[nodiscard]] bool agrees_with(std::uint32_t other) const noexcept {
    return other == 0 || other == hash || hash == 0;
  }
};

// How a function runs: see onward/function.h.
enum class RunMode : std::uint8_t { kDirect, kAsync, kBlocking };
[[nodiscard]] ONWARD_API std::string_view to_string(RunMode mode) noexcept;

}  // namespace onward
