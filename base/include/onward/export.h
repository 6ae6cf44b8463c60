// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a program or a module may link with: a class with members that are defined in the library, one whose type
// must be the same on both sides (thrown, derived from), a function. Everything else is compiled hidden, and is
// nobody's business outside. `./dev symbols` lists what there is.
#define ONWARD_API [[gnu::visibility("default")]]

#if __cplusplus < 202100L
#error "Onward needs C++23: compile with -std=c++23"
#endif
