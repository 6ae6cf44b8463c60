// SPDX-License-Identifier: Apache-2.0
#include "shm/shm_copier.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <vector>

namespace onward {
namespace {

constexpr std::size_t kPart = ShmCopier::kPartBytes;
constexpr std::size_t kMin = ShmCopier::kMinBytes;

// Each eight bytes differ from all others.
std::vector<std::byte> numbered(std::size_t bytes, std::uint64_t first) {
  std::vector<std::byte> made(bytes);
  for (std::size_t at = 0; at + sizeof first <= bytes; at += sizeof first, ++first) {
    std::memcpy(made.data() + at, &first, sizeof first);
  }
  return made;
}

// That `bytes` are copied, and none beside them.
void expect_copied(ShmCopier& copier, std::size_t bytes, std::uint64_t first) {
  const std::vector<std::byte> from = numbered(bytes, first);
  constexpr std::size_t kMargin = 64;
  std::vector<std::byte> to(bytes + 2 * kMargin, std::byte{0xEE});
  copier.copy(to.data() + kMargin, from.data(), bytes);
  ASSERT_TRUE(std::equal(from.begin(), from.end(), to.begin() + kMargin)) << bytes;
  for (std::size_t i = 0; i < kMargin; ++i) {
    ASSERT_EQ(to[i], std::byte{0xEE}) << bytes;
    ASSERT_EQ(to[kMargin + bytes + i], std::byte{0xEE}) << bytes;
  }
}

class ShmCopierTest : public testing::TestWithParam<bool> {
 protected:
  ShmCopier copier{GetParam()};
};
INSTANTIATE_TEST_SUITE_P(Helper, ShmCopierTest, testing::Bool(),
                         [](const auto& with) { return with.param ? "Two" : "One"; });

TEST_P(ShmCopierTest, CopiesBlocksOfAnySize) {
  for (const std::size_t bytes : {std::size_t{0}, std::size_t{1}, kPart, kMin - 1, kMin, kMin + 1, kMin + kPart - 1,
                                  kMin + kPart, 5 * kMin + 7}) {
    expect_copied(copier, bytes, bytes);
  }
}

TEST_P(ShmCopierTest, BlocksThatFollowEachOtherAreNotMixed) {
  for (std::uint64_t i = 0; i < 300; ++i) expect_copied(copier, kMin + i % 5 * kPart / 2, i << 32);
}

TEST_P(ShmCopierTest, EndsWhileItHasNothingToDoOrHasJustHadIt) {
  const std::vector<std::byte> from = numbered(2 * kMin, 1);
  std::vector<std::byte> to(from.size());
  for (int i = 0; i < 50; ++i) {
    ShmCopier short_lived(GetParam());
    if (i % 2 == 0) short_lived.copy(to.data(), from.data(), from.size());
  }
  EXPECT_EQ(to, from);
}

// Until it does: other programs may want the other core.
TEST(ShmCopierHelperTest, TakesPartOfTheWork) {
  ShmCopier copier(true);
  const std::vector<std::byte> from = numbered(8 * kMin, 1);
  std::vector<std::byte> to(from.size());
  for (int i = 0; i < 10'000 && copier.helped() == 0; ++i) copier.copy(to.data(), from.data(), from.size());
  EXPECT_GT(copier.helped(), 0U);
}

TEST(ShmCopierHelperTest, ThereIsNoneForWhatIsSmall) {
  ShmCopier copier(true);
  for (std::uint64_t i = 0; i < 1'000; ++i) expect_copied(copier, kMin / 8, i);
  EXPECT_EQ(copier.helped(), 0U);
}

}  // namespace
}  // namespace onward
