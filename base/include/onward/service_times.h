// SPDX-License-Identifier: Apache-2.0
//
// How long what runs takes: a moving average for each function. Whoever queues work asks it how long to expect.
#pragma once

#include <cstddef>
#include <unordered_map>

#include "onward/clock.h"
#include "onward/function_name.h"

namespace onward {

// Of the time until its deadline, the part that work may wait before it begins: one in so many.
inline constexpr int kWaitShare = 2;

// Not thread-safe.
class ServiceTimes {
 public:
  // One run of `activity` (null: of none) has taken that long. A new time has the weight of an eighth.
  void learn(const Activity* activity, Duration took) {
    const Activity* whose = average_.size() < kMaxKnown || average_.contains(activity) ? activity : nullptr;
    const auto [known, is_new] = average_.try_emplace(whose, took);
    if (!is_new) known->second += (took - known->second) / kAverageOver;
  }
  // Zero where that is not known.
  [[nodiscard]] Duration expected(const Activity* activity) const {
    const auto known = average_.find(activity);
    return known == average_.end() ? Duration::zero() : known->second;
  }

 private:
  static constexpr int kAverageOver = 8;
  // Functions that are remembered; what comes later is measured together.
  static constexpr std::size_t kMaxKnown = 4096;
  std::unordered_map<const Activity*, Duration> average_;
};

}  // namespace onward
