// SPDX-License-Identifier: Apache-2.0
#include "tls/tls_errors.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "tls/certificate_names.h"

namespace onward {
namespace {

Status unauthenticated(std::string message) { return {StatusCode::kUnauthenticated, std::move(message)}; }
Status mismatch(std::string message) { return {StatusCode::kFailedPrecondition, std::move(message)}; }

std::string name_of(TlsOptions::Version version) { return version == TlsOptions::Version::kTls13 ? "1.3" : "1.2"; }

std::string name_of(unsigned version) {
  switch (version) {
    case SSL3_VERSION:
      return "SSL 3.0";
    case TLS1_VERSION:
      return "TLS 1.0";
    case TLS1_1_VERSION:
      return "TLS 1.1";
    case TLS1_2_VERSION:
      return "TLS 1.2";
    default:
      return "a version before TLS 1.0";
  }
}

std::string version_advice(TlsOptions::Version min_version) {
  return "this node takes TLS " + name_of(min_version) + " or later" +
         (min_version == TlsOptions::Version::kTls13 ? ": update the peer, or set [tls] min_version = \"1.2\""
                                                     : ": update the peer");
}

// What a peer's alert says, from where it arrives; nothing for those that tell no more than their name.
std::optional<Status> received_alert(int alert) {
  const auto refused = [](const char* why) {
    return unauthenticated("it refuses this node's certificate: " + std::string(why));
  };
  switch (alert) {
    case SSL_AD_BAD_CERTIFICATE:
      return refused("the peer's log says why");
    case SSL_AD_UNSUPPORTED_CERTIFICATE:
      return refused("it is not made for this purpose; its extended key usage must have clientAuth and serverAuth");
    case SSL_AD_CERTIFICATE_REVOKED:
      return refused("it has been revoked; issue a new one");
    case SSL_AD_CERTIFICATE_EXPIRED:
      return refused("it has expired; issue a new one");
    case SSL_AD_CERTIFICATE_UNKNOWN:
      return refused("the peer's log says why");
    case SSL_AD_UNKNOWN_CA:
      return refused("it is from a CA that the peer does not trust, or self-signed; the peer's log says which");
    case SSL_AD_CERTIFICATE_REQUIRED:
      return unauthenticated(
          "it requires a certificate, and this node has shown none: set [tls] certificate and key (onward call: "
          "--tls-cert and --tls-key)");
    case SSL_AD_HANDSHAKE_FAILURE:
      return mismatch("it refuses the handshake: no cipher in common, or, below TLS 1.3, it requires a certificate");
    case SSL_AD_PROTOCOL_VERSION:
      return mismatch("it refuses every version of TLS that this node offers; its log says which it takes");
    case SSL_AD_NO_APPLICATION_PROTOCOL:
      return mismatch("it speaks TLS, but not " + std::string(kTlsProtocol) + " (ALPN): is it a node?");
    default:
      return std::nullopt;
  }
}

std::optional<Status> known_reason(int reason, TlsOptions::Version min_version) {
  switch (reason) {
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_WRONG_SSL_VERSION:
    case SSL_R_VERSION_TOO_LOW:
      return mismatch("it speaks an older TLS; " + version_advice(min_version));
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
      return unauthenticated(
          "it has shown no certificate, and this node requires one: give it [tls] certificate and key, or set "
          "peer_certificates = \"optional\" here");
    case SSL_R_NO_APPLICATION_PROTOCOL:
      return wrong_protocol_error();
    case SSL_R_NO_SHARED_CIPHER:
    case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
    case SSL_R_NO_SUITABLE_KEY_SHARE:
    case SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS:
      return mismatch("the two sides have no cipher, curve or signature in common; update the older one");
    case ERR_R_MALLOC_FAILURE:
      return Status(StatusCode::kResourceExhausted, "no memory for TLS");
    default:
      return std::nullopt;
  }
}

}  // namespace

Status certificate_error(int verify_error, int depth, X509* certificate) {
  const std::string whose = (depth == 0 ? "its certificate, for " : "a CA above its certificate, ") +
                            (certificate == nullptr ? std::string("nobody") : describe_subject(certificate)) + ", ";
  switch (verify_error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return unauthenticated(whose + "has expired, at " + describe_time(X509_get0_notAfter(certificate)) +
                             ": issue a new one (onward certs issue --renew)");
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return unauthenticated(whose + "is not valid before " + describe_time(X509_get0_notBefore(certificate)) +
                             ": compare the clocks of the two machines");
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
      return unauthenticated(whose + "is self-signed: issue one from a CA that this node trusts");
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
      return unauthenticated(whose + "is from a CA that this node does not trust, " + describe_issuer(certificate) +
                             ": issue it from the same CA as this node's, or add that one to [tls] ca");
    case X509_V_ERR_CERT_REVOKED:
      return unauthenticated(whose + "has been revoked: issue a new one");
    case X509_V_ERR_INVALID_PURPOSE:
      return unauthenticated(whose +
                             "is not made for this purpose: its extended key usage must have clientAuth and "
                             "serverAuth");
    case X509_V_ERR_UNABLE_TO_GET_CRL:
      return unauthenticated(whose + "cannot be checked: [tls] crl holds no list of its CA, " +
                             describe_issuer(certificate) + ": add that one");
    case X509_V_ERR_CRL_HAS_EXPIRED:
      return unauthenticated(whose + "cannot be checked: the list of its CA in [tls] crl has expired: get a new one");
    default:
      return unauthenticated(whose + "is refused: " + X509_verify_cert_error_string(verify_error));
  }
}

Status wrong_name_error(X509* certificate, const std::string& node, const std::string& host) {
  if (!node.empty()) {
    return unauthenticated("wrong name: its certificate is for " + describe_subject(certificate) + ", not for node \"" +
                           node + "\": check that peer's URL, or issue it a certificate of its own");
  }
  return unauthenticated("wrong name: its certificate, for " + describe_subject(certificate) +
                         ", is not for the host \"" + host + "\": issue it with --host " + host +
                         ", or call the node by its name");
}

Status ssl_error(TlsOptions::Version min_version) {
  const unsigned long error = ERR_peek_error();
  const int reason = ERR_GET_REASON(error);
  if (ERR_GET_LIB(error) == ERR_LIB_SSL) {
    std::optional<Status> known = reason > SSL_AD_REASON_OFFSET ? received_alert(reason - SSL_AD_REASON_OFFSET)
                                                                : known_reason(reason, min_version);
    if (known) {
      ERR_clear_error();
      return *std::move(known);
    }
    if (reason > SSL_AD_REASON_OFFSET) {
      return mismatch("it ended TLS with an alert: " + ssl_error_words());
    }
  }
  return {StatusCode::kInvalidArgument, "it breaks the TLS protocol: " + ssl_error_words()};
}

std::string ssl_error_words() {
  const char* words = ERR_reason_error_string(ERR_peek_error());
  std::string text = words == nullptr ? "no reason given" : words;
  ERR_clear_error();
  return text;
}

Status no_tls_error(std::span<const std::byte> first_bytes, bool accepted) {
  constexpr std::size_t kShown = 16;
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const std::byte byte : first_bytes.first(std::min(first_bytes.size(), kShown))) {
    const auto c = std::to_integer<unsigned char>(byte);
    if (c >= ' ' && c <= '~' && c != '"' && c != '\\') {
      text += static_cast<char>(c);
    } else {
      text += {'\\', 'x', kDigits[c >> 4U], kDigits[c & 15U]};
    }
  }
  return mismatch(
      "it speaks no TLS: its first bytes are \"" + text + "\"; " +
      (accepted ? "it should have tls:// in its URL" : "write tcp:// in its URL, or have it listen on tls://"));
}

Status old_version_error(unsigned offered_version, TlsOptions::Version min_version) {
  return mismatch("it offers " + name_of(offered_version) + " at most; " + version_advice(min_version));
}

Status wrong_protocol_error() {
  return mismatch("it speaks TLS, but does not offer " + std::string(kTlsProtocol) + " (ALPN): is it a node?");
}

}  // namespace onward
