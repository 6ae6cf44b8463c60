// SPDX-License-Identifier: Apache-2.0
//
// What shared memory is made of: sealed memory, rings, places for large segments.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>
#include <random>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "shm/shm_payloads.h"
#include "shm/shm_ring.h"

namespace onward {
namespace {

using testing::HasSubstr;

constexpr ShmSizes kSmall{.ring_bytes = 4096, .payload_bytes = 16 * kShmPage};

iovec span_of(std::string& text) { return {.iov_base = text.data(), .iov_len = text.size()}; }

// Two ends in one process, each with the other's memory mapped as a peer has it.
struct Ends {
  explicit Ends(const ShmSizes& sizes = kSmall) {
    for (const auto& pair : {a, b}) pair->own = *ShmMemory::create(sizes);
    a->peer = *ShmMemory::map(b->own->descriptor(), sizes);
    b->peer = *ShmMemory::map(a->own->descriptor(), sizes);
  }
  std::shared_ptr<ShmPair> a = std::make_shared<ShmPair>();
  std::shared_ptr<ShmPair> b = std::make_shared<ShmPair>();
};

TEST(ShmSizes, Bounds) {
  EXPECT_TRUE(kSmall.valid());
  EXPECT_TRUE((ShmSizes{.ring_bytes = 4096, .payload_bytes = 0}).valid());
  for (const ShmSizes& wrong : {ShmSizes{.ring_bytes = 0, .payload_bytes = 0},
                                {.ring_bytes = 2048, .payload_bytes = 0},
                                {.ring_bytes = 5000, .payload_bytes = 0},
                                {.ring_bytes = std::uint64_t{1} << 31, .payload_bytes = 0},
                                {.ring_bytes = 4096, .payload_bytes = 1},
                                {.ring_bytes = 4096, .payload_bytes = ~std::uint64_t{0} / kShmPage * kShmPage}}) {
    EXPECT_FALSE(wrong.valid()) << wrong.ring_bytes << " " << wrong.payload_bytes;
  }
}

TEST(ShmMemory, IsSealedAndThePeerSeesIt) {
  const auto own = *ShmMemory::create(kSmall);
  const int fd = own->descriptor().get();
  EXPECT_NE(::ftruncate(fd, 0), 0);
  EXPECT_NE(::ftruncate(fd, 1 << 30), 0);
  const auto seen = *ShmMemory::map(own->descriptor(), kSmall);
  own->control().produced = 7;
  own->ring()[0] = std::byte{42};
  EXPECT_EQ(seen->control().produced, 7U);
  EXPECT_EQ(seen->ring()[0], std::byte{42});
}

TEST(ShmMemory, RefusesWhatCannotBeTrusted) {
  const auto error = [](const FileDescriptor& descriptor, const ShmSizes& sizes = kSmall) {
    const auto result = ShmMemory::map(descriptor, sizes);
    return result ? Status() : result.error();
  };
  const FileDescriptor unsealed(::memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  ASSERT_EQ(::ftruncate(unsealed.get(), static_cast<off_t>(kSmall.whole())), 0);
  EXPECT_THAT(error(unsealed).message(), HasSubstr("not sealed against shrinking"));
  const FileDescriptor file(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  EXPECT_THAT(error(file).message(), HasSubstr("not sealed"));
  const auto small = *ShmMemory::create({.ring_bytes = 4096, .payload_bytes = 0});
  EXPECT_THAT(error(small->descriptor()).message(), HasSubstr("are needed"));
  EXPECT_THAT(error(small->descriptor(), {.ring_bytes = 4097, .payload_bytes = 0}).message(),
              HasSubstr("which cannot be"));
  EXPECT_EQ(error(small->descriptor()).code(), StatusCode::kInvalidArgument);
}

TEST(ShmRing, BytesComeOutAsTheyWentIn) {
  const Ends ends;
  ShmRingWriter writer(*ends.a->own, *ends.a->peer);
  ShmRingReader reader(*ends.b->own, *ends.b->peer);
  std::minstd_rand random(1);
  std::string sent;
  std::string received;
  for (int i = 0; i < 5'000; ++i) {
    std::string one(random() % 700, static_cast<char>('a' + i % 26));
    std::string two(random() % 700, static_cast<char>('A' + i % 26));
    const std::array<iovec, 2> from = {span_of(one), span_of(two)};
    ASSERT_TRUE(writer.refresh());
    const std::size_t put = writer.write(from);
    sent += (one + two).substr(0, put);
    std::string first(1 + random() % 500, '\0');
    std::string second(random() % 1'000, '\0');
    const std::array<iovec, 2> into = {span_of(first), span_of(second)};
    ASSERT_LE(reader.available(), reader.capacity());
    const std::size_t got = reader.read(into, reader.available());
    received += (first + second).substr(0, got);
  }
  std::string rest(4096, '\0');
  const iovec into = span_of(rest);
  const std::size_t got = reader.read({&into, 1}, reader.available());
  received += rest.substr(0, got);
  EXPECT_TRUE(received == sent) << received.size() << " " << sent.size();
  EXPECT_GT(sent.size(), 1'000'000U);
}

TEST(ShmRing, AFullRingTakesNoMore) {
  const Ends ends;
  ShmRingWriter writer(*ends.a->own, *ends.a->peer);
  ShmRingReader reader(*ends.b->own, *ends.b->peer);
  std::string much(5000, 'x');
  const iovec from = span_of(much);
  EXPECT_EQ(writer.write({&from, 1}), 4096U);
  EXPECT_EQ(writer.write({&from, 1}), 0U);
  EXPECT_FALSE(writer.has_room());
  std::string some(10, '\0');
  const iovec into = span_of(some);
  EXPECT_EQ(reader.read({&into, 1}, reader.available()), 10U);
  EXPECT_TRUE(writer.has_room());
  EXPECT_EQ(writer.room(), 10U);
}

TEST(ShmRing, ImpossibleCountsAreSeen) {
  const Ends ends;
  ShmRingWriter writer(*ends.a->own, *ends.a->peer);
  const ShmRingReader reader(*ends.a->own, *ends.a->peer);
  for (const std::uint64_t wrong : {std::uint64_t{1}, ~std::uint64_t{0}, std::uint64_t{1} << 63}) {
    ends.b->own->control().consumed = wrong;
    EXPECT_FALSE(writer.refresh()) << wrong;
    EXPECT_EQ(writer.room(), kSmall.ring_bytes);  // as before
  }
  ends.b->own->control().produced = 4097;
  EXPECT_GT(reader.available(), reader.capacity());
}

TEST(PageRanges, LowestFirstAndJoinedAgain) {
  PageRanges ranges(10 * kShmPage);
  EXPECT_EQ(ranges.take(4 * kShmPage), 0U);
  EXPECT_EQ(ranges.take(4 * kShmPage), 4 * kShmPage);
  EXPECT_EQ(ranges.take(4 * kShmPage), std::nullopt);
  EXPECT_EQ(ranges.take(2 * kShmPage), 8 * kShmPage);
  ranges.give_back(4 * kShmPage, 4 * kShmPage);
  ranges.give_back(0, 4 * kShmPage);
  EXPECT_EQ(ranges.take(8 * kShmPage), 0U);
  ranges.give_back(8 * kShmPage, 2 * kShmPage);
  ranges.give_back(0, 8 * kShmPage);
  EXPECT_EQ(ranges.take(10 * kShmPage), 0U);
  EXPECT_EQ(PageRanges(0).take(kShmPage), std::nullopt);
}

class ShmPayloadsTest : public testing::Test {
 protected:
  // `bytes` from a to b; b's Buffer of them.
  Buffer send(std::size_t bytes, char what) {
    const auto room = sender.allocate(bytes);
    if (!room) return {};
    std::memset(room->memory, what, bytes);
    return *receiver.open(room->place, bytes);
  }
  Ends ends;
  std::shared_ptr<ShmCopier> copier = std::make_shared<ShmCopier>();
  ShmPayloads sender{ends.a, copier};
  ShmPayloads receiver{ends.b, copier};
};

TEST_F(ShmPayloadsTest, SegmentsAreReadWhereTheyLieAndTheirRoomIsUsedAgain) {
  for (int i = 0; i < 1'000; ++i) {
    const Buffer buffer = send(2 * kShmPage + 1, 'x');
    ASSERT_EQ(buffer.size(), 2 * kShmPage + 1);
    ASSERT_EQ(buffer.data(), ends.b->peer->payloads());
    ASSERT_EQ(buffer.text(), std::string(2 * kShmPage + 1, 'x'));
  }
}

TEST_F(ShmPayloadsTest, WhoHasASegmentToHimselfMayWriteToIt) {
  Buffer buffer = send(kShmPage, 'x');
  ASSERT_TRUE(buffer.unique());
  ASSERT_EQ(buffer.data(), ends.b->peer->payloads());
  buffer.mutable_data()[0] = std::byte{'y'};
  EXPECT_EQ(buffer.text().substr(0, 2), "yx");
  // The ring, and the control page, stay what only their owner writes.
  std::ifstream maps("/proc/self/maps");
  std::ostringstream begin;
  begin << std::hex << reinterpret_cast<std::uintptr_t>(&ends.b->peer->control()) << '-';
  std::string line;
  while (std::getline(maps, line) && !line.starts_with(begin.str())) {
  }
  EXPECT_TRUE(line.contains(" r--s ")) << line;
}

TEST_F(ShmPayloadsTest, WhatIsKeptStaysAndPinsItsOwnRoomOnly) {
  const Buffer kept = send(kShmPage, 'k');
  for (int i = 0; i < 100; ++i) ASSERT_EQ(send(4 * kShmPage, 'x').text().front(), 'x');
  EXPECT_EQ(kept.text(), std::string(kShmPage, 'k'));
}

// Half of the sender's memory may be kept; what comes then is copied, and the sender has its room at once.
TEST_F(ShmPayloadsTest, AReceiverThatKeepsEverythingCostsTheSenderNothing) {
  std::vector<Buffer> kept;
  for (int i = 0; i < 100; ++i) {
    kept.push_back(send(4 * kShmPage, static_cast<char>(i)));
    ASSERT_EQ(kept.back().size(), 4 * kShmPage) << i;
  }
  const auto lies_there = [&](const Buffer& buffer) {
    return buffer.data() >= ends.b->peer->payloads() && buffer.data() < ends.b->peer->payloads() + kSmall.payload_bytes;
  };
  EXPECT_EQ(std::ranges::count_if(kept, lies_there), 2);
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(kept[static_cast<std::size_t>(i)].text(), std::string(4 * kShmPage, static_cast<char>(i)));
  }
}

TEST_F(ShmPayloadsTest, WithoutRoomThereIsNone) {
  EXPECT_FALSE(sender.allocate(kSmall.payload_bytes + 1));
  EXPECT_TRUE(sender.allocate(kSmall.payload_bytes));
  EXPECT_FALSE(sender.allocate(1));
}

TEST_F(ShmPayloadsTest, NoMoreThanTheSlotsThatThereAre) {
  const Ends large({.ring_bytes = 4096, .payload_bytes = 2 * kMaxPayloads * kShmPage});
  ShmPayloads from(large.a, copier);
  for (std::size_t i = 0; i < kMaxPayloads; ++i) ASSERT_TRUE(from.allocate(1)) << i;
  EXPECT_FALSE(from.allocate(1));
}

TEST_F(ShmPayloadsTest, PlacesThatCannotBeAreRefused) {
  using Place = PayloadArea::Place;
  const std::uint64_t area = kSmall.payload_bytes;
  for (const auto& [place, bytes] : {std::pair{Place{.slot = kMaxPayloads}, std::uint64_t{1}},
                                     {Place{.slot = ~0U}, 1},
                                     {Place{.offset = area}, 1},
                                     {Place{.offset = area - 1}, 2},
                                     {Place{.offset = ~std::uint64_t{0}}, 2},
                                     {Place{}, area + 1},
                                     {Place{.offset = 1}, ~std::uint64_t{0}}}) {
    const auto opened = receiver.open(place, bytes);
    ASSERT_FALSE(opened) << place.offset << " " << bytes;
    EXPECT_EQ(opened.error().code(), StatusCode::kInvalidArgument);
    EXPECT_THAT(opened.error().message(), HasSubstr("not in its 65536 bytes"));
  }
  EXPECT_TRUE(receiver.open(Place{.offset = area - 1}, 1));
}

// Buffers live on when the connection is gone, and may go on any thread.
TEST_F(ShmPayloadsTest, BuffersOutliveTheConnection) {
  auto own = std::make_unique<Ends>();
  auto from = std::make_unique<ShmPayloads>(own->a, copier);
  auto to = std::make_unique<ShmPayloads>(own->b, copier);
  const auto room = from->allocate(100);
  std::memset(room->memory, 'x', 100);
  Buffer buffer = *to->open(room->place, 100);
  from.reset();
  to.reset();
  own.reset();
  EXPECT_EQ(buffer.text(), std::string(100, 'x'));
  std::thread([last = std::move(buffer)] { EXPECT_EQ(last.size(), 100U); }).join();
}

// A peer that gives back what it never had, or twice, gives back nothing more.
TEST_F(ShmPayloadsTest, FalseReleasesGiveNothing) {
  for (auto& released : ends.b->own->control().released) released = 12345;
  const auto first = sender.allocate(kShmPage);
  const auto second = sender.allocate(kShmPage);
  ASSERT_TRUE(first && second);
  EXPECT_NE(first->memory, second->memory);
}

TEST_F(ShmPayloadsTest, UnusedMemoryGoesBackToTheSystem) {
  EXPECT_FALSE(sender.trim());
  Buffer buffer = send(kShmPage, 'x');
  EXPECT_FALSE(sender.trim());  // it is in use
  buffer = {};
  EXPECT_TRUE(sender.trim());
  EXPECT_EQ(ends.b->peer->payloads()[0], std::byte{0});
  EXPECT_FALSE(sender.used());
}

}  // namespace
}  // namespace onward
