// SPDX-License-Identifier: Apache-2.0
//
// CertificateAuthority, and files that a TlsContext cannot use.
#include "tls/certificate_authority.h"

#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <sys/stat.h>

#include <fstream>
#include <sstream>

#include "onward/tls/tls_transport.h"
#include "tls/certificate_names.h"
#include "tls/tls_context.h"
#include "tls_fixture.h"

namespace onward {
namespace {

namespace fs = std::filesystem;

std::string text_of(const fs::path& file) {
  std::ostringstream text;
  text << std::ifstream(file).rdbuf();
  return text.str();
}

CertificateHandle certificate_in(const fs::path& file) {
  const BioHandle bio(BIO_new_file(file.c_str(), "r"));
  return CertificateHandle(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
}

unsigned mode_of(const fs::path& file) {
  struct stat status{};
  EXPECT_EQ(::stat(file.c_str(), &status), 0) << file;
  return status.st_mode & 0777U;
}

class Authority : public testing::Test {
 protected:
  TemporaryFolder folder;
  fs::path place = folder.path() / "ca";
};

TEST_F(Authority, KeysAreForTheirOwnerAlone) {
  const CertificateAuthority authority = CertificateAuthority::create(place).value();
  authority.issue({.node = "a"}).throw_if_error();
  EXPECT_EQ(mode_of(place), 0700U);
  EXPECT_EQ(mode_of(authority.key()), 0600U);
  EXPECT_EQ(mode_of(authority.key_of("a")), 0600U);
  EXPECT_TRUE(fs::exists(authority.certificate()) && fs::exists(authority.certificate_of("a")));
}

TEST_F(Authority, NothingIsOverwrittenUnlessSaid) {
  const CertificateAuthority authority = CertificateAuthority::create(place).value();
  const auto again = CertificateAuthority::create(place);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code(), StatusCode::kAlreadyExists);
  authority.issue({.node = "a"}).throw_if_error();
  const std::string before = text_of(authority.certificate_of("a"));
  const Status twice = authority.issue({.node = "a"});
  EXPECT_EQ(twice.code(), StatusCode::kAlreadyExists);
  EXPECT_NE(twice.message().find("--renew"), std::string::npos);
  EXPECT_EQ(text_of(authority.certificate_of("a")), before);
  authority.issue({.node = "a", .renew = true}).throw_if_error();
  EXPECT_NE(text_of(authority.certificate_of("a")), before);
  EXPECT_EQ(mode_of(authority.key_of("a")), 0600U);
}

TEST_F(Authority, CertificatesNameNodesAndHosts) {
  const CertificateAuthority authority = CertificateAuthority::create(place).value();
  authority.issue({.node = "worker-1", .hosts = {"a.example", "10.1.2.3", "*.b.example"}}).throw_if_error();
  const CertificateHandle made = certificate_in(authority.certificate_of("worker-1"));
  ASSERT_NE(made, nullptr);
  EXPECT_EQ(node_names(made.get()), std::vector<std::string>{"worker-1"});
  EXPECT_TRUE(is_for_node(made.get(), "worker-1"));
  EXPECT_FALSE(is_for_node(made.get(), "worker-2") || is_for_node(made.get(), "a.example"));
  for (const char* host : {"worker-1", "localhost", "127.0.0.1", "::1", "a.example", "10.1.2.3", "x.b.example"}) {
    EXPECT_TRUE(is_for_host(made.get(), host)) << host;
  }
  for (const char* host : {"example", "b.example", "127.0.0.2", "10.1.2.30", "x.y.b.example"}) {
    EXPECT_FALSE(is_for_host(made.get(), host)) << host;
  }
  EXPECT_EQ(X509_get_version(made.get()), X509_VERSION_3);
  EXPECT_EQ(X509_check_ca(made.get()), 0);
  EXPECT_NE(X509_check_ca(certificate_in(authority.certificate()).get()), 0);
}

// A name that is no host's is still a node's.
TEST_F(Authority, NodesMayHaveOddNames) {
  const CertificateAuthority authority = CertificateAuthority::create(place).value();
  authority.issue({.node = "Worker_1:a"}).throw_if_error();
  const CertificateHandle made = certificate_in(authority.certificate_of("Worker_1:a"));
  EXPECT_EQ(node_names(made.get()), std::vector<std::string>{"Worker_1:a"});
  for (const char* name : {"", "ca", "crl", "../a", "a/b", ".a", "a b", "a\n"}) {
    EXPECT_EQ(authority.issue({.node = name}).code(), StatusCode::kInvalidArgument) << name;
  }
  EXPECT_EQ(authority.issue({.node = std::string(65, 'a')}).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(authority.issue({.node = "b", .hosts = {"no host"}}).code(), StatusCode::kInvalidArgument);
}

TEST_F(Authority, RevokingIsRemembered) {
  const CertificateAuthority authority = CertificateAuthority::create(place).value();
  for (const char* node : {"a", "b"}) {
    authority.issue({.node = node}).throw_if_error();
    authority.revoke(node).throw_if_error();
    authority.revoke(node).throw_if_error();
  }
  EXPECT_EQ(authority.revoke("nobody").code(), StatusCode::kNotFound);
  const BioHandle bio(BIO_new_file(authority.crl().c_str(), "r"));
  const CrlHandle list(PEM_read_bio_X509_CRL(bio.get(), nullptr, nullptr, nullptr));
  ASSERT_NE(list, nullptr);
  EXPECT_EQ(sk_X509_REVOKED_num(X509_CRL_get_REVOKED(list.get())), 2);
}

TEST_F(Authority, OpeningSaysWhatIsMissing) {
  const auto none = CertificateAuthority::open(place);
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code(), StatusCode::kNotFound);
  EXPECT_NE(none.error().message().find("onward certs init"), std::string::npos) << none.error().message();
  const CertificateAuthority authority = CertificateAuthority::create(place).value();
  EXPECT_TRUE(CertificateAuthority::open(place));
  authority.issue({.node = "a"}).throw_if_error();
  fs::copy_file(authority.key_of("a"), authority.key(), fs::copy_options::overwrite_existing);
  const auto mixed = CertificateAuthority::open(place);
  ASSERT_FALSE(mixed);
  EXPECT_EQ(mixed.error().code(), StatusCode::kFailedPrecondition);
}

class TlsFiles : public Authority {
 protected:
  TlsFiles() {
    authority.issue({.node = "a"}).throw_if_error();
    authority.issue({.node = "b"}).throw_if_error();
    authority.revoke("b").throw_if_error();
  }
  void expect_error(const std::vector<std::string>& parts) const {
    const Status failed = check_tls_files(options);
    EXPECT_EQ(failed.code(), StatusCode::kFailedPrecondition);
    for (const std::string& part : parts) {
      EXPECT_NE(failed.message().find(part), std::string::npos) << failed.message() << "\nexpected: " << part;
    }
  }

  CertificateAuthority authority = CertificateAuthority::create(place).value();
  TlsOptions options{.certificate = authority.certificate_of("a"),
                     .key = authority.key_of("a"),
                     .ca = authority.certificate(),
                     .crl = authority.crl()};
  std::string nonsense = folder.path() / "nonsense";
};

TEST_F(TlsFiles, GoodOnesAreLoaded) {
  EXPECT_TRUE(check_tls_files(options).ok()) << check_tls_files(options).to_string();
  EXPECT_TRUE(check_tls_files({}).ok());
  EXPECT_EQ(first_node_name(options.certificate), "a");
}

TEST_F(TlsFiles, EachThatIsWrongIsNamed) {
  std::ofstream(nonsense) << "nonsense";
  const TlsOptions good = options;
  for (std::string TlsOptions::* const file :
       {&TlsOptions::certificate, &TlsOptions::key, &TlsOptions::ca, &TlsOptions::crl}) {
    options = good;
    options.*file = folder.path() / "missing";
    expect_error({options.*file, "No such file", "onward certs"});
    options.*file = nonsense;
    expect_error({nonsense, "no PEM"});
  }
  EXPECT_FALSE(first_node_name(nonsense));
}

TEST_F(TlsFiles, KeyAndCertificateBelongTogether) {
  options.key = authority.key_of("b");
  expect_error({options.key, "not that of the certificate", options.certificate});
  options.key.clear();
  expect_error({"no key"});
  std::swap(options.key, options.certificate);
  options.key = authority.key_of("b");
  expect_error({"no certificate"});
}

}  // namespace
}  // namespace onward
