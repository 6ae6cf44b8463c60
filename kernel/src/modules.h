// SPDX-License-Identifier: Apache-2.0
//
// The modules of a node, from the configuration's list to the last stop().
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "onward/module.h"
#include "onward/node.h"

namespace onward {

class NodeCore;

class Modules {
 public:
  explicit Modules(NodeCore& core) : core_(core) {}

  // Checks all of them, finds their order, makes codecs. On the starting thread, before the loop runs.
  Status prepare();
  // Makes transports. On the loop, as what follows.
  Status make_transports(std::vector<std::unique_ptr<Transport>>& out);
  // The first error ends it; what had started has to be stopped.
  Status start();

  [[nodiscard]] bool all_stopped() const noexcept { return started_.empty(); }
  // Has the one that started last stop, and forget()s it when told to.
  [[nodiscard]] Future<void> stop_last();
  [[nodiscard]] std::string_view last_name() const { return started_.back()->use->descriptor->name(); }
  void forget_last();

  [[nodiscard]] std::vector<Node::ModuleState> states() const;

 private:
  struct Entry {
    const NodeOptions::ModuleUse* use = nullptr;
    Arguments arguments = {};
    std::string trouble = {};  // why an optional one is not there
    std::unique_ptr<ModuleContext> context = nullptr;
    std::unique_ptr<Module> module = nullptr;
  };

  [[nodiscard]] Status check(Entry& entry);
  [[nodiscard]] Status sort();
  [[nodiscard]] Status start(Entry& entry);
  [[nodiscard]] Status check_needs(const Entry& entry) const;
  // OK if the node goes on without; else what stops it.
  [[nodiscard]] Status without(Entry& entry, const Status& why);

  NodeCore& core_;
  Services services_;
  std::vector<std::unique_ptr<Entry>> entries_;  // in the order in which they start
  std::vector<Entry*> started_;
};

}  // namespace onward
