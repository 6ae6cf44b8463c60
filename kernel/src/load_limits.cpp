// SPDX-License-Identifier: Apache-2.0
#include "onward/load_limits.h"

#include "onward/identity.h"

namespace onward {

Status FunctionLimitRules::add(std::string pattern, const FunctionLimits& limits) {
  const auto [at, added] = rules_.emplace(std::move(pattern), limits);
  if (added) return {};
  return {StatusCode::kAlreadyExists, "there are two limits for \"" + at->first + "\""};
}

FunctionLimits FunctionLimitRules::of(std::string_view function) const noexcept {
  const auto decides = most_specific(rules_, function);
  return decides == rules_.end() ? FunctionLimits{} : decides->second;
}

}  // namespace onward
