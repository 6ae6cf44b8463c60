// SPDX-License-Identifier: Apache-2.0
//
// What a peer may send along where memory and a bell are expected.
#pragma once

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdint>

#include "fuzz_input.h"
#include "onward/stream/file_descriptor.h"
#include "shm/shm_memory.h"

namespace onward::fuzz {

inline constexpr std::uint64_t kRingBytes = 4096;
inline constexpr std::uint64_t kPayloadBytes = std::uint64_t{64} << 10;
inline constexpr ShmSizes kSizes{.ring_bytes = kRingBytes, .payload_bytes = kPayloadBytes};

enum class Kind : std::uint8_t {
  kMemory,       // as it should be
  kBell,         // as it should be
  kSmallMemory,  // a page less
  kLargeMemory,  // more than anybody may offer
  kUnsealed,
  kOnlyGrow,    // sealed, but not against shrinking
  kReadOnly,    // sealed against all writing
  kPipe,        // its end for writing
  kBrokenPipe,  // the same, that nobody reads
  kPipeEnd,     // its end for reading
  kSocket,
  kBrokenSocket,
  kNull,
  kFile,
  kFolder,
  kFullBell,  // an eventfd that blocks, and whose count is at its end
  kCount,
};

inline FileDescriptor memory_of(std::uint64_t bytes, int seals) {
  FileDescriptor memory(::memfd_create("onward-fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  require(::ftruncate(memory.get(), static_cast<off_t>(bytes)) == 0, "memory has a size");
  require(seals == 0 || ::fcntl(memory.get(), F_ADD_SEALS, seals) == 0, "memory can be sealed");
  return memory;
}

inline FileDescriptor pipe_end(bool reads, bool broken) {
  std::array<int, 2> ends{};
  require(::pipe2(ends.data(), O_CLOEXEC) == 0, "there are pipes");
  FileDescriptor mine(ends[reads ? 0 : 1]);
  static_cast<void>(broken ? ::close(ends[reads ? 1 : 0]) : ends[reads ? 1 : 0]);
  return mine;
}

inline FileDescriptor socket_end(bool broken) {
  std::array<int, 2> ends{};
  require(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0, "there are pairs of sockets");
  if (broken) ::close(ends[1]);
  return FileDescriptor(ends[0]);
}

inline FileDescriptor make(Kind kind) {
  switch (kind) {
    case Kind::kMemory:
      return memory_of(kSizes.whole(), F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
    case Kind::kSmallMemory:
      return memory_of(kSizes.whole() - kShmPage, F_SEAL_SHRINK | F_SEAL_GROW);
    case Kind::kLargeMemory:
      return memory_of(ShmSizes::kMaxRingBytes * 2, F_SEAL_SHRINK);
    case Kind::kUnsealed:
      return memory_of(kSizes.whole(), 0);
    case Kind::kOnlyGrow:
      return memory_of(kSizes.whole(), F_SEAL_GROW);
    case Kind::kReadOnly:
      return memory_of(kSizes.whole(), F_SEAL_SHRINK | F_SEAL_WRITE);
    case Kind::kPipe:
      return pipe_end(false, false);
    case Kind::kBrokenPipe:
      return pipe_end(false, true);
    case Kind::kPipeEnd:
      return pipe_end(true, false);
    case Kind::kSocket:
      return socket_end(false);
    case Kind::kBrokenSocket:
      return socket_end(true);
    case Kind::kNull:
      return FileDescriptor(::open("/dev/null", O_RDWR | O_CLOEXEC));
    case Kind::kFile:
      return FileDescriptor(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
    case Kind::kFolder:
      return FileDescriptor(::open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    case Kind::kFullBell:
    case Kind::kBell:
    case Kind::kCount:
      break;
  }
  FileDescriptor bell(::eventfd(0, EFD_CLOEXEC));
  constexpr std::uint64_t kMost = ~std::uint64_t{0} - 1;
  if (kind == Kind::kFullBell) require(::write(bell.get(), &kMost, sizeof kMost) == sizeof kMost, "a bell fills");
  return bell;
}

// Made once; what is done with them changes none of those that are good.
inline int descriptor_of(Kind kind) {
  static const auto all = [] {
    std::array<FileDescriptor, static_cast<std::size_t>(Kind::kCount)> made;
    for (std::size_t i = 0; i < made.size(); ++i) made[i] = make(static_cast<Kind>(i));
    return made;
  }();
  return all[static_cast<std::size_t>(kind)].get();
}

inline bool can_be_memory(Kind kind, std::uint64_t whole) {
  const bool sealed = kind == Kind::kMemory || kind == Kind::kReadOnly || kind == Kind::kSmallMemory;
  if (sealed) return whole <= kSizes.whole() - (kind == Kind::kSmallMemory ? kShmPage : 0);
  return kind == Kind::kLargeMemory && whole <= ShmSizes::kMaxRingBytes * 2;
}

inline bool can_be_bell(Kind kind) { return kind == Kind::kBell || kind == Kind::kFullBell; }

}  // namespace onward::fuzz
