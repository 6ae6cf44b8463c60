// SPDX-License-Identifier: Apache-2.0
#include "onward/object_pool.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <unordered_set>
#include <vector>

namespace onward {
namespace {

struct Piece {
  void* memory;
  std::size_t bytes;
  unsigned char mark;
};

Piece take(std::size_t bytes, unsigned char mark) {
  Piece piece{pool_allocate(bytes), bytes, mark};
  std::memset(piece.memory, mark, bytes);
  return piece;
}

bool intact(const Piece& piece) {
  const auto* at = static_cast<const unsigned char*>(piece.memory);
  for (std::size_t i = 0; i < piece.bytes; ++i) {
    if (at[i] != piece.mark) return false;
  }
  return true;
}

void give_back(const Piece& piece) {
  ASSERT_TRUE(intact(piece)) << piece.bytes << " bytes were handed out twice";
  pool_free(piece.memory, piece.bytes);
}

TEST(ObjectPool, IsAlignedAtEverySize) {
  for (std::size_t bytes = 0; bytes <= kMaxPooledBytes + 40; ++bytes) {
    void* memory = pool_allocate(bytes);
    ASSERT_EQ(reinterpret_cast<std::uintptr_t>(memory) % (bytes > 0 && bytes % 16 == 0 ? 16 : 8), 0U) << bytes;
    std::memset(memory, 0xEE, bytes);
    pool_free(memory, bytes);
  }
}

TEST(ObjectPool, LiveObjectsAreDistinct) {
  std::vector<Piece> pieces;
  std::unordered_set<void*> seen;
  for (std::size_t i = 0; i < 5000; ++i) {
    pieces.push_back(take(1 + i % 100, static_cast<unsigned char>(i)));
    ASSERT_TRUE(seen.insert(pieces.back().memory).second);
  }
  for (const Piece& piece : pieces) give_back(piece);
}

TEST(ObjectPool, NeverHandsOutLiveMemory) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::minstd_rand random(seed);
  std::vector<Piece> pieces;
  for (int round = 0; round < 100'000; ++round) {
    if (pieces.empty() || random() % 100 < 51) {
      pieces.push_back(take(random() % 1200, static_cast<unsigned char>(random())));
    } else {
      std::swap(pieces[random() % pieces.size()], pieces.back());
      give_back(pieces.back());
      pieces.pop_back();
    }
  }
  for (const Piece& piece : pieces) give_back(piece);
}

TEST(ObjectPool, ObjectsMayBeFreedByAnotherThread) {
  for (int round = 0; round < 30; ++round) {
    std::vector<Piece> pieces;
    for (std::size_t i = 0; i < 2000; ++i)
      pieces.push_back(take(48 + i % 7 * 32, static_cast<unsigned char>(round + 1)));
    std::thread([pieces] {
      for (const Piece& piece : pieces) give_back(piece);
    }).join();
  }
}

TEST(ObjectPool, ThreadsAllocateAndFreeAtOnce) {
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 4; ++t) {
    threads.emplace_back([t] {
      std::vector<Piece> pieces;
      for (std::size_t i = 0; i < 20'000; ++i) {
        pieces.push_back(take(i % 200, static_cast<unsigned char>(t + 1)));
        if (pieces.size() < 600) continue;
        for (const Piece& piece : pieces) give_back(piece);
        pieces.clear();
      }
      for (const Piece& piece : pieces) give_back(piece);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

// Destroyed after this thread's pool cache, or before: both must work.
struct FreesAtThreadExit {
  std::vector<Piece> pieces;
  ~FreesAtThreadExit() {
    pieces.push_back(take(64, 9));
    for (const Piece& piece : pieces) give_back(piece);
  }
};

TEST(ObjectPool, WorksWhileAThreadEnds) {
  for (const bool pool_first : {true, false}) {
    std::thread([pool_first] {
      if (pool_first) pool_free(pool_allocate(64), 64);
      thread_local FreesAtThreadExit late;
      for (int i = 0; i < 500; ++i) late.pieces.push_back(take(64, 8));
    }).join();
  }
}

struct Counted {
  static inline int alive = 0;
  std::string text;
  explicit Counted(std::string t) : text(std::move(t)) { ++alive; }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;
  ~Counted() { --alive; }
};
struct Throws {
  Throws() { throw std::runtime_error("no"); }
};

TEST(ObjectPool, MakesAndDestroysObjects) {
  Counted* object = pool_new<Counted>("hello");
  EXPECT_EQ(object->text, "hello");
  EXPECT_EQ(Counted::alive, 1);
  pool_delete(object);
  EXPECT_EQ(Counted::alive, 0);
}

TEST(ObjectPool, AConstructorThatThrowsLeaksNothing) {
  for (int i = 0; i < 1000; ++i) EXPECT_THROW(static_cast<void>(pool_new<Throws>()), std::runtime_error);
}

}  // namespace
}  // namespace onward
