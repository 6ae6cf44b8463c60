// SPDX-License-Identifier: Apache-2.0
//
// How much a node takes on. Each request holds a permit, for one call and for the bytes of its message, until its
// response has left. At a limit a node pauses: it reads no more from who could send more; or it sheds: it answers
// RESOURCE_EXHAUSTED at once.
#pragma once

#include <cstddef>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "onward/export.h"
#include "onward/status.h"

namespace onward {

inline constexpr std::size_t kNoLimit = std::numeric_limits<std::size_t>::max();

// Of one connection, or of a whole node.
struct LoadLimits {
  // What comes when so much is in flight is shed. A message that comes when nothing is, is taken whatever its size.
  std::size_t max_in_flight = kNoLimit;
  std::size_t max_in_flight_bytes = kNoLimit;
  // When so much is in flight, connections are not read from until it is less; but always those over which this node
  // itself awaits answers. Not where the answer to a request waits for another of the same peer.
  std::size_t pause_in_flight = kNoLimit;
  std::size_t pause_in_flight_bytes = kNoLimit;

  friend bool operator==(const LoadLimits&, const LoadLimits&) = default;
};

// Of one function, whoever calls it: what is more is shed.
struct FunctionLimits {
  std::size_t max_in_flight = kNoLimit;
  std::size_t max_in_flight_bytes = kNoLimit;
  // Whether max_in_flight is found out from how long the function takes, up to what is said here: see
  // concurrency_limit.h. Unset: as the node has it.
  std::optional<bool> adaptive = std::nullopt;

  friend bool operator==(const FunctionLimits&, const FunctionLimits&) = default;
};

// Which functions have which limits.
class ONWARD_API FunctionLimitRules {
 public:
  // Each function whose name matches `pattern`, as in AccessRules, has these limits for itself. ALREADY_EXISTS if
  // there is a rule for that pattern.
  Status add(std::string pattern, const FunctionLimits& limits);
  // Those of the most specific pattern: the longest, not counting *. Without any: no limits.
  [[nodiscard]] FunctionLimits of(std::string_view function) const noexcept;
  [[nodiscard]] bool empty() const noexcept { return rules_.empty(); }

 private:
  std::map<std::string, FunctionLimits> rules_;
};

}  // namespace onward
