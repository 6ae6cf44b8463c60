// SPDX-License-Identifier: Apache-2.0
//
// What goes wrong with TLS, in sentences about the peer: "its certificate has expired, …". UNAUTHENTICATED for
// certificates, FAILED_PRECONDITION where two sides do not fit together, INVALID_ARGUMENT where the peer breaks the
// protocol. None of them mends itself by trying again.
#pragma once

#include <openssl/x509.h>

#include <cstddef>
#include <span>
#include <string>

#include "onward/status.h"
#include "onward/tls/tls_options.h"

namespace onward {

// Why verification (X509_V_ERR_…) has refused `certificate`, the peer's if `depth` is 0, else a CA's above it.
[[nodiscard]] Status certificate_error(int verify_error, int depth, X509* certificate);

// The certificate is good, but the peer was to prove to be node `node`, or, if that is empty, `host`.
[[nodiscard]] Status wrong_name_error(X509* certificate, const std::string& node, const std::string& host);

// The reason of the last call to OpenSSL that failed, from its queue of errors, which is emptied.
[[nodiscard]] Status ssl_error(TlsOptions::Version min_version);
// The same as words, for errors that have no sentence: "bad end line".
[[nodiscard]] std::string ssl_error_words();

// The first byte that the peer has sent is not one of TLS. `accepted`: it has connected to this node.
[[nodiscard]] Status no_tls_error(std::span<const std::byte> first_bytes, bool accepted);
[[nodiscard]] Status old_version_error(unsigned offered_version, TlsOptions::Version min_version);
[[nodiscard]] Status wrong_protocol_error();

}  // namespace onward
