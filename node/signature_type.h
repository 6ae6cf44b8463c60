// SPDX-License-Identifier: Apache-2.0
//
// Signatures as texts, "(string, int64) -> list<Hit>", taken apart. The grammar is in docs/WIRE.md; value.h has what
// each type stands for.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "onward/codec.h"
#include "onward/status.h"

namespace onward {

struct SignatureType {
  enum class Kind : std::uint8_t {
    kNumber,  // of `number`: bool, int8 … float64
    kString,
    kBytes,
    kByteArray,  // of `count`
    kDuration,
    kNull,
    kTensor,
    kAny,
    kList,  // of parts[0], as the next three
    kSet,
    kArray,  // of `count`
    kOptional,
    kMap,    // from parts[0] to parts[1]
    kTuple,  // of parts
    kTable,  // named `name`, or of any name if that is empty
    kNamed,  // a struct, if the signature says what is in it; otherwise it may be anything
  };
  Kind kind = Kind::kNamed;
  std::string text;  // as it stands in the signature
  NumberType number = NumberType::kBool;
  std::uint64_t count = 0;
  std::string name = {};
  std::vector<SignatureType> parts = {};
};

struct FunctionSignature {
  using Members = std::vector<std::pair<std::string, SignatureType>>;

  std::vector<SignatureType> parameters;
  // By name. One of which there are two is not here, since nobody knows which of them is meant.
  std::map<std::string, Members, std::less<>> structs = {};

  // The names of those that the parameters consist of.
  [[nodiscard]] std::set<std::string> parameter_structs() const;
};

// The parameters of "(TYPE, …) -> TYPE", with the structs "NAME{member: TYPE, …}" that it names. INVALID_ARGUMENT for
// what is none, or is nested deeper than values are. A struct that cannot be read is left out.
[[nodiscard]] Result<FunctionSignature> parse_signature(std::string_view text,
                                                        std::span<const std::string> structs = {});

}  // namespace onward
