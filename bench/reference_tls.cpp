#include "reference_tls.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <poll.h>

#include <cerrno>
#include <stdexcept>
#include <string>

namespace onward::bench {
namespace {

constexpr const char* kCiphers = "TLS_AES_128_GCM_SHA256";
constexpr long kCertificateSeconds = 24L * 60 * 60;
// What one read of the socket may take: a few records, which then are still in the cache.
constexpr std::size_t kReadAheadBytes = std::size_t{64} << 10;

struct Deleter {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(X509* certificate) const { X509_free(certificate); }
};
using Context = std::unique_ptr<SSL_CTX, Deleter>;

[[noreturn]] void throw_openssl(const char* what) {
  char text[256];
  ERR_error_string_n(ERR_get_error(), text, sizeof text);
  throw std::runtime_error(std::string(what) + ": " + text);
}

void require(bool done, const char* what) {
  if (!done) throw_openssl(what);
}

void make_certificate(SSL_CTX* context) {
  const std::unique_ptr<EVP_PKEY, Deleter> key(EVP_EC_gen("P-256"));
  require(key != nullptr, "make a key");
  const std::unique_ptr<X509, Deleter> certificate(X509_new());
  require(certificate != nullptr, "make a certificate");
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), 0);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), kCertificateSeconds);
  X509_NAME* const name = X509_get_subject_name(certificate.get());
  const auto* const text = reinterpret_cast<const unsigned char*>("reference");
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, text, -1, -1, 0);
  X509_set_issuer_name(certificate.get(), name);
  X509_set_pubkey(certificate.get(), key.get());
  require(X509_sign(certificate.get(), key.get(), EVP_sha256()) > 0, "sign a certificate");
  require(SSL_CTX_use_certificate(context, certificate.get()) == 1, "use a certificate");
  require(SSL_CTX_use_PrivateKey(context, key.get()) == 1, "use a key");
}

Context make_context(Side side) {
  Context context(SSL_CTX_new(side == Side::kServer ? TLS_server_method() : TLS_client_method()));
  require(context != nullptr, "make a TLS context");
  require(SSL_CTX_set_min_proto_version(context.get(), TLS1_3_VERSION) == 1, "ask for TLS 1.3");
  require(SSL_CTX_set_ciphersuites(context.get(), kCiphers) == 1, "choose the cipher");
  SSL_CTX_set_num_tickets(context.get(), 0);
  SSL_CTX_set_mode(context.get(), SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_read_ahead(context.get(), 1);
  SSL_CTX_set_default_read_buffer_len(context.get(), kReadAheadBytes);
  if (side == Side::kServer) make_certificate(context.get());
  return context;
}

SSL_CTX* context_for(Side side) {
  static const Context context = make_context(side);  // a process has one side
  return context.get();
}

}  // namespace

TlsChannel::TlsChannel(Socket socket, Side side) : socket_(std::move(socket)), ssl_(SSL_new(context_for(side))) {
  require(ssl_ != nullptr && SSL_set_fd(ssl_.get(), fd()) == 1, "begin TLS");
  if (side == Side::kServer) {
    SSL_set_accept_state(ssl_.get());
  } else {
    SSL_set_connect_state(ssl_.get());
    shake_hands();
  }
}

void TlsChannel::shake_hands() {
  int result = 0;
  while ((result = SSL_do_handshake(ssl_.get())) != 1) {
    if (SSL_get_error(ssl_.get(), result) != SSL_ERROR_WANT_READ) throw_openssl("shake hands");
    pollfd readable{.fd = fd(), .events = POLLIN, .revents = 0};
    ::poll(&readable, 1, -1);
  }
}

ssize_t TlsChannel::receive(std::span<char> into) {
  std::size_t total = 0;
  do {
    std::size_t got = 0;
    const int result = SSL_read_ex(ssl_.get(), into.data() + total, into.size() - total, &got);
    if (result != 1) {
      holds_input_ = total > 0 && SSL_get_error(ssl_.get(), result) != SSL_ERROR_WANT_READ;
      return total > 0 ? static_cast<ssize_t>(total) : failed(result);
    }
    total += got;
  } while (total < into.size() && SSL_has_pending(ssl_.get()) != 0);
  holds_input_ = SSL_has_pending(ssl_.get()) != 0;
  return static_cast<ssize_t>(total);
}

ssize_t TlsChannel::send(std::span<const char> from) {
  std::size_t put = 0;
  const int result = SSL_write_ex(ssl_.get(), from.data(), from.size(), &put);
  return result == 1 ? static_cast<ssize_t>(put) : failed(result);
}

void TlsChannel::end_output() {
  if (SSL_shutdown(ssl_.get()) < 0) throw_openssl("end the stream");
}

// In the terms of recv() and send().
ssize_t TlsChannel::failed(int result) {
  const int error = SSL_get_error(ssl_.get(), result);
  ERR_clear_error();
  if (error == SSL_ERROR_ZERO_RETURN) return 0;
  if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
    errno = EAGAIN;
  } else if (error != SSL_ERROR_SYSCALL) {
    errno = EPROTO;
  }
  return -1;
}

}  // namespace onward::bench
