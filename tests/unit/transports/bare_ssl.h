// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <string>
#include <string_view>

#include "onward/stream/file_descriptor.h"
#include "onward/tls/tls_options.h"
#include "onward/url.h"
#include "tls/openssl_handle.h"

namespace onward {

// OpenSSL by itself on a socket, for what a node would not say.
class BareSsl {
 public:
  BareSsl(const Url& url, const TlsOptions& files, int version, const char* protocol, const char* ciphers = nullptr)
      : context_(SSL_CTX_new(TLS_client_method())), ssl_(nullptr) {
    SSL_CTX_set_min_proto_version(context_.get(), version);
    SSL_CTX_set_max_proto_version(context_.get(), version);
    if (ciphers != nullptr) SSL_CTX_set_cipher_list(context_.get(), ciphers);
    SSL_CTX_use_certificate_chain_file(context_.get(), files.certificate.c_str());
    SSL_CTX_use_PrivateKey_file(context_.get(), files.key.c_str(), SSL_FILETYPE_PEM);
    ssl_.reset(SSL_new(context_.get()));
    if (protocol != nullptr) {
      const std::string list = static_cast<char>(std::char_traits<char>::length(protocol)) + std::string(protocol);
      SSL_set_alpn_protos(ssl_.get(), reinterpret_cast<const unsigned char*>(list.data()),
                          static_cast<unsigned>(list.size()));
    }
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(HostPort::parse(url.rest)->port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socket_ = FileDescriptor(::socket(AF_INET, SOCK_STREAM, 0));
    EXPECT_EQ(::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    const timeval moment{.tv_sec = 0, .tv_usec = 1000};
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &moment, sizeof moment);
    SSL_set_fd(ssl_.get(), socket_.get());
  }
  // Goes on; true when the handshake is over.
  bool step() { return SSL_connect(ssl_.get()) == 1; }
  void write(std::string_view text) { SSL_write(ssl_.get(), text.data(), static_cast<int>(text.size())); }
  [[nodiscard]] int version() const { return SSL_version(ssl_.get()); }

 private:
  SslContextHandle context_;
  FileDescriptor socket_;
  SslHandle ssl_;
};

}  // namespace onward
