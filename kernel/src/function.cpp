// SPDX-License-Identifier: Apache-2.0
#include "onward/function.h"

namespace onward {
namespace detail {

void ParkedReply::abandon(const Status& reason) noexcept {
  const ContextRef context = ContextRef::share(this->context());
  state_->abandon(reason);
  if (context) context->cancel(reason);
}

void ParkedReply::cancel(const Status& reason) noexcept {
  const ContextRef context = ContextRef::share(this->context());
  if (state_->remove_callback(*this)) {
    finish(ReplySink::Unpark::kUnanswered);
  } else {
    // It will run soon, and has nobody to answer.
    ReplySink* sink = this->sink();
    state_ = nullptr;
    sink->unpark(*this, ReplySink::Unpark::kUnanswered);
    sink->release();
  }
  if (context) context->cancel(reason);
}

void ParkedReply::finish(ReplySink::Unpark how) noexcept {
  ReplySink* sink = this->sink();
  if (sink != nullptr) sink->unpark(*this, how);
  destroy();
  if (sink != nullptr) sink->release();
}

}  // namespace detail

Status FunctionTable::insert(std::unique_ptr<Function> function, const void* address) {
  if (frozen_) {
    return {StatusCode::kFailedPrecondition, "function \"" + function->name().name +
                                                 "\" was registered after its node had started: register it before, "
                                                 "in a module's start(), or by Node::add_function()"};
  }
  return place(std::move(function), address);
}

Status FunctionTable::place(std::unique_ptr<Function>&& function, const void* address) {
  const FunctionName& name = function->name();
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
