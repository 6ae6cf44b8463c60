// SPDX-License-Identifier: Apache-2.0
//
// Whom a certificate is for.
#pragma once

#include <openssl/x509.h>

#include <string>
#include <string_view>
#include <vector>

namespace onward {

// A node's name in a certificate is a subject alternative name of type URI, "onward:worker-1".
inline constexpr std::string_view kNodeUriPrefix = "onward:";

// The nodes that a certificate is for: its onward: URIs, or, where it has none, its DNS names.
[[nodiscard]] std::vector<std::string> node_names(X509* certificate);

[[nodiscard]] bool is_for_node(X509* certificate, std::string_view node);
// Whether it is for the host, a name or an address, by a DNS name or an address in it.
[[nodiscard]] bool is_for_host(X509* certificate, const std::string& host);

// For messages: `"worker-1"`, or the subject's common name where there is no other. Whatever a stranger has
// written there, it is short and printable.
[[nodiscard]] std::string describe_subject(X509* certificate);
// The same of who has signed it.
[[nodiscard]] std::string describe_issuer(X509* certificate);
// "2026-11-23 06:40:54 UTC".
[[nodiscard]] std::string describe_time(const ASN1_TIME* time);

}  // namespace onward
