// SPDX-License-Identifier: Apache-2.0
#include "shm/shm_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <bit>
#include <cerrno>
#include <string>
#include <utility>

#include "onward/stream/socket_stream.h"

namespace onward {
namespace {

std::unexpected<Status> no_memory(const char* what) {
  return fail(StatusCode::kUnavailable, "no shared memory: " + std::string(what) + ": " + error_text(errno));
}

std::byte* map_bytes(int descriptor, std::uint64_t bytes, int protection) noexcept {
  void* at = ::mmap(nullptr, bytes, protection, MAP_SHARED, descriptor, 0);
  return at == MAP_FAILED ? nullptr : static_cast<std::byte*>(at);
}

}  // namespace

bool ShmSizes::valid() const noexcept {
  return std::has_single_bit(ring_bytes) && ring_bytes >= kMinRingBytes && ring_bytes <= kMaxRingBytes &&
         payload_bytes % kShmPage == 0 && payload_bytes <= kMaxPayloadBytes;
}

std::uint64_t ShmSizes::whole() const noexcept { return kRingOffset + ring_bytes + payload_bytes; }

Result<std::unique_ptr<ShmMemory>> ShmMemory::create(const ShmSizes& sizes) {
  FileDescriptor descriptor(::memfd_create("onward-shm", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!descriptor.is_open()) return no_memory("memfd_create");
  if (::ftruncate(descriptor.get(), static_cast<off_t>(sizes.whole())) != 0) return no_memory("ftruncate");
  std::byte* base = map_bytes(descriptor.get(), sizes.whole(), PROT_READ | PROT_WRITE);
  if (base == nullptr) return no_memory("mmap");
  std::unique_ptr<ShmMemory> memory(new ShmMemory(sizes, base, std::move(descriptor)));
  const int fd = memory->descriptor().get();
  // F_SEAL_FUTURE_WRITE would keep a hostile peer from writing what only it reads, and forget_payloads() from working.
  if (::fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) return no_memory("F_ADD_SEALS");
  return memory;
}

Result<std::unique_ptr<ShmMemory>> ShmMemory::map(const FileDescriptor& descriptor, const ShmSizes& sizes) {
  const auto invalid = [](std::string what) { return fail(StatusCode::kInvalidArgument, std::move(what)); };
  if (!sizes.valid()) {
    return invalid("it offers a ring of " + std::to_string(sizes.ring_bytes) + " and payloads of " +
                   std::to_string(sizes.payload_bytes) + " bytes, which cannot be");
  }
  const int seals = ::fcntl(descriptor.get(), F_GET_SEALS);
  if (seals < 0 || (seals & F_SEAL_SHRINK) == 0)
    return invalid("it offers memory that is not sealed against shrinking");
  struct stat status{};
  if (::fstat(descriptor.get(), &status) != 0 || static_cast<std::uint64_t>(status.st_size) < sizes.whole()) {
    return invalid("it offers " + std::to_string(status.st_size) + " bytes of memory where " +
                   std::to_string(sizes.whole()) + " are needed");
  }
  std::byte* base = map_bytes(descriptor.get(), sizes.whole(), PROT_READ);
  if (base == nullptr) return no_memory("mmap of the peer's memory");
  std::unique_ptr<ShmMemory> memory(new ShmMemory(sizes, base, FileDescriptor()));
  // A peer may have sealed it against that.
  memory->payloads_writable_ = ::mprotect(memory->payloads(), sizes.payload_bytes, PROT_READ | PROT_WRITE) == 0;
  return memory;
}

ShmMemory::~ShmMemory() { ::munmap(base_, sizes_.whole()); }

void ShmMemory::forget_payloads(std::uint64_t bytes) const noexcept {
  [[maybe_unused]] const int kept = ::madvise(payloads(), bytes, MADV_REMOVE);  // what is not given back is reused
}

}  // namespace onward
