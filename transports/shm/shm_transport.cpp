// SPDX-License-Identifier: Apache-2.0
#include "onward/shm/shm_transport.h"

#include <sys/socket.h>

#include <utility>

#include "onward/stream/stream_connection.h"
#include "onward/stream/stream_listener.h"
#include "shm/shm_memory.h"
#include "shm/shm_rendezvous.h"

namespace onward {
namespace {

constexpr std::string_view kScheme = "shm";

class ShmTransport final : public Transport {
 public:
  ShmTransport(EventLoop& loop, const MessageLimits& limits, ShmOptions options)
      : loop_(loop), limits_(limits), options_(std::move(options)) {}

  [[nodiscard]] std::string_view scheme() const override { return kScheme; }
  [[nodiscard]] Status check(const Url& url, Use) const override {
    const Result<LocalAddress> address = parse(url);
    return address ? Status() : address.error();
  }

  [[nodiscard]] Result<std::unique_ptr<Connection>> connect(const Url& url) override {
    Result<LocalAddress> address = parse(url);
    if (!address) return std::unexpected(address.error());
    auto connection = std::make_unique<StreamConnection>(loop_, limits_, url.to_string());
    meet(*connection).connect(std::move(*address));
    return connection;
  }

  [[nodiscard]] Result<std::unique_ptr<Listener>> listen(const Url& url, ListenerEvents& events) override {
    const Result<LocalAddress> address = parse(url);
    if (!address) return std::unexpected(address.error());
    Result<FileDescriptor> socket = listen_on(url, *address, SOCK_SEQPACKET);
    if (!socket) return std::unexpected(socket.error());
    return std::make_unique<StreamListener>(
        loop_, std::move(*socket), url, events,
        StreamListener::Options{.wrap = [this, name = url.to_string()](
                                            FileDescriptor accepted) { return accept(std::move(accepted), name); },
                                .on_closed = remove_later(address->path)});
  }

 private:
  [[nodiscard]] Result<LocalAddress> parse(const Url& url) const {
    const ShmSizes sizes{.ring_bytes = options_.ring_bytes, .payload_bytes = options_.payload_bytes};
    if (!sizes.valid()) {
      return fail(StatusCode::kInvalidArgument,
                  "[shm] ring_bytes must be a power of two from 4096 to 1073741824, and "
                  "payload_bytes a multiple of 4096 up to 68719476736");
    }
    return LocalAddress::parse(url, kScheme);
  }

  [[nodiscard]] ShmRendezvous& meet(StreamConnection& connection) {
    auto rendezvous = std::make_unique<ShmRendezvous>(loop_, options_, connection, copier_);
    ShmRendezvous& begins = *rendezvous;
    connection.wait_for(std::move(rendezvous));
    return begins;
  }

  [[nodiscard]] std::unique_ptr<Connection> accept(FileDescriptor socket, const std::string& url) {
    auto connection = std::make_unique<StreamConnection>(loop_, limits_, LocalPeer::of(socket.get()).describe(url));
    meet(*connection).begin(std::move(socket));
    return connection;
  }

  EventLoop& loop_;
  MessageLimits limits_;
  ShmOptions options_;
  std::shared_ptr<ShmCopier> copier_ = std::make_shared<ShmCopier>();
};

}  // namespace

std::unique_ptr<Transport> make_shm_transport(EventLoop& loop, const MessageLimits& limits, ShmOptions options) {
  return std::make_unique<ShmTransport>(loop, limits, std::move(options));
}

}  // namespace onward
