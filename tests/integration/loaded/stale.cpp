// SPDX-License-Identifier: Apache-2.0
//
// A module as one of a later Onward would look to this one.
#include "onward/module.h"

namespace {

struct LaterDescriptor {
  onward::ModuleAbi abi;
  int other_members[7];
};

}  // namespace

extern "C" [[gnu::visibility("default")]] const LaterDescriptor onward_module_stale;
const LaterDescriptor onward_module_stale = {
    {onward::kModuleAbiVersion + 1, "7.0.0", ONWARD_TOOLCHAIN, "stale", &onward::module_runtime}, {}};
