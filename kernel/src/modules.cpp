// SPDX-License-Identifier: Apache-2.0
#include "modules.h"

#include <algorithm>

#include "node_core.h"
#include "start_order.h"

namespace onward {
namespace {

// What `step` returns or throws.
template <class Step>
Status outcome_of(Step step) {
  try {
    return step();
  } catch (...) {
    return status_from_current_exception();
  }
}

std::vector<std::string_view> list(const ModuleNames& names) { return {names.begin(), names.end()}; }

}  // namespace

Status Modules::prepare() {
  for (const NodeOptions::ModuleUse& use : core_.options.modules) {
    auto entry = std::make_unique<Entry>(Entry{.use = &use});
    if (Status failed = check(*entry); !failed.ok()) return failed;
    entries_.push_back(std::move(entry));
  }
  if (Status failed = sort(); !failed.ok()) return failed;
  for (const auto& entry : entries_) {
    if (!entry->trouble.empty() || entry->use->descriptor->make_codec == nullptr) continue;
    const Status made =
        outcome_of([&] { return core_.add_codec(entry->use->descriptor->make_codec(entry->arguments)); });
    if (Status failed = made.ok() ? made : without(*entry, made); !failed.ok()) return failed;
  }
  return {};
}

Status Modules::check(Entry& entry) {
  if (!entry.use->unusable.ok()) return without(entry, entry.use->unusable);
  if (Status wrong = check_module_abi(entry.use->descriptor->abi); !wrong.ok()) return without(entry, wrong);
  std::vector<SettingError> errors;
  entry.arguments = check_module_arguments(*entry.use->descriptor, entry.use->arguments, errors);
  std::string text;
  for (const SettingError& error : errors) text += (text.empty() ? "" : "\n") + error.text();
  return text.empty() ? Status() : Status(StatusCode::kInvalidArgument, text);
}

Status Modules::sort() {
  std::vector<Startable> startables;
  for (const auto& entry : entries_) {
    const ModuleDescriptor* descriptor = entry->trouble.empty() ? entry->use->descriptor : nullptr;
    startables.push_back({.name = entry->use->name()});
    if (descriptor == nullptr) continue;
    startables.back().provides = list(descriptor->provides);
    startables.back().needs = list(descriptor->needs);
    startables.back().wants = list(descriptor->wants);
  }
  const Result<std::vector<std::size_t>> order = start_order(startables);
  if (!order) return order.error();
  std::vector<std::unique_ptr<Entry>> sorted;
  for (const std::size_t index : *order) sorted.push_back(std::move(entries_[index]));
  entries_ = std::move(sorted);
  return {};
}

Status Modules::make_transports(std::vector<std::unique_ptr<Transport>>& out) {
  for (const auto& entry : entries_) {
    if (!entry->trouble.empty() || entry->use->descriptor->make_transport == nullptr) continue;
    const Status made = outcome_of([&]() -> Status {
      auto transport = entry->use->descriptor->make_transport(*core_.loop, core_.options.limits, entry->arguments);
      const auto same = std::ranges::find(out, transport->scheme(), [](const auto& other) { return other->scheme(); });
      if (same != out.end()) {
        return {StatusCode::kAlreadyExists, "the node has a transport \"" + std::string(transport->scheme()) + "\""};
      }
      out.push_back(std::move(transport));
      return {};
    });
    if (Status failed = made.ok() ? made : without(*entry, made); !failed.ok()) return failed;
  }
  return {};
}

Status Modules::start() {
  for (const auto& entry : entries_) {
    if (!entry->trouble.empty()) continue;
    Status failed = check_needs(*entry);
    if (failed.ok() && entry->use->descriptor->create != nullptr) failed = start(*entry);
    if (failed.ok()) continue;
    services_.withdraw(entry->use->name());
    core_.functions.remove_of(entry->use->name());
    entry->module.reset();
    if (Status stops = without(*entry, failed); !stops.ok()) return stops;
  }
  return {};
}

Status Modules::check_needs(const Entry& entry) const {
  for (const std::string_view need : entry.use->descriptor->needs) {
    const auto gives = [&](const auto& other) {
      const ModuleDescriptor* descriptor = other->use->descriptor;
      return descriptor != nullptr && (descriptor->name() == need ||
                                       std::ranges::find(descriptor->provides, need) != descriptor->provides.end());
    };
    const auto provider = std::ranges::find_if(entries_, gives);
    if (provider == entries_.end()) {
      return {StatusCode::kFailedPrecondition,
              "it needs \"" + std::string(need) + "\", and no module of this node is or provides that: add one"};
    }
    if (!(*provider)->trouble.empty()) {
      return {StatusCode::kFailedPrecondition, "it needs \"" + std::string(need) + "\", and the module \"" +
                                                   std::string((*provider)->use->name()) + "\" is not there"};
    }
  }
  return {};
}

Status Modules::start(Entry& entry) {
  const ModuleDescriptor& descriptor = *entry.use->descriptor;
  entry.context = std::make_unique<ModuleContext>(core_.node, descriptor, entry.arguments, services_);
  core_.functions.set_registrar(descriptor.name());
  Status started = outcome_of([&] {
    entry.module = descriptor.create();
    return entry.module->start(*entry.context);
  });
  core_.functions.set_registrar({});
  if (!started.ok()) return started;
  started_.push_back(&entry);
  core_.log(LogLevel::kDebug, "module " + std::string(descriptor.name()) + " " + descriptor.version + " started");
  return {};
}

Status Modules::without(Entry& entry, const Status& why) {
  Status status = why.with_message("module \"" + std::string(entry.use->name()) + "\" did not start: " + why.message());
  if (!entry.use->optional) return status;
  entry.trouble = why.message();
  core_.log(LogLevel::kWarning, status.message() + "; it is optional, and the node goes on without");
  return {};
}

Future<void> Modules::stop_last() { return started_.back()->module->stop(); }

void Modules::forget_last() {
  services_.withdraw(last_name());
  started_.back()->module.reset();
  started_.pop_back();
}

std::vector<Node::ModuleState> Modules::states() const {
  std::vector<Node::ModuleState> result;
  for (const auto& entry : entries_) {
    Node::ModuleState& state = result.emplace_back();
    state.name = entry->use->name();
    state.file = entry->use->file;
    state.trouble = entry->trouble;
    if (entry->use->descriptor == nullptr) continue;
    state.version = entry->use->descriptor->version;
    state.summary = entry->use->descriptor->summary;
  }
  return result;
}

}  // namespace onward
