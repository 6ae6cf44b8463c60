// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "stream/byte_stream.h"
#include "stream/file_descriptor.h"

namespace onward {

// A connected stream socket, as it is. The socket must be non-blocking.
class SocketStream final : public ByteStream {
 public:
  explicit SocketStream(FileDescriptor socket) : socket_(std::move(socket)) {}

  [[nodiscard]] int descriptor() const noexcept override { return socket_.get(); }
  [[nodiscard]] IoResult read(std::span<const iovec> into) override;
  [[nodiscard]] IoResult write(std::span<const iovec> from) override;
  void end_output() noexcept override;

 private:
  FileDescriptor socket_;
};

// "connection refused" for ECONNREFUSED: the system's text as part of a sentence.
[[nodiscard]] std::string error_text(int error_number);

}  // namespace onward
