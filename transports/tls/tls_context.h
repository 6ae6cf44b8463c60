// SPDX-License-Identifier: Apache-2.0
//
// What all connections of a transport share: keys, certificates, rules. One is made of the files as they are; a
// reload makes another, and connections keep the one that they began with.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "onward/status.h"
#include "onward/tls/tls_options.h"
#include "tls/openssl_handle.h"
#include "tls/session_cache.h"

namespace onward {

class TlsContext;

// One side of one connection, as OpenSSL's callbacks see it.
struct TlsParty {
  std::shared_ptr<TlsContext> context;
  bool accepted = false;    // it has connected to this node
  std::string host;         // whom this node has connected to; empty if accepted
  std::string node;         // the name that it must prove; empty: `host`
  std::string session_key;  // in the cache of sessions
  Status verdict = {};      // why it is refused, where that is known better than OpenSSL tells
};

class TlsContext {
 public:
  // FAILED_PRECONDITION names the file, what is wrong with it, and what to do.
  [[nodiscard]] static Result<std::shared_ptr<TlsContext>> load(const TlsOptions& options);

  // A side of a new connection, which `party` must outlive; one that this node has begun tries to resume an earlier
  // session. Throws std::bad_alloc.
  [[nodiscard]] SslHandle make_ssl(TlsParty& party);

  [[nodiscard]] const TlsOptions& options() const noexcept { return options_; }

 private:
  explicit TlsContext(const TlsOptions& options);
  [[nodiscard]] Status load_certificate();
  [[nodiscard]] Status load_authorities();
  [[nodiscard]] Status load_revoked();
  void set_rules();
  [[nodiscard]] bool is_still_good(X509* certificate) const;

  static int on_client_hello(SSL* ssl, int* alert, void* unused);
  static int on_protocols(SSL* ssl, const unsigned char** chosen, unsigned char* chosen_bytes,
                          const unsigned char* offered, unsigned offered_bytes, void* unused);
  static int on_certificate(int good, X509_STORE_CTX* chain);
  static int on_new_session(SSL* ssl, SSL_SESSION* session);
  static SSL_TICKET_RETURN on_ticket(SSL* ssl, SSL_SESSION* session, const unsigned char* key_name,
                                     std::size_t key_name_bytes, SSL_TICKET_STATUS status, void* unused);

  TlsOptions options_;
  SslContextHandle context_;
  std::vector<CrlHandle> revoked_;
  SessionCache sessions_;
};

}  // namespace onward
