// SPDX-License-Identifier: Apache-2.0
//
// Finding what is registered; any thread. What is found stays for ever.
#pragma once

#include "onward/exception_registry.h"

namespace onward {

// By Status::type(); null if there is none.
[[nodiscard]] const ExceptionType* find_exception(std::string_view name);
// By the type that was thrown, else the nearest of its bases, up to the first class with several.
[[nodiscard]] const ExceptionType* find_exception(const std::type_info& type);

}  // namespace onward
