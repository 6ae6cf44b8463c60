// SPDX-License-Identifier: Apache-2.0
//
// What a node tells about itself: the function "onward.describe", which every node has unless
// NodeOptions::reflection is off.
//
// It takes a function's name, or "" or nothing for all, and gives a map (docs/REFLECTION.md): node, version,
// module_abi, functions, nearest, modules, transports, listening, codecs, limits. Only functions that the caller may
// call are in it, sorted by name; nearest has names like the one that was asked for, where that is not there. In any
// codec that carries maps.
#pragma once

#include <string>
#include <vector>

#include "onward/function.h"

namespace onward {

class NodeCore;

class Reflection final : public Function {
 public:
  explicit Reflection(NodeCore& core);
  void invoke(IncomingCall& call) const noexcept override;

 private:
  void write(Encoder& out, const std::vector<const Function*>& shown, const std::vector<std::string>& near) const;
  NodeCore& core_;
};

}  // namespace onward
