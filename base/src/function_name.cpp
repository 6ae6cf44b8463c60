// SPDX-License-Identifier: Apache-2.0
#include "onward/function_name.h"

#include <memory>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "onward/status.h"

namespace onward {

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

Signature::Signature(std::string signature_text, std::vector<std::string> struct_texts)
    : text(std::move(signature_text)), structs(std::move(struct_texts)) {
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

}  // namespace onward
