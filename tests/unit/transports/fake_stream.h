// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "onward/stream/byte_stream.h"

namespace onward {

// A stream in memory that moves as little at a time as a test wants, and tells what it was asked.
class FakeStream final : public ByteStream {
 public:
  std::string input;        // what the peer has sent
  std::size_t read_at = 0;  // of input
  bool ended = false;       // behind the input comes its end, else there is nothing for now
  std::string output;       // what the peer has got
  // How many bytes of so many asked may move; 0: not now.
  std::function<std::size_t(std::size_t asked)> allowed = [](std::size_t asked) { return asked; };
  // The spans of each call.
  std::vector<std::vector<iovec>> reads;
  std::vector<std::vector<iovec>> writes;

  [[nodiscard]] std::unique_ptr<StreamWatcher> watch(EventLoop&, void*, IoWatcher::Callback,
                                                     IoWatcher::Callback) override {
    return nullptr;
  }

  [[nodiscard]] IoResult read(std::span<const iovec> into) override {
    reads.emplace_back(into.begin(), into.end());
    const std::size_t left = input.size() - read_at;
    if (left == 0 && ended) return {.outcome = IoResult::Outcome::kEnd};
    const std::size_t bytes = std::min(allowed(total(into)), left);
    if (bytes == 0) return {.outcome = IoResult::Outcome::kWantRead};
    std::size_t moved = 0;
    for (const iovec& span : into) {
      const std::size_t some = std::min(span.iov_len, bytes - moved);
      if (some > 0) std::memcpy(span.iov_base, input.data() + read_at + moved, some);
      moved += some;
    }
    read_at += bytes;
    return {.bytes = bytes};
  }

  [[nodiscard]] IoResult write(std::span<const iovec> from) override {
    writes.emplace_back(from.begin(), from.end());
    const std::size_t bytes = std::min(allowed(total(from)), total(from));
    if (bytes == 0) return {.outcome = IoResult::Outcome::kWantWrite};
    std::size_t moved = 0;
    for (const iovec& span : from) {
      const std::size_t some = std::min(span.iov_len, bytes - moved);
      output.append(static_cast<const char*>(span.iov_base), some);
      moved += some;
    }
    return {.bytes = bytes};
  }

  void end_output() noexcept override {}

  static std::size_t total(std::span<const iovec> spans) {
    std::size_t bytes = 0;
    for (const iovec& span : spans) bytes += span.iov_len;
    return bytes;
  }
};

}  // namespace onward
