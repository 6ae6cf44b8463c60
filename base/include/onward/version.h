// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace onward {

// The release that a program or a module is compiled with: semantic versioning, as CHANGELOG.md has it.
inline constexpr const char* kRelease = "0.1.0";

}  // namespace onward
