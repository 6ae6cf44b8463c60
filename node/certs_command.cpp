// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "certificate_tools.h"
#include "onward/tls/tls_transport.h"
#include "tls/certificate_authority.h"

namespace onward {
namespace {

struct CertsCommand {
  std::string folder;
  std::vector<std::string> nodes = {};  // to issue for, to revoke
  std::vector<std::string> hosts = {};  // that certificates are for, besides this one
  int days = CertificateRequest::kDays;
  bool renew = false;  // replace what is there
  std::string group;   // "onward certs"
};

int report(const CertsCommand& command, const Status& failed) {
  std::fprintf(stderr, "%s: %s\n", command.group.c_str(), failed.message().c_str());
  return kFailed;
}

// A configuration takes relative paths as relative to itself, so these are not.
std::string to_paste(const std::filesystem::path& path) {
  return std::filesystem::absolute(path).lexically_normal().string();
}

int init(const CertsCommand& command) {
  const auto made = CertificateAuthority::create(command.folder, Validity::for_days(command.days));
  if (!made) return report(command, made.error());
  std::printf(
      "made %s, the CA's certificate, and %s, its key: who has that can be any node\n"
      "Next: %s issue %s NAME…\n",
      made->certificate().c_str(), made->key().c_str(), command.group.c_str(), command.folder.c_str());
  return 0;
}

int issue(const CertsCommand& command) {
  const auto authority = CertificateAuthority::open(command.folder);
  if (!authority) return report(command, authority.error());
  for (const std::string& node : command.nodes) {
    const Status failed = authority->issue(
        {.node = node, .hosts = command.hosts, .validity = Validity::for_days(command.days), .renew = command.renew});
    if (!failed.ok()) return report(command, failed);
    std::printf(
        "made %s and %s\n\n"
        "[tls]    # in the configuration of %s\n"
        "certificate = \"%s\"\n"
        "key = \"%s\"\n"
        "ca = \"%s\"\n\n",
        authority->certificate_of(node).c_str(), authority->key_of(node).c_str(), node.c_str(),
        to_paste(authority->certificate_of(node)).c_str(), to_paste(authority->key_of(node)).c_str(),
        to_paste(authority->certificate()).c_str());
  }
  return 0;
}

int revoke(const CertsCommand& command) {
  const auto authority = CertificateAuthority::open(command.folder);
  if (!authority) return report(command, authority.error());
  for (const std::string& node : command.nodes) {
    if (const Status failed = authority->revoke(node); !failed.ok()) return report(command, failed);
    std::printf("revoked %s in %s\n", authority->certificate_of(node).c_str(), authority->crl().c_str());
  }
  std::printf("Nodes with crl = \"%s\" in [tls] refuse them from their next start or SIGHUP on.\n",
              to_paste(authority->crl()).c_str());
  return 0;
}

std::vector<Definition> certs_exit_status() {
  return {{"0", "done"}, {"1", "it could not be done; the reason is on standard error"}, {"2", "wrong usage"}};
}

// One of the group, with the argument and the exit codes that all of them have.
Command verb(const char* name, const char* summary, int (*run)(const CertsCommand&),
             const std::shared_ptr<CertsCommand>& given) {
  Command command{.name = name, .summary = summary};
  command.prose.exit_status = certs_exit_status();
  command.argument("DIR", given->folder, "the CA's folder").folder();
  command.run = [given, run, name = std::string(name)](const Invocation& called) {
    given->group = called.called_as.substr(0, called.called_as.size() - name.size() - 1);
    return run(*given);
  };
  return command;
}

void add_days(Command& command, CertsCommand& given, int days) {
  constexpr int kMaxDays = 36'500;
  given.days = days;
  command.option("--days", "N", given.days, "how long it holds").range(1, kMaxDays);
}

Command init_command() {
  const auto given = std::make_shared<CertsCommand>();
  Command command = verb("init", "make a CA of your own", init, given);
  command.prose.description =
      "Makes the folder DIR, and in it a CA: ca.pem, and ca.key, which is to be kept secret. Files that exist are left "
      "alone.";
  command.prose.examples = "  {program} certs init certs";
  command.prose.see_also = {"{program} certs issue"};
  add_days(command, *given, CertificateAuthority::kDays);
  return command;
}

Command issue_command() {
  const auto given = std::make_shared<CertsCommand>();
  Command command = verb("issue", "make a certificate and a key for each node", issue, given);
  command.prose.description =
      "Makes NAME.pem and NAME.key for each node, in the CA's folder, and prints the lines for its configuration. A "
      "certificate is good for the node's name, localhost, 127.0.0.1, ::1 and each HOST. Files that exist are left "
      "alone unless `--renew` is given. Nodes read theirs again on SIGHUP.";
  command.prose.examples = R"(  {program} certs issue certs worker front
  {program} certs issue --host worker.example.org --days 90 --renew certs worker)";
  command.prose.see_also = {"{program} certs revoke", "{program} node"};
  command.argument("NAME", given->nodes, "the name of a node");
  command.option("--host", "HOST", given->hosts,
                 "a host's name or address that nodes are called by, besides localhost and their names");
  add_days(command, *given, CertificateRequest::kDays);
  command.flag("--renew", given->renew, "replace a node's certificate and key");
  return command;
}

Command revoke_command() {
  const auto given = std::make_shared<CertsCommand>();
  Command command = verb("revoke", "say that certificates are good no more", revoke, given);
  command.prose.description =
      "Adds NAME.pem to DIR/crl.pem, the list of certificates that are good no more. A node whose configuration names "
      "the list, as crl in [tls], refuses them from its next start or SIGHUP on.";
  command.prose.examples = "  {program} certs revoke certs front";
  command.prose.see_also = {"{program} certs issue"};
  command.argument("NAME", given->nodes, "the name of a node");
  return command;
}

}  // namespace

// `onward certs`: a CA for development, its certificates, and the list of those revoked. Says on standard output what
// it has made.
static Command certs_command(const ProgramOptions& /*program*/) {
  Command command{.name = "certs", .summary = "make certificates for nodes that speak TLS"};
  command.prose.description =
      "A CA of your own, for development: certificates by which nodes prove to each other who they are.";
  command.prose.exit_status = certs_exit_status();
  command.prose.examples = R"(  {program} certs init certs
  {program} certs issue certs worker front
  {program} certs revoke certs front)";
  command.prose.see_also = {"{program} node", "{program} call"};
  command.commands = {init_command(), issue_command(), revoke_command()};
  return command;
}

const CertificateTools kCertificateTools{.command = certs_command, .first_node_name = first_node_name};

}  // namespace onward
