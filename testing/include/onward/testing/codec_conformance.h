// SPDX-License-Identifier: Apache-2.0
//
// What every codec must do. A codec joins with one source file that includes this, says what is tested, and is linked
// with GoogleTest:
//
//   ONWARD_CODEC_CONFORMANCE(Flex, onward::make_flex_codec, Carries::kEverything);
//
// The function makes the codec: std::unique_ptr<onward::Codec>(). A failure prints the seed of what was generated;
// ONWARD_SEED=n in the environment runs that one again. Include it in one source of a program: it has the cases.
#pragma once

#include "onward/testing/codec_cases.h"  // IWYU pragma: export

namespace onward::testing_support {

// Of a codec either the one or the other is left out.
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(StructuredCodecConformance);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(SingleValueCodecConformance);

}  // namespace onward::testing_support

// The whole suite for one codec. At namespace scope.
#define ONWARD_CODEC_CONFORMANCE(Name, make, carries)                                                                 \
  using ::onward::testing_support::Carries;                                                                           \
  using ::onward::testing_support::CodecConformance;                                                                  \
  using ::onward::testing_support::SingleValueCodecConformance;                                                       \
  using ::onward::testing_support::StructuredCodecConformance;                                                        \
  INSTANTIATE_TEST_SUITE_P(Name, CodecConformance,                                                                    \
                           ::testing::Values(::onward::testing_support::CodecCase{&(make), carries}));                \
  INSTANTIATE_TEST_SUITE_P(Name, StructuredCodecConformance,                                                          \
                           ::testing::ValuesIn(::onward::testing_support::cases_if((carries) == Carries::kEverything, \
                                                                                   {&(make), carries})));             \
  INSTANTIATE_TEST_SUITE_P(                                                                                           \
      Name, SingleValueCodecConformance,                                                                              \
      ::testing::ValuesIn(::onward::testing_support::cases_if((carries) != Carries::kEverything, {&(make), carries})))
