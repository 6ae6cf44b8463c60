// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace onward {

// True in builds where every allocation must be seen by a sanitizer: pools then keep nothing, and tests do less of the
// same.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif
#else
inline constexpr bool kSanitized = false;
#endif

}  // namespace onward
