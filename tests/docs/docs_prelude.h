// SPDX-License-Identifier: Apache-2.0
//
// What the `wrap` and `declare` blocks of the pages take for granted.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "onward/init_rpc.h"

using namespace onward;                // NOLINT(google-build-using-namespace): the pages are read, not included
using namespace std::chrono_literals;  // NOLINT(google-build-using-namespace)
