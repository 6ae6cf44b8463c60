// SPDX-License-Identifier: Apache-2.0
#include "onward/tls/tls_transport.h"

#include <utility>

#include "onward/stream/socket_stream.h"
#include "stream/internet_transport.h"
#include "tls/tls_context.h"
#include "tls/tls_stream.h"

namespace onward {
namespace {

Status check_configured(const TlsOptions& options, Transport::Use use) {
  const bool listens = use == Transport::Use::kListen;
  if (listens && options.certificate.empty()) {
    return {StatusCode::kFailedPrecondition,
            "this node has no certificate, so it cannot listen with tls: set [tls] certificate and key; `onward certs "
            "issue DIR NAME` makes them"};
  }
  if (options.ca.empty() && (!listens || options.require_peer_certificate)) {
    return {
        StatusCode::kFailedPrecondition,
        "this node trusts no CA, so nobody can prove to it who they are: set [tls] ca (onward call: --tls-ca FILE); "
        "`onward certs init DIR` makes one"};
  }
  return {};
}

class TlsTransport final : public InternetTransport {
 public:
  TlsTransport(EventLoop& loop, const MessageLimits& limits, TlsOptions tls, TcpOptions tcp)
      : InternetTransport(loop, limits, "tls", std::move(tcp)), options_(std::move(tls)) {
    unusable_ = load();
  }

  [[nodiscard]] Status check(const Url& url, Use use) const override {
    if (Status wrong = InternetTransport::check(url, use); !wrong.ok()) return wrong;
    const Status missing = check_configured(options_, use);
    return missing.with_message(url.to_string() + ": " + missing.message());
  }
  [[nodiscard]] Result<std::unique_ptr<Connection>> connect_to_node(const Url& url, std::string_view node) override {
    if (Status wrong = check_all(url, Use::kConnect); !wrong.ok()) return std::unexpected(std::move(wrong));
    return InternetTransport::connect_to_node(url, node);
  }
  [[nodiscard]] Result<std::unique_ptr<Listener>> listen(const Url& url, ListenerEvents& events) override {
    if (Status wrong = check_all(url, Use::kListen); !wrong.ok()) return std::unexpected(std::move(wrong));
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

  [[nodiscard]] Status check_all(const Url& url, Use use) const {
    if (Status wrong = check(url, use); !wrong.ok()) return wrong;
    if (context_ != nullptr) return {};
    return unusable_.with_message(url.to_string() + ": " + unusable_.message());
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

Status check_tls_files(const TlsOptions& options) {
  const auto loaded = TlsContext::load(options);
  return loaded ? Status() : loaded.error();
}

}  // namespace onward
