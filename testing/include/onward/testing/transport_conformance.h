// SPDX-License-Identifier: Apache-2.0
//
// What every transport must do, whichever it is. A transport joins with one source file that includes this, says what
// is tested, and is linked with GoogleTest:
//
//   ONWARD_TRANSPORT_CONFORMANCE(Tcp, tcp_under_test());   // a TransportUnderTest
//
// Every callback is checked on its way: none comes from inside a call, on_closed comes once and last. Include it in one
// source of a program: it has the cases.
#pragma once

#include "onward/testing/transport_bytes_cases.h"     // IWYU pragma: export
#include "onward/testing/transport_closing_cases.h"   // IWYU pragma: export
#include "onward/testing/transport_exchange_cases.h"  // IWYU pragma: export
#include "onward/testing/transport_flow_cases.h"      // IWYU pragma: export

namespace onward::testing_support {

// Transports that are no streams of bytes leave these cases out.
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(TransportBytes);

}  // namespace onward::testing_support

// The whole suite for one transport. At namespace scope.
#define ONWARD_TRANSPORT_CONFORMANCE(Name, ...)                                                             \
  using ::onward::testing_support::TransportBytes;                                                          \
  using ::onward::testing_support::TransportConformance;                                                    \
  INSTANTIATE_TEST_SUITE_P(Name, TransportConformance, ::testing::Values(__VA_ARGS__),                      \
                           ::onward::testing_support::name_of);                                             \
  INSTANTIATE_TEST_SUITE_P(Name, TransportBytes,                                                            \
                           ::testing::ValuesIn(::onward::testing_support::if_stream_of_bytes(__VA_ARGS__)), \
                           ::onward::testing_support::name_of)
