// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace onward {

// What peers agree to speak, by ALPN; see docs/WIRE.md.
inline constexpr std::string_view kTlsProtocol = "onward/1";

// PEM files. To connect, `ca` is enough where listeners require no certificate.
struct TlsOptions {
  std::string certificate;  // this node's, and behind it those of CAs between it and `ca`
  std::string key;          // of the certificate, not encrypted
  std::string ca;           // the CAs whose certificates prove who somebody is
  std::string crl;          // certificates that have been revoked; empty: none have
  // False: listeners take in who shows no certificate, as nobody in particular. One that is shown must be good.
  bool require_peer_certificate = true;
  enum class Version : std::uint8_t { kTls12, kTls13 };
  Version min_version = Version::kTls13;
};

}  // namespace onward
