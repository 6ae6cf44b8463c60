// SPDX-License-Identifier: Apache-2.0
#include "tls/tls_transport.h"

#include <utility>

#include "stream/socket_stream.h"
#include "tls/tls_context.h"
#include "tls/tls_stream.h"

namespace onward {
namespace {

class TlsTransport final : public InternetTransport {
 public:
  TlsTransport(EventLoop& loop, const MessageLimits& limits, TlsOptions tls, TcpOptions tcp)
      : InternetTransport(loop, limits, "tls", std::move(tcp)), options_(std::move(tls)) {
    unusable_ = load();
  }

  [[nodiscard]] Status check(const Url& url, Use use) const override {
    if (Status wrong = InternetTransport::check(url, use); !wrong.ok()) return wrong;
    const Status failed = check_files(use);
    return failed.with_message(url.to_string() + ": " + failed.message());
  }
  [[nodiscard]] Result<std::unique_ptr<Connection>> connect_to_node(const Url& url, std::string_view node) override {
    if (Status wrong = check(url, Use::kConnect); !wrong.ok()) return std::unexpected(std::move(wrong));
    return InternetTransport::connect_to_node(url, node);
  }
  [[nodiscard]] Result<std::unique_ptr<Listener>> listen(const Url& url, ListenerEvents& events) override {
    if (Status wrong = check(url, Use::kListen); !wrong.ok()) return std::unexpected(std::move(wrong));
    return InternetTransport::listen(url, events);
  }
  [[nodiscard]] bool is_guarded(const Url& url) const override {
    return options_.require_peer_certificate || is_loopback(url);
  }

  [[nodiscard]] Status reload() override {
    Status failed = load();
    if (context_ == nullptr) unusable_ = failed;
    return failed;
  }

 private:
  Status load() {
    Result<std::shared_ptr<TlsContext>> loaded = TlsContext::load(options_);
    if (!loaded) return loaded.error();
    context_ = *std::move(loaded);
    return {};
  }

  [[nodiscard]] Status check_files(Use use) const {
    if (context_ == nullptr) return unusable_;
    return use == Use::kListen ? context_->check_listening() : context_->check_connecting();
  }

  [[nodiscard]] std::unique_ptr<ByteStream> make_stream(FileDescriptor socket, const Party& peer) override {
    return std::make_unique<TlsStream>(
        std::make_unique<SocketStream>(std::move(socket)),
        TlsParty{.context = context_,
                 .accepted = peer.accepted,
                 .host = peer.host,
                 .node = peer.node,
                 .session_key = HostPort{peer.host, peer.port}.to_string() + " " + peer.node});
  }

  TlsOptions options_;
  std::shared_ptr<TlsContext> context_;  // of the last files that could be used
  Status unusable_;                      // why there is none
};

}  // namespace

std::unique_ptr<Transport> make_tls_transport(EventLoop& loop, const MessageLimits& limits, TlsOptions tls,
                                              TcpOptions tcp) {
  return std::make_unique<TlsTransport>(loop, limits, std::move(tls), std::move(tcp));
}

}  // namespace onward
