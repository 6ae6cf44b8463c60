// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace onward::bench {

// How often this process has called operator new so far, on any thread.
[[nodiscard]] std::uint64_t allocations() noexcept;

}  // namespace onward::bench
