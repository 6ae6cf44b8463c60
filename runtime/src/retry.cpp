// SPDX-License-Identifier: Apache-2.0
#include "onward/retry.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <string>

namespace onward {
namespace {

void require(bool holds, const char* what) {
  if (!holds) throw RpcError(StatusCode::kInvalidArgument, what);
}

double random_between(double low, double high) {
  thread_local std::minstd_rand random{std::random_device{}()};
  return std::uniform_real_distribution<double>(low, high)(random);
}

}  // namespace

RetryBudget::RetryBudget(double tokens, double refill) : most_(tokens), refill_(refill), tokens_(tokens) {
  require(tokens > 0 && refill > 0, "a RetryBudget needs more than no tokens, and a refill above zero");
}

void RetryBudget::on_success() noexcept {
  const std::lock_guard lock(mutex_);
  tokens_ = std::min(most_, tokens_ + refill_);
}

void RetryBudget::on_failure() noexcept {
  const std::lock_guard lock(mutex_);
  tokens_ = std::max(0.0, tokens_ - 1);
}

bool RetryBudget::allows() const noexcept {
  const std::lock_guard lock(mutex_);
  return tokens_ > most_ / 2;
}

namespace detail {

Duration backoff_of(const RetryOptions& options, unsigned number) {
  const double longest = static_cast<double>(options.max_backoff.count());
  const double base =
      std::min(static_cast<double>(options.backoff.count()) * std::pow(options.multiplier, number), longest);
  const double factor = options.jitter > 0 ? random_between(1 - options.jitter, 1 + options.jitter) : 1;
  return Duration(static_cast<Duration::rep>(base * factor));
}

void check_options(const RetryOptions& options) {
  require(options.attempts >= 1, "retry() needs at least one attempt");
  require(options.backoff >= Duration::zero() && options.max_backoff >= options.backoff,
          "retry(): backoff must not be below zero, nor above max_backoff");
  require(options.multiplier >= 1, "retry(): multiplier must be at least 1");
  require(options.jitter >= 0 && options.jitter <= 1, "retry(): jitter must be between 0 and 1");
}

void check_options(const HedgeOptions& options) {
  require(options.copies >= 1, "hedge() needs at least one copy");
  require(options.delay >= Duration::zero(), "hedge(): delay must not be below zero");
}

Status may_retry(const RetryOptions& options, const Status& error, unsigned number, bool timed_out, Duration pause) {
  std::string why;
  if (number + 1 >= options.attempts) {
    why = "";
  } else if (!timed_out && !options.codes.has(error.code())) {
    return error;
  } else if (options.budget && !options.budget->allows()) {
    why = ", no more as the retry budget is used up";
  } else if (CallContext::current().remaining() <= pause) {
    why = ", no more as the deadline is near";
  } else {
    return {};
  }
  if (number == 0 && why.empty()) return error;
  return error.with_message(error.message() + " (" + std::to_string(number + 1) +
                            (number == 0 ? " attempt" : " attempts") + why + ")");
}

}  // namespace detail
}  // namespace onward
