// SPDX-License-Identifier: Apache-2.0
//
// A CA for development and tests: a folder with its certificate, its key, and those of the nodes.
//
//   DIR/ca.pem  DIR/ca.key      the CA; whoever has the key can be any node
//   DIR/NAME.pem  DIR/NAME.key  for node NAME
//   DIR/crl.pem                 certificates that have been revoked, once there is one
//
// Keys are of the curve P-256, for their owner's eyes only (mode 0600). Files that exist are left alone unless said.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "onward/status.h"
#include "tls/openssl_handle.h"

namespace onward {

// When a certificate holds.
struct Validity {
  // An hour back, for clocks that differ, and so many days from now.
  [[nodiscard]] static Validity for_days(int days);
  std::chrono::system_clock::time_point begin;
  std::chrono::system_clock::time_point end;
};

struct CertificateRequest {
  std::string node;                     // its name; part of file names
  std::vector<std::string> hosts = {};  // names and addresses, besides localhost, 127.0.0.1, ::1 and `node`
  Validity validity = Validity::for_days(kDays);
  bool renew = false;  // replaces what there is
  // What a certificate needs to be taken from one who connects, and from one who listens.
  bool for_clients = true;
  bool for_servers = true;

  static constexpr int kDays = 825;
};

class CertificateAuthority {
 public:
  static constexpr int kDays = 3650;

  // A new one; makes the folder, with mode 0700, if it is not there. ALREADY_EXISTS if that holds one.
  [[nodiscard]] static Result<CertificateAuthority> create(const std::filesystem::path& folder,
                                                           const Validity& validity = Validity::for_days(kDays));
  // NOT_FOUND if there is none, FAILED_PRECONDITION if its files are not what they should be.
  [[nodiscard]] static Result<CertificateAuthority> open(const std::filesystem::path& folder);

  // A certificate and its key. INVALID_ARGUMENT for a name that cannot be one, ALREADY_EXISTS.
  [[nodiscard]] Status issue(const CertificateRequest& request) const;
  // Adds the certificate in NAME.pem to the revoked ones. NOT_FOUND if there is none. Twice is fine.
  [[nodiscard]] Status revoke(const std::string& node) const;

  [[nodiscard]] const std::filesystem::path& folder() const noexcept { return folder_; }
  [[nodiscard]] std::filesystem::path certificate() const { return folder_ / "ca.pem"; }
  [[nodiscard]] std::filesystem::path key() const { return folder_ / "ca.key"; }
  [[nodiscard]] std::filesystem::path crl() const { return folder_ / "crl.pem"; }
  [[nodiscard]] std::filesystem::path certificate_of(const std::string& node) const {
    return folder_ / (node + ".pem");
  }
  [[nodiscard]] std::filesystem::path key_of(const std::string& node) const { return folder_ / (node + ".key"); }

 private:
  CertificateAuthority(std::filesystem::path folder, CertificateHandle certificate, KeyHandle key)
      : folder_(std::move(folder)), certificate_(std::move(certificate)), key_(std::move(key)) {}

  std::filesystem::path folder_;
  CertificateHandle certificate_;
  KeyHandle key_;
};

}  // namespace onward
