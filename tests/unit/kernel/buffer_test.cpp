// SPDX-License-Identifier: Apache-2.0
#include "onward/buffer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <limits>
#include <new>
#include <numeric>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace onward {
namespace {

std::vector<std::byte> pattern(std::size_t bytes) {
  std::vector<std::byte> result(bytes);
  for (std::size_t i = 0; i < bytes; ++i) result[i] = static_cast<std::byte>(i * 7 + (i >> 8));
  return result;
}

void fill(Buffer& buffer) {
  const auto bytes = pattern(buffer.size());
  if (!bytes.empty()) std::memcpy(buffer.mutable_data(), bytes.data(), bytes.size());
}

bool holds_pattern(const Buffer& buffer) { return std::ranges::equal(buffer.bytes(), pattern(buffer.size())); }

TEST(BufferTest, IsEmptyByDefault) {
  const Buffer buffer;
  EXPECT_TRUE(buffer.empty());
  EXPECT_EQ(buffer.data(), nullptr);
  EXPECT_EQ(buffer.capacity(), 0U);
  EXPECT_EQ(buffer.header_room(), 0U);
  EXPECT_FALSE(buffer.unique());
  EXPECT_TRUE(Buffer(buffer).empty());
}

TEST(BufferTest, HasRoomAlignmentAndCapacityAtEverySize) {
  std::vector<std::size_t> sizes(2100);
  std::iota(sizes.begin(), sizes.end(), 0U);
  for (std::size_t power = 4096; power <= (std::size_t{1} << 22); power *= 2) {
    for (const std::size_t around : {power - 81, power - 1, power, power + 1, power + power / 8})
      sizes.push_back(around);
  }
  for (const std::size_t bytes : sizes) {
    Buffer buffer = Buffer::allocate(bytes);
    ASSERT_EQ(buffer.size(), bytes);
    ASSERT_GE(buffer.capacity(), bytes);
    ASSERT_GE(buffer.header_room(), Buffer::kHeaderRoom);
    ASSERT_EQ(reinterpret_cast<std::uintptr_t>(buffer.data()) % 16, 0U) << bytes;
    ASSERT_TRUE(buffer.unique());
    // All of it is ours: a sanitizer would object.
    buffer.resize(buffer.capacity());
    std::memset(buffer.mutable_data(), 0x5A, buffer.size());
    std::memset(buffer.prepend(Buffer::kHeaderRoom), 0xA5, Buffer::kHeaderRoom);
  }
}

TEST(BufferTest, WhatCannotBeAllocatedThrows) {
  constexpr std::size_t kMax = std::numeric_limits<std::size_t>::max();
  for (const std::size_t bytes : {kMax, kMax - 100, kMax - 1000, kMax - kMax / 8, kMax / 2 + 1}) {
    EXPECT_THROW(static_cast<void>(Buffer::allocate(bytes)), std::bad_alloc) << bytes;
  }
}

TEST(BufferTest, CopiesShareTheBlock) {
  Buffer first = Buffer::copy_of("hello");
  {
    const Buffer second = first;
    EXPECT_EQ(second.data(), first.data());
    EXPECT_FALSE(first.unique());
    EXPECT_EQ(first.header_room(), 0U);
  }
  EXPECT_TRUE(first.unique());
  EXPECT_EQ(first.text(), "hello");
}

TEST(BufferTest, MovingLeavesNothing) {
  Buffer from = Buffer::copy_of("hello");
  const Buffer to = std::move(from);
  EXPECT_TRUE(from.empty());  // NOLINT(bugprone-use-after-move): that is what is tested
  EXPECT_TRUE(to.unique());
  EXPECT_EQ(to.text(), "hello");
}

TEST(BufferTest, AssignmentToItselfKeepsIt) {
  Buffer buffer = Buffer::copy_of("hello");
  const Buffer& alias = buffer;
  buffer = alias;
  EXPECT_EQ(buffer.text(), "hello");
  EXPECT_TRUE(buffer.unique());
}

TEST(BufferTest, ResizesWithinItsCapacity) {
  Buffer buffer = Buffer::copy_of("hello, world");
  buffer.resize(5);
  EXPECT_EQ(buffer.text(), "hello");
  buffer.resize(12);
  EXPECT_EQ(buffer.text(), "hello, world");
  buffer.resize(std::size_t{1} << 40);
  EXPECT_EQ(buffer.size(), buffer.capacity());
}

TEST(BufferTest, PrependsIntoTheHeaderRoom) {
  Buffer buffer = Buffer::copy_of("body");
  const std::size_t room = buffer.header_room();
  std::memcpy(buffer.prepend(5), "head ", 5);
  EXPECT_EQ(buffer.text(), "head body");
  EXPECT_EQ(buffer.header_room(), room - 5);
  // A slice behind the front has the front as its room.
  Buffer tail = buffer.slice(7, 2);
  buffer = {};
  EXPECT_EQ(tail.header_room(), room + 2);
  std::memcpy(tail.prepend(2), "xy", 2);
  EXPECT_EQ(tail.text(), "xydy");
}

TEST(BufferTest, SlicesShareAndOutliveTheWhole) {
  Buffer whole = Buffer::allocate(10'000);
  fill(whole);
  const Buffer middle = whole.slice(4096, 100);
  const Buffer same = whole.slice(whole.bytes().subspan(4096, 100));
  const Buffer none = whole.slice(10'000, 0);
  EXPECT_EQ(middle.data(), same.data());
  EXPECT_TRUE(none.empty());
  whole = {};
  const auto expected = pattern(10'000);
  EXPECT_TRUE(std::ranges::equal(middle.bytes(), std::span(expected).subspan(4096, 100)));
}

TEST(BufferTest, WrapReleasesOnceWithTheLastSlice) {
  std::string memory = "somebody else's";
  int released = 0;
  {
    Buffer slice;
    {
      Buffer whole = Buffer::wrap(std::as_bytes(std::span(memory)), [&] { ++released; });
      EXPECT_EQ(reinterpret_cast<const char*>(whole.data()), memory.data());
      EXPECT_FALSE(whole.unique());
      EXPECT_EQ(whole.header_room(), 0U);
      EXPECT_EQ(whole.capacity(), memory.size());
      slice = whole.slice(0, 8);
    }
    EXPECT_EQ(released, 0);
    EXPECT_EQ(slice.text(), "somebody");
  }
  EXPECT_EQ(released, 1);
}

TEST(BufferTest, WrapNeedsNoReleaseAndMayBeEmpty) {
  const Buffer constant = Buffer::wrap(std::as_bytes(std::span("abc", 3)), {});
  EXPECT_EQ(constant.text(), "abc");
  int released = 0;
  {
    const Buffer empty = Buffer::wrap({}, [&] { ++released; });
  }
  EXPECT_EQ(released, 1);
}

TEST(BufferTest, WrapIsReadAndWrapWritableIsTheSoleOwnersToWrite) {
  std::array<char, 3> memory{'a', 'b', 'c'};
  EXPECT_FALSE(Buffer::wrap(std::as_bytes(std::span(memory)), {}).unique());
  int released = 0;
  {
    Buffer whole = Buffer::wrap_writable(std::as_writable_bytes(std::span(memory)), [&] { ++released; });
    EXPECT_TRUE(whole.unique());
    EXPECT_EQ(whole.header_room(), 0U);
    EXPECT_EQ(whole.capacity(), 3U);
    {
      const Buffer part = whole.slice(1, 1);
      EXPECT_FALSE(whole.unique());
    }
    ASSERT_TRUE(whole.unique());
    whole.mutable_data()[0] = std::byte{'x'};
    EXPECT_EQ(released, 0);
  }
  EXPECT_EQ(released, 1);
  EXPECT_EQ(memory[0], 'x');
}

TEST(BufferTest, LargeMemoryIsCountedKeptAndBounded) {
  const BufferPoolStatistics before = buffer_pool_statistics();
  constexpr std::size_t kBytes = std::size_t{1} << 20;
  {
    const Buffer large = Buffer::allocate(kBytes);
    EXPECT_GE(buffer_pool_statistics().in_use_bytes, before.in_use_bytes + kBytes);
    EXPECT_LE(buffer_pool_statistics().in_use_bytes, before.in_use_bytes + kBytes + kBytes / 4);
  }
  EXPECT_EQ(buffer_pool_statistics().in_use_bytes, before.in_use_bytes);
  {
    std::vector<Buffer> many;
    for (std::size_t held = 0; held < 2 * kMaxIdleBytes; held += 64 * kBytes)
      many.push_back(Buffer::allocate(64 * kBytes));
  }
  EXPECT_EQ(buffer_pool_statistics().in_use_bytes, before.in_use_bytes);
  EXPECT_LE(buffer_pool_statistics().idle_bytes, kMaxIdleBytes);
}

TEST(BufferTest, BlocksAreNeverHandedOutTwice) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::minstd_rand random(seed);
  std::vector<Buffer> held;
  for (int round = 0; round < 20'000; ++round) {
    if (held.size() < 100 || random() % 2 == 0) {
      const std::size_t limit = std::size_t{1} << (random() % 14);
      held.push_back(Buffer::allocate(random() % limit));
      fill(held.back());
    } else {
      const std::size_t victim = random() % held.size();
      ASSERT_TRUE(holds_pattern(held[victim]));
      std::swap(held[victim], held.back());
      held.pop_back();
    }
  }
  for (const Buffer& buffer : held) ASSERT_TRUE(holds_pattern(buffer));
}

TEST(BufferTest, SlicesAreDroppedByManyThreads) {
  for (int round = 0; round < 200; ++round) {
    std::atomic<int> released = 0;
    std::string memory(64, 'x');
    {
      const Buffer whole = Buffer::wrap(std::as_bytes(std::span(memory)), [&] { ++released; });
      std::vector<std::thread> threads;
      for (int i = 0; i < 4; ++i) {
        threads.emplace_back([slice = whole.slice(static_cast<std::size_t>(i), 8)]() mutable {
          const Buffer copy = slice;
          slice = {};
          EXPECT_EQ(copy.text(), "xxxxxxxx");
        });
      }
      for (std::thread& thread : threads) thread.join();
    }
    ASSERT_EQ(released, 1);
  }
}

TEST(BufferTest, MemoryTravelsBetweenThreads) {
  // Allocated here, freed there, again and again: neither side may starve or mix blocks up.
  for (int round = 0; round < 20; ++round) {
    std::vector<Buffer> held;
    for (std::size_t i = 0; i < 500; ++i) {
      held.push_back(Buffer::allocate(i * 5));
      fill(held.back());
    }
    std::thread([moved = std::move(held)] {
      for (const Buffer& buffer : moved) EXPECT_TRUE(holds_pattern(buffer));
    }).join();
  }
}

TEST(BufferWriterTest, GrowsAndKeepsWhatWasWritten) {
  BufferWriter writer(8);
  std::string expected;
  for (int i = 0; i < 5000; ++i) {
    const std::string piece = std::to_string(i) + ",";
    writer.append(std::as_bytes(std::span(piece)));
    expected += piece;
  }
  EXPECT_EQ(writer.size(), expected.size());
  const Buffer taken = writer.take();
  EXPECT_EQ(taken.text(), expected);
  EXPECT_GE(taken.header_room(), Buffer::kHeaderRoom);
  EXPECT_EQ(writer.size(), 0U);
}

TEST(BufferWriterTest, IsReusableAfterTake) {
  BufferWriter writer;
  EXPECT_TRUE(writer.take().empty());
  writer.append(std::as_bytes(std::span("one", 3)));
  const Buffer one = writer.take();
  writer.append(std::as_bytes(std::span("two", 3)));
  EXPECT_EQ(writer.take().text(), "two");
  EXPECT_EQ(one.text(), "one");
}

TEST(BufferWriterTest, GrowGivesRoomAndTruncateTakesItBack) {
  BufferWriter writer(4);
  std::memcpy(writer.grow(6), "abcdef", 6);
  writer.truncate(2);
  std::memcpy(writer.grow(1), "x", 1);
  EXPECT_EQ(writer.take().text(), "abx");
}

}  // namespace
}  // namespace onward
