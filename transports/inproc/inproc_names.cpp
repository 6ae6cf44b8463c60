// SPDX-License-Identifier: Apache-2.0
#include "inproc/inproc_names.h"

namespace onward {

bool InprocHub::Names::add(const std::string& name, const std::shared_ptr<InprocPort>& port) {
  const std::lock_guard lock(mutex_);
  return ports_.emplace(name, port).second;
}

void InprocHub::Names::remove(const std::string& name) {
  const std::lock_guard lock(mutex_);
  ports_.erase(name);
}

std::shared_ptr<InprocPort> InprocHub::Names::find(const std::string& name) {
  const std::lock_guard lock(mutex_);
  const auto found = ports_.find(name);
  return found == ports_.end() ? nullptr : found->second;
}

InprocHub::InprocHub() : names_(std::make_unique<Names>()) {}
InprocHub::~InprocHub() = default;

const std::shared_ptr<InprocHub>& InprocHub::process_wide() {
  static const auto* hub = new std::shared_ptr<InprocHub>(std::make_shared<InprocHub>());
  return *hub;
}

}  // namespace onward
