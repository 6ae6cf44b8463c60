// SPDX-License-Identifier: Apache-2.0
#include "exception_registry.h"

#include <cxxabi.h>

#include <atomic>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <unordered_map>

namespace onward {
namespace {

struct Registry {
  std::shared_mutex mutex;
  std::unordered_map<std::string_view, std::unique_ptr<const ExceptionType>> by_name;
  // By the mangled name, as modules may each have a type_info of their own.
  std::unordered_map<std::string_view, const ExceptionType*> by_type;
  std::atomic<bool> used{false};
};

// Never destroyed: threads may fail while the process ends.
Registry& registry() {
  static auto* const all = new Registry();
  return *all;
}

}  // namespace

StatusCarrier::~StatusCarrier() = default;

std::string type_name(const std::type_info& type) {
  int failed = 0;
  const std::unique_ptr<char, decltype(&std::free)> text(abi::__cxa_demangle(type.name(), nullptr, nullptr, &failed),
                                                         &std::free);
  return failed == 0 && text ? text.get() : type.name();
}

Status register_exception_type(ExceptionType type) {
  Registry& all = registry();
  const std::unique_lock lock(all.mutex);
  if (const auto same = all.by_type.find(type.type->name()); same != all.by_type.end()) {
    if (same->second->name == type.name && *same->second->type == *type.type) return {};
    return {StatusCode::kAlreadyExists, "exception " + type_name(*type.type) + " is registered already, as \"" +
                                            same->second->name + "\": give each type one name"};
  }
  if (const auto same = all.by_name.find(type.name); same != all.by_name.end()) {
    return {StatusCode::kAlreadyExists, "exception " + type_name(*type.type) + " cannot be registered as \"" +
                                            type.name + "\", which is " + type_name(*same->second->type) +
                                            ": give it another name"};
  }
  auto entry = std::make_unique<const ExceptionType>(std::move(type));
  all.by_type.emplace(entry->type->name(), entry.get());
  all.by_name.emplace(entry->name, std::move(entry));
  all.used.store(true, std::memory_order_release);
  return {};
}

const ExceptionType* find_exception(std::string_view name) {
  Registry& all = registry();
  if (name.empty() || !all.used.load(std::memory_order_acquire)) return nullptr;
  const std::shared_lock lock(all.mutex);
  const auto found = all.by_name.find(name);
  return found == all.by_name.end() ? nullptr : found->second.get();
}

const ExceptionType* find_exception(const std::type_info& type) {
  Registry& all = registry();
  if (!all.used.load(std::memory_order_acquire)) return nullptr;
  const std::shared_lock lock(all.mutex);
  for (const std::type_info* at = &type; at != nullptr;) {
    const auto found = all.by_type.find(at->name());
    if (found != all.by_type.end() && *found->second->type == *at) return found->second;
    const auto* derived = dynamic_cast<const abi::__si_class_type_info*>(at);
    at = derived == nullptr ? nullptr : derived->__base_type;
  }
  return nullptr;
}

}  // namespace onward
