// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstring>
#include <limits>
#include <memory>
#include <string>

#include "onward/stream/byte_stream.h"

namespace example {

// One direction, in memory.
struct Pipe {
  std::string bytes;  // on their way
  std::size_t room = std::numeric_limits<std::size_t>::max();
  bool ended = false;
};

class MemoryStream final : public onward::ByteStream {
 public:
  MemoryStream(Pipe& in, Pipe& out) : in_(in), out_(out) {}

  [[nodiscard]] std::unique_ptr<onward::StreamWatcher> watch(onward::EventLoop&, void*, onward::IoWatcher::Callback,
                                                             onward::IoWatcher::Callback) override {
    return nullptr;
  }
  [[nodiscard]] onward::IoResult read(std::span<const iovec> into) override {
    using Outcome = onward::IoResult::Outcome;
    if (in_.bytes.empty()) return {.outcome = in_.ended ? Outcome::kEnd : Outcome::kWantRead};
    std::size_t done = 0;
    for (const iovec& span : into) {
      const std::size_t some = std::min(span.iov_len, in_.bytes.size());
      std::memcpy(span.iov_base, in_.bytes.data(), some);
      in_.bytes.erase(0, some);
      done += some;
    }
    return {.bytes = done};
  }
  [[nodiscard]] onward::IoResult write(std::span<const iovec> from) override {
    std::size_t done = 0;
    for (const iovec& span : from) {
      const std::size_t some = std::min(span.iov_len, out_.room - std::min(out_.room, out_.bytes.size()));
      out_.bytes.append(static_cast<const char*>(span.iov_base), some);
      done += some;
    }
    if (done == 0) return {.outcome = onward::IoResult::Outcome::kWantWrite};
    return {.bytes = done};
  }
  void end_output() noexcept override { out_.ended = true; }

 private:
  Pipe& in_;
  Pipe& out_;
};

}  // namespace example
