// SPDX-License-Identifier: Apache-2.0
#include "tls/tls_context.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "onward/tls/tls_transport.h"
#include "tls/certificate_names.h"
#include "tls/tls_errors.h"

namespace onward {
namespace {

// Sessions that are older are not resumed: so long may a CA above a peer's certificate have expired.
constexpr long kSessionSeconds = 3600;
// Of a peer's certificates, together.
constexpr long kMaxCertificateBytes = 64L << 10;
constexpr std::string_view kSessionContext = "onward";
constexpr unsigned char kProtocolBytes = kTlsProtocol.size();

std::string make_protocol_list() { return static_cast<char>(kProtocolBytes) + std::string(kTlsProtocol); }

const unsigned char* bytes_of(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

Status wrong_file(const std::string& what, const std::string& file, const std::string& why) {
  return {StatusCode::kFailedPrecondition, "the " + what + " " + file + " cannot be used: " + why};
}

// The file for reading; null with the reason in `status`.
BioHandle open_file(const std::string& what, const std::string& file, Status& status) {
  ERR_clear_error();
  BioHandle bio(BIO_new_file(file.c_str(), "r"));
  if (bio != nullptr) return bio;
  const unsigned long error = ERR_peek_error();
  const int number = ERR_SYSTEM_ERROR(error) ? ERR_GET_REASON(error) : ENOENT;
  status = wrong_file(what, file,
                      std::generic_category().message(number) + "; check its path and permissions, or make it with " +
                          (what == "CA" ? "`onward certs init DIR`" : "`onward certs issue DIR NAME`"));
  ERR_clear_error();
  return nullptr;
}

// There is nobody to ask.
int no_password(char*, int, int, void*) { return -1; }

TlsParty& party_of(const SSL* ssl) { return *static_cast<TlsParty*>(SSL_get_app_data(ssl)); }

// The newest version that a ClientHello offers.
unsigned offered_version(SSL* ssl) {
  unsigned newest = SSL_client_hello_get0_legacy_version(ssl);
  const unsigned char* list = nullptr;
  std::size_t bytes = 0;
  if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_supported_versions, &list, &bytes) != 1) return newest;
  for (std::size_t at = 1; at + 1 < bytes; at += 2) {
    // Others than 3.x are there to be skipped (RFC 8701).
    if (list[at] == 3) newest = std::max(newest, static_cast<unsigned>(list[at] << 8U | list[at + 1]));
  }
  return newest;
}

int version_number(TlsOptions::Version version) {
  return version == TlsOptions::Version::kTls13 ? TLS1_3_VERSION : TLS1_2_VERSION;
}

}  // namespace

TlsContext::TlsContext(const TlsOptions& options)
    : options_(options), context_(or_no_memory(SSL_CTX_new(TLS_method()))) {}

Result<std::shared_ptr<TlsContext>> TlsContext::load(const TlsOptions& options) {
  std::shared_ptr<TlsContext> context(new TlsContext(options));
  context->set_rules();
  for (const auto step : {&TlsContext::load_certificate, &TlsContext::load_authorities, &TlsContext::load_revoked}) {
    if (Status failed = (*context.*step)(); !failed.ok()) return std::unexpected(std::move(failed));
  }
  return context;
}

void TlsContext::set_rules() {
  SSL_CTX* context = context_.get();
  SSL_CTX_set_min_proto_version(context, version_number(options_.min_version));
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  // A record may be offered again from elsewhere; buffers of idle connections go back.
  SSL_CTX_set_mode(context,
                   SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_max_cert_list(context, kMaxCertificateBytes);
  SSL_CTX_set_default_passwd_cb(context, no_password);

  SSL_CTX_set_client_hello_cb(context, on_client_hello, nullptr);
  SSL_CTX_set_alpn_select_cb(context, on_protocols, nullptr);
  const std::string protocols = make_protocol_list();
  SSL_CTX_set_alpn_protos(context, bytes_of(protocols), static_cast<unsigned>(protocols.size()));

  // Who listens keeps no sessions: they travel in tickets, under a key that lives as long as this context.
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_set_session_id_context(context, bytes_of(kSessionContext), kSessionContext.size());
  SSL_CTX_set_timeout(context, kSessionSeconds);
  SSL_CTX_set_num_tickets(context, 1);
  SSL_CTX_sess_set_new_cb(context, on_new_session);
  SSL_CTX_set_session_ticket_cb(context, nullptr, on_ticket, nullptr);
}

Status TlsContext::load_certificate() {
  if (options_.certificate.empty() != options_.key.empty()) {
    return {StatusCode::kFailedPrecondition,
            options_.key.empty() ? "there is a [tls] certificate, " + options_.certificate + ", but no key: add it"
                                 : "there is a [tls] key, " + options_.key + ", but no certificate: add it"};
  }
  if (options_.certificate.empty()) return {};
  Status unreadable;
  const BioHandle file = open_file("certificate", options_.certificate, unreadable);
  if (file == nullptr) return unreadable;
  const CertificateHandle own(PEM_read_bio_X509_AUX(file.get(), nullptr, no_password, nullptr));
  if (own == nullptr) return wrong_file("certificate", options_.certificate, "it is no PEM: " + ssl_error_words());
  if (SSL_CTX_use_certificate(context_.get(), own.get()) != 1) {
    return wrong_file("certificate", options_.certificate, ssl_error_words());
  }
  while (const CertificateHandle above{PEM_read_bio_X509(file.get(), nullptr, no_password, nullptr)}) {
    if (SSL_CTX_add1_chain_cert(context_.get(), above.get()) != 1) throw std::bad_alloc();
  }
  ERR_clear_error();  // the end of the file

  const BioHandle key_file = open_file("key", options_.key, unreadable);
  if (key_file == nullptr) return unreadable;
  const KeyHandle key(PEM_read_bio_PrivateKey(key_file.get(), nullptr, no_password, nullptr));
  if (key == nullptr) {
    return wrong_file("key", options_.key, "it is no PEM, or encrypted; keys must not be: " + ssl_error_words());
  }
  if (SSL_CTX_use_PrivateKey(context_.get(), key.get()) != 1 || SSL_CTX_check_private_key(context_.get()) != 1) {
    ERR_clear_error();
    return wrong_file("key", options_.key, "it is not that of the certificate " + options_.certificate);
  }
  return {};
}

Status TlsContext::load_authorities() {
  if (options_.ca.empty()) return {};
  Status unreadable;
  const BioHandle file = open_file("CA", options_.ca, unreadable);
  if (file == nullptr) return unreadable;
  X509_STORE* store = SSL_CTX_get_cert_store(context_.get());
  std::size_t count = 0;
  while (const CertificateHandle authority{PEM_read_bio_X509_AUX(file.get(), nullptr, no_password, nullptr)}) {
    if (X509_STORE_add_cert(store, authority.get()) != 1) return wrong_file("CA", options_.ca, ssl_error_words());
    ++count;
  }
  if (count == 0) return wrong_file("CA", options_.ca, "it is no PEM: " + ssl_error_words());
  ERR_clear_error();
  return {};
}

Status TlsContext::load_revoked() {
  if (options_.crl.empty()) return {};
  Status unreadable;
  const BioHandle file = open_file("crl", options_.crl, unreadable);
  if (file == nullptr) return unreadable;
  X509_STORE* store = SSL_CTX_get_cert_store(context_.get());
  while (CrlHandle list{PEM_read_bio_X509_CRL(file.get(), nullptr, no_password, nullptr)}) {
    if (X509_STORE_add_crl(store, list.get()) != 1) return wrong_file("crl", options_.crl, ssl_error_words());
    revoked_.push_back(std::move(list));
  }
  if (revoked_.empty()) return wrong_file("crl", options_.crl, "it is no PEM: " + ssl_error_words());
  ERR_clear_error();
  X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK);
  return {};
}

SslHandle TlsContext::make_ssl(TlsParty& party) {
  SslHandle ssl(or_no_memory(SSL_new(context_.get())));
  SSL_set_app_data(ssl.get(), &party);
  if (party.accepted) {
    const int needed = options_.require_peer_certificate ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0;
    SSL_set_verify(ssl.get(), options_.ca.empty() ? SSL_VERIFY_NONE : SSL_VERIFY_PEER | needed, on_certificate);
    SSL_set_accept_state(ssl.get());
    return ssl;
  }
  SSL_set_verify(ssl.get(), SSL_VERIFY_PEER, on_certificate);
  SSL_set_connect_state(ssl.get());
  if (const SessionHandle session = sessions_.take(party.session_key);
      session != nullptr && is_still_good(SSL_SESSION_get0_peer(session.get()))) {
    SSL_set_session(ssl.get(), session.get());
  }
  return ssl;
}

// Of a session that could be resumed; a whole handshake says what is wrong with the others.
bool TlsContext::is_still_good(X509* certificate) const {
  if (certificate == nullptr) return true;  // it has shown none, and needed none
  if (X509_cmp_current_time(X509_get0_notBefore(certificate)) >= 0) return false;
  if (X509_cmp_current_time(X509_get0_notAfter(certificate)) <= 0) return false;
  return std::ranges::none_of(revoked_, [certificate](const CrlHandle& list) {
    X509_REVOKED* entry = nullptr;
    return X509_CRL_get0_by_cert(list.get(), &entry, certificate) == 1;
  });
}

int TlsContext::on_client_hello(SSL* ssl, int* alert, void*) {
  TlsParty& party = party_of(ssl);
  const TlsOptions::Version min_version = party.context->options_.min_version;
  const unsigned offered = offered_version(ssl);
  if (offered < static_cast<unsigned>(version_number(min_version))) {
    party.verdict = old_version_error(offered, min_version);
    *alert = SSL_AD_PROTOCOL_VERSION;
    return SSL_CLIENT_HELLO_ERROR;
  }
  const unsigned char* list = nullptr;
  std::size_t bytes = 0;
  if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_application_layer_protocol_negotiation, &list, &bytes) != 1) {
    party.verdict = wrong_protocol_error();
    *alert = SSL_AD_NO_APPLICATION_PROTOCOL;
    return SSL_CLIENT_HELLO_ERROR;
  }
  return SSL_CLIENT_HELLO_SUCCESS;
}

int TlsContext::on_protocols(SSL* ssl, const unsigned char** chosen, unsigned char* chosen_bytes,
                             const unsigned char* offered, unsigned offered_bytes, void*) {
  for (std::size_t at = 0; at < offered_bytes; at += 1U + offered[at]) {
    const std::size_t bytes = std::min<std::size_t>(offered[at], offered_bytes - at - 1);
    if (std::string_view(reinterpret_cast<const char*>(offered) + at + 1, bytes) != kTlsProtocol) continue;
    *chosen = offered + at + 1;
    *chosen_bytes = offered[at];
    return SSL_TLSEXT_ERR_OK;
  }
  party_of(ssl).verdict = wrong_protocol_error();
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

// For each certificate of the chain, the peer's own last; and once for each thing that is wrong.
int TlsContext::on_certificate(int good, X509_STORE_CTX* chain) {
  const auto* ssl = static_cast<const SSL*>(X509_STORE_CTX_get_ex_data(chain, SSL_get_ex_data_X509_STORE_CTX_idx()));
  TlsParty& party = party_of(ssl);
  X509* certificate = X509_STORE_CTX_get_current_cert(chain);
  const int depth = X509_STORE_CTX_get_error_depth(chain);
  if (good == 0) {
    party.verdict = certificate_error(X509_STORE_CTX_get_error(chain), depth, certificate);
    return 0;
  }
  if (party.accepted || depth > 0) return 1;
  if (party.node.empty() ? is_for_host(certificate, party.host) : is_for_node(certificate, party.node)) return 1;
  party.verdict = wrong_name_error(certificate, party.node, party.host);
  X509_STORE_CTX_set_error(chain, X509_V_ERR_HOSTNAME_MISMATCH);
  return 0;
}

int TlsContext::on_new_session(SSL* ssl, SSL_SESSION* session) {
  const TlsParty& party = party_of(ssl);
  party.context->sessions_.keep(party.session_key, SessionHandle(session));
  return 1;  // taken
}

SSL_TICKET_RETURN TlsContext::on_ticket(SSL* ssl, SSL_SESSION* session, const unsigned char*, std::size_t,
                                        SSL_TICKET_STATUS status, void*) {
  const bool whole = status == SSL_TICKET_SUCCESS || status == SSL_TICKET_SUCCESS_RENEW;
  if (!whole || !party_of(ssl).context->is_still_good(SSL_SESSION_get0_peer(session))) {
    return SSL_TICKET_RETURN_IGNORE_RENEW;
  }
  return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE : SSL_TICKET_RETURN_USE_RENEW;
}

Result<std::string> first_node_name(const std::string& certificate_file) {
  Status unreadable;
  const BioHandle file = open_file("certificate", certificate_file, unreadable);
  if (file == nullptr) return std::unexpected(std::move(unreadable));
  const CertificateHandle own(PEM_read_bio_X509_AUX(file.get(), nullptr, no_password, nullptr));
  if (own == nullptr) {
    return std::unexpected(wrong_file("certificate", certificate_file, "it is no PEM: " + ssl_error_words()));
  }
  const std::vector<std::string> names = node_names(own.get());
  if (names.empty()) return std::unexpected(wrong_file("certificate", certificate_file, "it names nobody"));
  return names.front();
}

}  // namespace onward
