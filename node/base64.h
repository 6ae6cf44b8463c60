// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace onward {

// RFC 4648, with padding.
[[nodiscard]] std::string to_base64(std::span<const std::byte> bytes);
// Nothing for what is not base64; padding may be missing.
[[nodiscard]] std::optional<std::vector<std::byte>> from_base64(std::string_view text);

}  // namespace onward
