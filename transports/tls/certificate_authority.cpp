// SPDX-License-Identifier: Apache-2.0
#include "tls/certificate_authority.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <string_view>
#include <system_error>
#include <utility>

#include "onward/url.h"
#include "tls/certificate_names.h"
#include "tls/tls_errors.h"

namespace onward {
namespace {

namespace fs = std::filesystem;

constexpr mode_t kPrivate = 0600;
constexpr mode_t kPublic = 0644;
constexpr std::size_t kMaxNameBytes = 64;  // of a common name (X.520)

using ExtensionHandle = std::unique_ptr<X509_EXTENSION, OpensslFree<X509_EXTENSION_free>>;
using SerialHandle = std::unique_ptr<ASN1_INTEGER, OpensslFree<ASN1_INTEGER_free>>;
using TimeHandle = std::unique_ptr<ASN1_TIME, OpensslFree<ASN1_TIME_free>>;
using RevokedHandle = std::unique_ptr<X509_REVOKED, OpensslFree<X509_REVOKED_free>>;

// What can only fail for want of memory, or of random numbers.
void must(int result) {
  if (result <= 0) throw RpcError(StatusCode::kResourceExhausted, "OpenSSL: " + ssl_error_words());
}

Status io_error(const char* what, const fs::path& file, int number) {
  const StatusCode code = number == EEXIST                      ? StatusCode::kAlreadyExists
                          : number == ENOENT                    ? StatusCode::kNotFound
                          : number == EACCES || number == EPERM ? StatusCode::kPermissionDenied
                                                                : StatusCode::kUnavailable;
  return {code, "cannot " + std::string(what) + " " + file.string() + ": " + std::generic_category().message(number)};
}

// Beside the file, then in its place, so that nobody reads half of it.
Status write_file(const fs::path& file, BIO* content, mode_t mode) {
  const char* data = nullptr;
  const auto size = static_cast<std::size_t>(BIO_get_mem_data(content, &data));
  const fs::path part = file.string() + ".part";
  ::unlink(part.c_str());
  const int descriptor = ::open(part.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
  if (descriptor < 0) return io_error("write", part, errno);
  int error = 0;
  for (std::size_t done = 0; done < size && error == 0;) {
    const ssize_t put = ::write(descriptor, data + done, size - done);
    if (put > 0) {
      done += static_cast<std::size_t>(put);
    } else if (errno != EINTR) {
      error = errno;
    }
  }
  if (::close(descriptor) != 0 && error == 0) error = errno;
  if (error == 0 && ::rename(part.c_str(), file.c_str()) != 0) error = errno;
  if (error == 0) return {};
  ::unlink(part.c_str());
  return io_error("write", file, error);
}

BioHandle memory() { return BioHandle(or_no_memory(BIO_new(BIO_s_mem()))); }

Status write_certificate(const fs::path& file, X509* certificate) {
  const BioHandle pem = memory();
  must(PEM_write_bio_X509(pem.get(), certificate));
  return write_file(file, pem.get(), kPublic);
}

Status write_key(const fs::path& file, EVP_PKEY* key) {
  const BioHandle pem = memory();
  must(PEM_write_bio_PrivateKey(pem.get(), key, nullptr, nullptr, 0, nullptr, nullptr));
  return write_file(file, pem.get(), kPrivate);
}

// What `read` finds in a PEM file.
template <class Handle, class Read>
Result<Handle> read_pem(const fs::path& file, Read read) {
  ERR_clear_error();
  const BioHandle bio(BIO_new_file(file.c_str(), "r"));
  if (bio == nullptr) {
    const unsigned long error = ERR_peek_error();
    ERR_clear_error();
    return std::unexpected(io_error("read", file, ERR_SYSTEM_ERROR(error) ? ERR_GET_REASON(error) : ENOENT));
  }
  Handle found(read(bio.get(), nullptr, [](char*, int, int, void*) { return -1; }, nullptr));
  if (found != nullptr) return found;
  return fail(StatusCode::kFailedPrecondition,
              file.string() + " is no PEM file of what it should be: " + ssl_error_words());
}

KeyHandle make_key() { return KeyHandle(or_no_memory(EVP_EC_gen("P-256"))); }

SerialHandle make_serial() {
  std::array<unsigned char, 16> bytes{};
  must(RAND_bytes(bytes.data(), static_cast<int>(bytes.size())));
  bytes[0] &= 0x7F;  // positive
  bytes[0] |= 0x40;  // and always as long
  const std::unique_ptr<BIGNUM, OpensslFree<BN_free>> number(
      or_no_memory(BN_bin2bn(bytes.data(), static_cast<int>(bytes.size()), nullptr)));
  return SerialHandle(or_no_memory(BN_to_ASN1_INTEGER(number.get(), nullptr)));
}

TimeHandle make_time(std::chrono::system_clock::time_point time) {
  return TimeHandle(or_no_memory(ASN1_TIME_set(nullptr, std::chrono::system_clock::to_time_t(time))));
}

// With everything but extensions and a signature.
CertificateHandle make_certificate(const std::string& common_name, EVP_PKEY* key, const X509_NAME* issuer,
                                   const Validity& validity) {
  CertificateHandle certificate(or_no_memory(X509_new()));
  must(X509_set_version(certificate.get(), X509_VERSION_3));
  must(X509_set_serialNumber(certificate.get(), make_serial().get()));
  must(X509_set1_notBefore(certificate.get(), make_time(validity.begin).get()));
  must(X509_set1_notAfter(certificate.get(), make_time(validity.end).get()));
  must(X509_set_pubkey(certificate.get(), key));
  X509_NAME* subject = X509_get_subject_name(certificate.get());
  must(X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_UTF8,
                                  reinterpret_cast<const unsigned char*>(common_name.data()),
                                  static_cast<int>(common_name.size()), -1, 0));
  must(X509_set_issuer_name(certificate.get(), issuer == nullptr ? subject : issuer));
  return certificate;
}

void add_extension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const ExtensionHandle extension(or_no_memory(X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str())));
  must(X509_add_ext(certificate, extension.get(), -1));
}

bool is_dns_name(std::string_view name) {
  return !name.empty() && name.front() != '-' && name.front() != '.' && name.back() != '-' && name.back() != '.' &&
         name.find("..") == name.npos && std::ranges::all_of(name, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
         });
}

bool is_address(const std::string& host) {
  const std::unique_ptr<ASN1_OCTET_STRING, OpensslFree<ASN1_OCTET_STRING_free>> bytes(a2i_IPADDRESS(host.c_str()));
  ERR_clear_error();
  return bytes != nullptr;
}

// Of a certificate's subject alternative names.
class AlternativeNames {
 public:
  void add(int type, const std::string& value) {
    GENERAL_NAME* name = or_no_memory(GENERAL_NAME_new());
    must(sk_GENERAL_NAME_push(names_.get(), name));
    if (type == GEN_IPADD) {
      GENERAL_NAME_set0_value(name, type, or_no_memory(a2i_IPADDRESS(value.c_str())));
      return;
    }
    ASN1_IA5STRING* text = or_no_memory(ASN1_IA5STRING_new());
    must(ASN1_STRING_set(text, value.data(), static_cast<int>(value.size())));
    GENERAL_NAME_set0_value(name, type, text);
  }
  void add_host(const std::string& host) { add(is_address(host) ? GEN_IPADD : GEN_DNS, host); }
  void put_into(X509* certificate) {
    must(X509_add1_ext_i2d(certificate, NID_subject_alt_name, names_.get(), 0, X509V3_ADD_DEFAULT));
  }

 private:
  std::unique_ptr<GENERAL_NAMES, OpensslFree<GENERAL_NAMES_free>> names_{or_no_memory(GENERAL_NAMES_new())};
};

Status check_request(const CertificateRequest& request) {
  const std::string& name = request.node;
  const auto invalid = [&name](const char* why) {
    return Status(StatusCode::kInvalidArgument, "no certificate can be made for \"" + name + "\": " + why);
  };
  if (name.empty() || name.size() > kMaxNameBytes) return invalid("a name has 1 to 64 bytes");
  if (name == "ca" || name == "crl") return invalid("files of that name are the CA's own");
  if (name.front() == '.' || std::ranges::any_of(name, [](char c) { return c <= ' ' || c > '~' || c == '/'; })) {
    return invalid("its files could not be named; use letters, digits, - and _");
  }
  for (const std::string& host : request.hosts) {
    if (is_address(host) || is_dns_name(host) || (host.starts_with("*.") && is_dns_name(host.substr(2)))) continue;
    return {StatusCode::kInvalidArgument, "\"" + host + "\" is neither the name nor the address of a host"};
  }
  return {};
}

std::string purposes(const CertificateRequest& request) {
  if (request.for_clients && request.for_servers) return "serverAuth,clientAuth";
  return request.for_servers ? "serverAuth" : "clientAuth";
}

}  // namespace

Validity Validity::for_days(int days) {
  const auto now = std::chrono::system_clock::now();
  return {.begin = now - std::chrono::hours(1), .end = now + std::chrono::days(days)};
}

Result<CertificateAuthority> CertificateAuthority::create(const fs::path& folder, const Validity& validity) {
  if (::mkdir(folder.c_str(), S_IRWXU) != 0 && errno != EEXIST) {
    return std::unexpected(io_error("make the folder", folder, errno));
  }
  KeyHandle key = make_key();
  // Two CAs should not be called the same.
  std::array<unsigned char, 4> id{};
  must(RAND_bytes(id.data(), static_cast<int>(id.size())));
  std::array<char, 32> name{};
  std::snprintf(name.data(), name.size(), "Onward CA %02x%02x%02x%02x", id[0], id[1], id[2], id[3]);
  CertificateHandle own = make_certificate(name.data(), key.get(), nullptr, validity);
  add_extension(own.get(), own.get(), NID_basic_constraints, "critical,CA:TRUE,pathlen:0");
  add_extension(own.get(), own.get(), NID_key_usage, "critical,keyCertSign,cRLSign");
  add_extension(own.get(), own.get(), NID_subject_key_identifier, "hash");
  must(X509_sign(own.get(), key.get(), EVP_sha256()));

  CertificateAuthority authority(folder, std::move(own), std::move(key));
  for (const fs::path& file : {authority.certificate(), authority.key()}) {
    if (!fs::exists(file)) continue;
    return fail(StatusCode::kAlreadyExists,
                file.string() + " exists: this CA goes on; take another folder for a new one");
  }
  Status failed = write_key(authority.key(), authority.key_.get());
  if (failed.ok()) failed = write_certificate(authority.certificate(), authority.certificate_.get());
  if (!failed.ok()) return std::unexpected(std::move(failed));
  return authority;
}

Result<CertificateAuthority> CertificateAuthority::open(const fs::path& folder) {
  const auto advise = [&folder](const Status& failed) {
    return std::unexpected(
        failed.code() == StatusCode::kNotFound
            ? failed.with_message(failed.message() + "; `onward certs init " + folder.string() + "` makes a CA there")
            : failed);
  };
  auto certificate = read_pem<CertificateHandle>(folder / "ca.pem", PEM_read_bio_X509);
  if (!certificate) return advise(certificate.error());
  auto key = read_pem<KeyHandle>(folder / "ca.key", PEM_read_bio_PrivateKey);
  if (!key) return advise(key.error());
  if (X509_check_private_key(certificate->get(), key->get()) != 1) {
    ERR_clear_error();
    return fail(StatusCode::kFailedPrecondition, (folder / "ca.key").string() + " is not the key of ca.pem beside it");
  }
  return CertificateAuthority(folder, *std::move(certificate), *std::move(key));
}

Status CertificateAuthority::issue(const CertificateRequest& request) const {
  if (Status wrong = check_request(request); !wrong.ok()) return wrong;
  for (const fs::path& file : {certificate_of(request.node), key_of(request.node)}) {
    if (request.renew || !fs::exists(file)) continue;
    return {StatusCode::kAlreadyExists, file.string() + " exists; --renew replaces it"};
  }
  const KeyHandle key = make_key();
  const CertificateHandle made =
      make_certificate(request.node, key.get(), X509_get_subject_name(certificate_.get()), request.validity);
  add_extension(made.get(), certificate_.get(), NID_basic_constraints, "critical,CA:FALSE");
  add_extension(made.get(), certificate_.get(), NID_key_usage, "critical,digitalSignature");
  add_extension(made.get(), certificate_.get(), NID_ext_key_usage, purposes(request));
  add_extension(made.get(), certificate_.get(), NID_subject_key_identifier, "hash");
  add_extension(made.get(), certificate_.get(), NID_authority_key_identifier, "keyid:always");
  AlternativeNames names;
  names.add(GEN_URI, std::string(kNodeUriPrefix) + request.node);
  std::vector<std::string> hosts = {"localhost", "127.0.0.1", "::1"};
  if (is_dns_name(request.node) && !is_address(request.node)) hosts.insert(hosts.begin(), request.node);
  hosts.insert(hosts.end(), request.hosts.begin(), request.hosts.end());
  for (const std::string& host : hosts) names.add_host(host);
  names.put_into(made.get());
  must(X509_sign(made.get(), key_.get(), EVP_sha256()));
  const Status failed = write_key(key_of(request.node), key.get());
  return failed.ok() ? write_certificate(certificate_of(request.node), made.get()) : failed;
}

Status CertificateAuthority::revoke(const std::string& node) const {
  const auto certificate = read_pem<CertificateHandle>(certificate_of(node), PEM_read_bio_X509);
  if (!certificate) {
    return certificate.error().with_message(certificate.error().message() + "; that is the certificate to revoke");
  }
  auto list = read_pem<CrlHandle>(crl(), PEM_read_bio_X509_CRL);
  if (!list) {
    if (list.error().code() != StatusCode::kNotFound) return list.error();
    list = CrlHandle(or_no_memory(X509_CRL_new()));
    must(X509_CRL_set_version(list->get(), X509_CRL_VERSION_2));
    must(X509_CRL_set_issuer_name(list->get(), X509_get_subject_name(certificate_.get())));
  }
  const auto now = std::chrono::system_clock::now();
  X509_REVOKED* entry = nullptr;
  if (X509_CRL_get0_by_cert(list->get(), &entry, certificate->get()) != 1) {
    RevokedHandle revoked(or_no_memory(X509_REVOKED_new()));
    must(X509_REVOKED_set_serialNumber(revoked.get(), X509_get_serialNumber(certificate->get())));
    must(X509_REVOKED_set_revocationDate(revoked.get(), make_time(now).get()));
    must(X509_CRL_add0_revoked(list->get(), revoked.get()));
    [[maybe_unused]] const X509_REVOKED* const theirs = revoked.release();
  }
  // Nobody has to make it anew before the CA itself ends.
  must(X509_CRL_set1_lastUpdate(list->get(), make_time(now - std::chrono::hours(1)).get()));
  must(X509_CRL_set1_nextUpdate(list->get(), X509_get0_notAfter(certificate_.get())));
  must(X509_CRL_sort(list->get()));
  must(X509_CRL_sign(list->get(), key_.get(), EVP_sha256()));
  const BioHandle pem = memory();
  must(PEM_write_bio_X509_CRL(pem.get(), list->get()));
  return write_file(crl(), pem.get(), kPublic);
}

}  // namespace onward
