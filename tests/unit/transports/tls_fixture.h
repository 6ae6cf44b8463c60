// SPDX-License-Identifier: Apache-2.0
//
// Certificates, good and bad, of CAs that live as long as the process.
#pragma once

#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <string>

#include "onward/tls/tls_options.h"
#include "tls/certificate_authority.h"

namespace onward {

// A folder that goes with it.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "onward-tls-XXXXXX").string();
    if (::mkdtemp(name.data()) != nullptr) path_ = name;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }

 private:
  std::filesystem::path path_;
};

class TestAuthority {
 public:
  // The one that everybody trusts, and one that nobody does.
  static TestAuthority& trusted() {
    static TestAuthority authority;
    return authority;
  }
  static TestAuthority& stranger() {
    static TestAuthority authority;
    return authority;
  }

  // The files of a node; made when they are first asked for.
  TlsOptions options(const CertificateRequest& request) {
    if (!std::filesystem::exists(authority_.certificate_of(request.node))) authority_.issue(request).throw_if_error();
    return {.certificate = authority_.certificate_of(request.node),
            .key = authority_.key_of(request.node),
            .ca = authority_.certificate(),
            .crl = {}};
  }
  TlsOptions options(const std::string& node) { return options(CertificateRequest{.node = node}); }
  // Revokes it; the list of all that have been.
  std::string revoke(const std::string& node) {
    authority_.revoke(node).throw_if_error();
    return authority_.crl();
  }
  [[nodiscard]] const CertificateAuthority& get() const noexcept { return authority_; }

 private:
  TemporaryFolder folder_;
  CertificateAuthority authority_ = CertificateAuthority::create(folder_.path()).value();
};

inline CertificateRequest request_with(const std::string& node, std::chrono::hours begin, std::chrono::hours end) {
  const auto now = std::chrono::system_clock::now();
  return {.node = node, .validity = {.begin = now + begin, .end = now + end}};
}

}  // namespace onward
