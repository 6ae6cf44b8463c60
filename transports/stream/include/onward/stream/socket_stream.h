// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "onward/export.h"
#include "onward/stream/byte_stream.h"
#include "onward/stream/file_descriptor.h"

namespace onward {

// Of a descriptor.
class DescriptorWatcher final : public StreamWatcher {
 public:
  DescriptorWatcher(EventLoop& loop, int descriptor, void* context, IoWatcher::Callback on_readable,
                    IoWatcher::Callback on_writable)
      : watcher_(loop, descriptor, context, on_readable, on_writable) {}
  void watch_readable(bool on) override { watcher_.watch_readable(on); }
  void watch_writable(bool on) override { watcher_.watch_writable(on); }

 private:
  IoWatcher watcher_;
};

// A connected stream socket, as it is. The socket must be non-blocking. `peer` is who is at its other end.
class ONWARD_API SocketStream final : public ByteStream {
 public:
  explicit SocketStream(FileDescriptor socket, PeerIdentity peer = {})
      : socket_(std::move(socket)), peer_(std::move(peer)) {}

  [[nodiscard]] std::unique_ptr<StreamWatcher> watch(EventLoop& loop, void* context, IoWatcher::Callback on_readable,
                                                     IoWatcher::Callback on_writable) override {
    return std::make_unique<DescriptorWatcher>(loop, socket_.get(), context, on_readable, on_writable);
  }
  [[nodiscard]] IoResult read(std::span<const iovec> into) override;
  [[nodiscard]] IoResult write(std::span<const iovec> from) override;
  [[nodiscard]] std::size_t bytes_in_work() const noexcept override { return 0; }
  void end_output() noexcept override;
  [[nodiscard]] PeerIdentity identity() const override { return peer_; }

 private:
  FileDescriptor socket_;
  PeerIdentity peer_;
};

// "connection refused" for ECONNREFUSED: the system's text as part of a sentence.
[[nodiscard]] ONWARD_API std::string error_text(int error_number);

}  // namespace onward
