// SPDX-License-Identifier: Apache-2.0
#include "onward/function.h"

#include <mutex>

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

Status FunctionTable::insert(std::unique_ptr<Function> function, const void* address) {
  const FunctionName& name = function->name();
  if (frozen_) {
    return {StatusCode::kFailedPrecondition,
            "function \"" + name.name +
                "\" was registered after its node had started: register it before, or in a module's start()"};
  }
  if (name.name.starts_with(kReservedNames)) {
    return {StatusCode::kInvalidArgument, "function \"" + name.name +
                                              "\" cannot be registered: names that begin with \"" +
                                              std::string(kReservedNames) + "\" are the node's own, choose another"};
  }
  if (const auto found = by_id_.find(name.id); found != by_id_.end()) {
    const std::string& other = found->second->name().name;
    return {StatusCode::kAlreadyExists, other == name.name ? "function \"" + name.name + "\" is registered twice"
                                                           : "functions \"" + name.name + "\" and \"" + other +
                                                                 "\" have the same id: rename one of them"};
  }
  function->module_ = registrar_;
  if (address != nullptr) by_address_.emplace(address, function.get());
  by_id_.emplace(name.id, std::move(function));
  return {};
}

void FunctionTable::remove_of(std::string_view module) {
  std::erase_if(by_address_, [&](const auto& entry) { return entry.second->module() == module; });
  std::erase_if(by_id_, [&](const auto& entry) { return entry.second->module() == module; });
}

const Function* FunctionTable::find(std::uint64_t id) const noexcept {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : found->second.get();
}

const Function* FunctionTable::find_address(const void* address) const noexcept {
  const auto found = by_address_.find(address);
  return found == by_address_.end() ? nullptr : found->second;
}

}  // namespace onward
