// SPDX-License-Identifier: Apache-2.0
#include "certs_command.h"

#include <cstdio>
#include <filesystem>

#include "tls/certificate_authority.h"

namespace onward {
namespace {

constexpr int kFailed = 1;

int report(const Status& failed) {
  std::fprintf(stderr, "onward certs: %s\n", failed.message().c_str());
  return kFailed;
}

Validity validity_of(const CertsCommand& command, int usual_days) {
  return Validity::for_days(command.days > 0 ? command.days : usual_days);
}

// A configuration takes relative paths as relative to itself, so these are not.
std::string to_paste(const std::filesystem::path& path) {
  return std::filesystem::absolute(path).lexically_normal().string();
}

int init(const CertsCommand& command) {
  const auto made = CertificateAuthority::create(command.folder, validity_of(command, CertificateAuthority::kDays));
  if (!made) return report(made.error());
  std::printf(
      "made %s, the CA's certificate, and %s, its key: who has that can be any node\n"
      "Next: onward certs issue %s NAME…\n",
      made->certificate().c_str(), made->key().c_str(), command.folder.c_str());
  return 0;
}

int issue(const CertsCommand& command, const CertificateAuthority& authority) {
  for (const std::string& node : command.nodes) {
    const Status failed = authority.issue({.node = node,
                                           .hosts = command.hosts,
                                           .validity = validity_of(command, CertificateRequest::kDays),
                                           .renew = command.renew});
    if (!failed.ok()) return report(failed);
    std::printf(
        "made %s and %s\n\n"
        "[tls]    # in the configuration of %s\n"
        "certificate = \"%s\"\n"
        "key = \"%s\"\n"
        "ca = \"%s\"\n\n",
        authority.certificate_of(node).c_str(), authority.key_of(node).c_str(), node.c_str(),
        to_paste(authority.certificate_of(node)).c_str(), to_paste(authority.key_of(node)).c_str(),
        to_paste(authority.certificate()).c_str());
  }
  return 0;
}

int revoke(const CertsCommand& command, const CertificateAuthority& authority) {
  for (const std::string& node : command.nodes) {
    if (const Status failed = authority.revoke(node); !failed.ok()) return report(failed);
    std::printf("revoked %s in %s\n", authority.certificate_of(node).c_str(), authority.crl().c_str());
  }
  std::printf("Nodes with crl = \"%s\" in [tls] refuse them from their next start or SIGHUP on.\n",
              to_paste(authority.crl()).c_str());
  return 0;
}

}  // namespace

int run_certs(const CertsCommand& command) {
  if (command.verb == CertsCommand::Verb::kInit) return init(command);
  const auto authority = CertificateAuthority::open(command.folder);
  if (!authority) return report(authority.error());
  return command.verb == CertsCommand::Verb::kIssue ? issue(command, *authority) : revoke(command, *authority);
}

}  // namespace onward
