// SPDX-License-Identifier: Apache-2.0
#include "onward/function.h"

#include <algorithm>
#include <mutex>
#include <vector>

namespace onward {
namespace {

// Levenshtein distance, given up beyond `limit`.
std::size_t distance(std::string_view a, std::string_view b, std::size_t limit) {
  if (std::max(a.size(), b.size()) - std::min(a.size(), b.size()) > limit) return limit + 1;
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t change = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({change, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

}  // namespace

const FunctionName& FunctionName::intern(std::string_view name) {
  static std::mutex mutex;
  // By id; two names with one id share a chain. Never destroyed.
  static auto* names = new std::unordered_multimap<std::uint64_t, std::unique_ptr<FunctionName>>;
  if (name.empty() || name.size() > kMaxBytes) {
    throw RpcError(StatusCode::kInvalidArgument, "a function's name has 1 to " + std::to_string(kMaxBytes) +
                                                     " bytes, not " + std::to_string(name.size()));
  }
  const std::uint64_t id = function_id(name);
  const std::lock_guard lock(mutex);
  for (auto [at, end] = names->equal_range(id); at != end; ++at) {
    if (at->second->name == name) return *at->second;
  }
  auto entry = std::make_unique<FunctionName>();
  entry->name = name;
  entry->id = id;
  return *names->emplace(id, std::move(entry))->second;
}

Signature::Signature(std::string signature_text) : text(std::move(signature_text)) {
  const std::uint64_t wide = function_id(text);
  hash = static_cast<std::uint32_t>(wide ^ (wide >> 32));
  if (hash == 0) hash = 1;
}

std::string_view to_string(RunMode mode) noexcept {
  switch (mode) {
    case RunMode::kDirect:
      return "direct";
    case RunMode::kAsync:
      return "async";
    case RunMode::kBlocking:
      return "blocking";
  }
  return "?";
}

Status FunctionTable::insert(std::unique_ptr<Function> function, const void* address) {
  const FunctionName& name = function->name();
  if (frozen_) {
    return {StatusCode::kFailedPrecondition,
            "function \"" + name.name +
                "\" was registered after its node had started: register it before, or in a module's start()"};
  }
  if (const auto found = by_id_.find(name.id); found != by_id_.end()) {
    const std::string& other = found->second->name().name;
    return {StatusCode::kAlreadyExists, other == name.name ? "function \"" + name.name + "\" is registered twice"
                                                           : "functions \"" + name.name + "\" and \"" + other +
                                                                 "\" have the same id: rename one of them"};
  }
  if (address != nullptr) by_address_.emplace(address, function.get());
  by_id_.emplace(name.id, std::move(function));
  return {};
}

const Function* FunctionTable::find(std::uint64_t id) const noexcept {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : found->second.get();
}

const Function* FunctionTable::find_address(const void* address) const noexcept {
  const auto found = by_address_.find(address);
  return found == by_address_.end() ? nullptr : found->second;
}

std::string FunctionTable::nearest(std::string_view name) const {
  constexpr std::size_t kLimit = 3;
  std::size_t best = kLimit + 1;
  std::string found;
  for (const auto& [id, function] : by_id_) {
    const std::size_t far = distance(name, function->name().name, kLimit);
    if (far >= best) continue;
    best = far;
    found = function->name().name;
  }
  return found;
}

}  // namespace onward
