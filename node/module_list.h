// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "onward/module.h"

namespace onward {

// The modules that are linked into the program, by name: all folders of modules/ (made by Meson from its lists).
[[nodiscard]] std::vector<const ModuleDescriptor*> standard_modules();

}  // namespace onward
