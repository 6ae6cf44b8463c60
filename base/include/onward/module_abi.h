// SPDX-License-Identifier: Apache-2.0
//
// What a module and the program that it runs in must agree about, and how one finds out.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string_view>

#include "onward/export.h"
#include "onward/status.h"
#include "onward/version.h"

namespace onward {

// Grows with every change of what a module compiles against.
inline constexpr std::uint32_t kModuleAbiVersion = 3;

// What this is the address of is there once in a program: see ModuleAbi.
ONWARD_API extern const char module_runtime;  // NOLINT(readability-identifier-naming): as its descriptors

// The first member of every descriptor, of any version: what must agree before the rest is looked at.
struct ModuleAbi {
  std::uint32_t version = 0;      // kModuleAbiVersion of the headers
  const char* onward = "";        // the release that they are from
  const char* toolchain = "";     // how the compiler was set
  const char* name = "";          // the module's
  const void* runtime = nullptr;  // &module_runtime, as the module sees it
};

// Up to eight names, in braces.
struct ModuleNames {
  static constexpr std::size_t kMax = 8;
  std::array<std::string_view, kMax> names{};
  std::size_t count = 0;

  constexpr ModuleNames() = default;
  constexpr ModuleNames(std::initializer_list<std::string_view> list) {
    for (const std::string_view name : list) names.at(count++) = name;  // does not compile beyond kMax
  }
  [[nodiscard]] constexpr const std::string_view* begin() const { return names.data(); }
  [[nodiscard]] constexpr const std::string_view* end() const { return names.data() + count; }
  [[nodiscard]] constexpr bool contains(std::string_view name) const {
    return std::find(begin(), end(), name) != end();
  }
};

// OK if this program can use what was compiled as `abi` says; else FAILED_PRECONDITION with both sides. Any thread.
[[nodiscard]] ONWARD_API Status check_module_abi(const ModuleAbi& abi);

}  // namespace onward

// Of the standard library that a module is compiled with.
#if defined(_LIBCPP_VERSION)
#define ONWARD_STANDARD_LIBRARY "libc++"
#elif defined(_GLIBCXX_DEBUG)
#define ONWARD_STANDARD_LIBRARY "libstdc++ with _GLIBCXX_DEBUG"
#elif defined(_GLIBCXX_USE_CXX11_ABI) && _GLIBCXX_USE_CXX11_ABI
#define ONWARD_STANDARD_LIBRARY "libstdc++ with C++11 strings"
#else
#define ONWARD_STANDARD_LIBRARY "libstdc++ with old strings"
#endif
#if defined(__x86_64__)
#define ONWARD_TOOLCHAIN "x86_64, " ONWARD_STANDARD_LIBRARY
#elif defined(__aarch64__)
#define ONWARD_TOOLCHAIN "aarch64, " ONWARD_STANDARD_LIBRARY
#else
#define ONWARD_TOOLCHAIN "another machine, " ONWARD_STANDARD_LIBRARY
#endif
