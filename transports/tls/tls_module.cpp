// SPDX-License-Identifier: Apache-2.0
#include "onward/module.h"
#include "onward/tls/tls_transport.h"
#include "stream/tcp_parameters.h"

namespace onward {
namespace {

constexpr Parameter kParameters[] = {
    optional_parameter<std::string>("certificate",
                                    "PEM: this node's certificate, and behind it those of CAs between it and `ca`")
        .file()
        .reloadable(),
    optional_parameter<std::string>("key", "PEM: the certificate's key, not encrypted").file().reloadable(),
    optional_parameter<std::string>("ca", "PEM: the CAs whose certificates prove who somebody is").file().reloadable(),
    optional_parameter<std::string>("crl", "PEM: certificates that have been revoked; without it none have")
        .file()
        .reloadable(),
    parameter("min_version", "1.3", "the oldest TLS that is spoken").one_of("1.3", "1.2"),
    parameter(
        "peer_certificates", "required",
        "whether who connects must show a certificate; with `\"optional\"`, who shows none is let in as nobody in "
        "particular")
        .one_of("required", "optional"),
    kTcpConnectTimeout,
    kTcpSendBuffer,
    kTcpReceiveBuffer,
};

TlsOptions tls_options(const Arguments& arguments) {
  const auto file = [&](std::string_view key) { return arguments.find<std::string>(key).value_or(""); };
  return {.certificate = file("certificate"),
          .key = file("key"),
          .ca = file("ca"),
          .crl = file("crl"),
          .require_peer_certificate = arguments.get<std::string>("peer_certificates") == "required",
          .min_version = arguments.get<std::string>("min_version") == "1.2" ? TlsOptions::Version::kTls12
                                                                            : TlsOptions::Version::kTls13};
}

Status check(const Arguments& arguments) { return check_tls_files(tls_options(arguments)); }

std::unique_ptr<Transport> make(EventLoop& loop, const MessageLimits& limits, const Arguments& arguments) {
  return make_tls_transport(loop, limits, tls_options(arguments), tcp_options(arguments));
}

}  // namespace

ONWARD_MODULE(tls, .version = kRelease, .summary = "tls://HOST:PORT, between nodes that prove who they are",
              .parameters = kParameters, .check = check, .make_transport = make);

}  // namespace onward
