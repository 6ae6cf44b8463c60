// SPDX-License-Identifier: Apache-2.0
//
// tls between real nodes: names, certificates that are reloaded, and what a node's log says of who is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <string>

#include "cluster.h"
#include "raw_peer.h"
#include "tls/certificate_authority.h"

namespace onward::testing_support {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr CallOptions kFailFast{.fail_fast = true};

const TransportKind kTls{"tls", reserve_tls, false};

class Tls : public testing::Test {
 protected:
  Tls() {
    for (const char* node : {"node", "front", "client", "fired", "nobody"}) {
      authority.issue({.node = node}).throw_if_error();
    }
    authority.revoke("nobody").throw_if_error();
  }

  // A CA of this test's own, so that it can revoke.
  [[nodiscard]] TlsOptions files_of(const std::string& name) const {
    return {.certificate = authority.certificate_of(name),
            .key = authority.key_of(name),
            .ca = authority.certificate(),
            .crl = {}};
  }
  [[nodiscard]] std::string section(const std::string& name) const {
    const TlsOptions files = files_of(name);
    return "[tls]\ncertificate = \"" + files.certificate + "\"\nkey = \"" + files.key + "\"\nca = \"" + files.ca +
           "\"\ncrl = \"" + authority.crl().string() + "\"\n";
  }
  Process& start_node(const std::string& name = "node", const std::vector<std::string>& peers = {}) {
    return cluster.start(name, {.peers = peers, .toml = section(name)});
  }
  // A node of this process with the certificate for `certificate`.
  std::unique_ptr<Node> client(const std::string& name, const std::string& certificate) {
    NodeOptions options = cluster.client_options(name);
    options.transports = standard_transports({.tls = files_of(certificate)});
    auto node = std::make_unique<Node>(std::move(options));
    node->start().throw_if_error();
    return node;
  }
  std::unique_ptr<Node> client(const std::string& name) { return client(name, name); }
  static std::optional<std::string> logged(Process& node, std::string_view text, std::size_t from = 0) {
    return node.wait_for_line(Process::Stream::kError, text, from);
  }
  std::string rest_of_url() { return cluster.url("node").substr(std::string_view("tls://").size()); }

  Cluster cluster{kTls};
  CertificateAuthority authority = CertificateAuthority::create(cluster.folder() / "ca").value();
};

TEST_F(Tls, HandlersKnowWhoCalls) {
  start_node("front");
  start_node("node", {"front"});
  const auto caller = client("client");
  EXPECT_EQ(outcome_of(rpc_async(*caller, "node", probe::kWhoCalls)), "client, proved to be client");
  EXPECT_EQ(outcome_of(rpc_async(*caller, "node", probe::kPing, "front", 4)), 4);
}

TEST_F(Tls, ANodeThatClaimsAnothersNameIsRefused) {
  Process& node = start_node();
  const auto liar = client("front", "client");
  const Status refused = error_of(rpc_async(*liar, to("node", kFailFast), probe::kEcho, "x"));
  EXPECT_EQ(refused.code(), StatusCode::kPermissionDenied) << refused.to_string();
  EXPECT_THAT(refused.message(), HasSubstr("says that it is node \"front\", but its certificate is for \"client\""));
  EXPECT_THAT(logged(node, "says that it is node").value_or(""), HasSubstr("warning"));
}

// The node behind the URL proves to be somebody, but not the one that was meant.
TEST_F(Tls, ANodeAtTheWrongUrlIsNotCalled) {
  start_node();
  NodeOptions options{.name = "client", .peers = {{"front", {cluster.url("node")}}}};
  options.transports = standard_transports({.tls = files_of("client")});
  options.codecs = standard_codecs();
  Node caller(std::move(options));
  ASSERT_TRUE(caller.start().ok());
  // At once: it is no use to try again.
  const Status refused = error_of(rpc_async(caller, to("front", {.timeout = kNoTimeout}), probe::kEcho, "x"));
  EXPECT_EQ(refused.code(), StatusCode::kUnauthenticated);
  EXPECT_THAT(refused.message(), HasSubstr("wrong name: its certificate is for \"node\", not for node \"front\""));
}

TEST_F(Tls, RevokedAfterSighupWhileOldConnectionsGoOn) {
  Process& node = start_node();
  const auto fired = client("fired");
  const auto parked = rpc_async(*fired, to("node", {.timeout = kNoTimeout}), probe::kPark);
  const auto other = client("client");
  ASSERT_TRUE(outcome_of(rpc_async(*other, "node", probe::kAwaitParked, 1)));

  authority.revoke("fired").throw_if_error();
  node.send_signal(SIGHUP);
  ASSERT_TRUE(logged(node, "SIGHUP: reloaded " + authority.certificate_of("node").string()));
  EXPECT_EQ(outcome_of(rpc_async(*fired, "node", probe::kEcho, "still here")), "still here");
  const auto again = client("fired");
  const Status refused = error_of(rpc_async(*again, to("node", {.timeout = kNoTimeout}), probe::kEcho, "x"));
  EXPECT_EQ(refused.code(), StatusCode::kUnauthenticated) << refused.to_string();
  EXPECT_THAT(refused.message(), HasSubstr("it has been revoked"));
  EXPECT_THAT(logged(node, "has been revoked").value_or(""),
              AllOf(HasSubstr("warning"), HasSubstr("tls://127.0.0.1:"), HasSubstr("for \"fired\"")));

  EXPECT_EQ(outcome_of(rpc_async(*other, "node", probe::kRelease, "answer")), 1);
  EXPECT_EQ(outcome_of(parked), "answer");
}

TEST_F(Tls, SighupTakesARenewedCertificate) {
  Process& node = start_node();
  const auto before = client("client");
  EXPECT_EQ(outcome_of(rpc_async(*before, "node", probe::kEcho, "1")), "1");
  authority.issue({.node = "node", .renew = true}).throw_if_error();
  node.send_signal(SIGHUP);
  ASSERT_TRUE(logged(node, "SIGHUP: reloaded "));
  EXPECT_EQ(outcome_of(rpc_async(*before, "node", probe::kEcho, "2")), "2");
  const auto after = client("front");
  EXPECT_EQ(outcome_of(rpc_async(*after, "node", probe::kEcho, "3")), "3");
}

TEST_F(Tls, AReloadThatFailsIsLoggedAndChangesNothing) {
  Process& node = start_node();
  cluster.write("ca/node.pem", "no certificate");
  node.send_signal(SIGHUP);
  EXPECT_THAT(logged(node, "SIGHUP: not reloaded").value_or(""),
              AllOf(HasSubstr("error"), HasSubstr(authority.certificate_of("node").string())));
  const auto caller = client("client");
  EXPECT_EQ(outcome_of(rpc_async(*caller, "node", probe::kEcho, "x")), "x");
}

TEST_F(Tls, SighupIsHarmlessWithoutTls) {
  Cluster plain(transport_kinds().front());
  Process& node = plain.start("plain");
  node.send_signal(SIGHUP);
  EXPECT_TRUE(logged(node, "SIGHUP: nothing that a running node takes has changed"));
  const auto caller = plain.client();
  EXPECT_EQ(outcome_of(rpc_async(*caller, "plain", probe::kEcho, "x")), "x");
}

// Each has a line of its own, and no more than one.
TEST_F(Tls, TheLogSaysWhyStrangersAreRefused) {
  Process& node = start_node();
  const auto shaken_at_server = [&](const std::string& bytes, std::string_view reason) {
    const std::size_t before = node.line_count(Process::Stream::kError);
    RawPeer peer("tcp://" + rest_of_url());
    peer.send(bytes);
    EXPECT_TRUE(peer.wait_for_close());
    EXPECT_THAT(logged(node, reason, before).value_or("nothing"),
                AllOf(HasSubstr("warning"), HasSubstr("connection with tls://127.0.0.1:")))
        << reason;
    EXPECT_EQ(node.line_count(Process::Stream::kError), before + 1) << node.text(Process::Stream::kError);
  };
  shaken_at_server("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
                   "it speaks no TLS: its first bytes are \"GET / HTTP/1.1");
  shaken_at_server(raw_hello() + raw_echo(1, "x"), "it speaks no TLS");
  // The shortest ClientHello of TLS 1.1: 32 random bytes, no session, one cipher, no compression.
  const std::string body = "\x03\x02" + std::string(32, 'r') + std::string("\x00\x00\x02\x00\x2f\x01\x00", 7);
  const std::string message = std::string("\x01\x00\x00", 3) + static_cast<char>(body.size()) + body;
  shaken_at_server(std::string("\x16\x03\x01\x00", 4) + static_cast<char>(message.size()) + message,
                   "it offers TLS 1.1 at most");
  shaken_at_server(std::string("\x16\x03\x01\x00\x05\x63\x00\x00\x01\x00", 10), "it breaks the TLS protocol");
}

TEST_F(Tls, CallersOfTheWrongSchemeAreTold) {
  start_node();
  const CommandResult plain = cluster.run({"call", "tcp://" + rest_of_url(), "probe.echo", "x"});
  EXPECT_EQ(plain.ending.code, 1);
  EXPECT_THAT(plain.error, AllOf(HasSubstr("FAILED_PRECONDITION"), HasSubstr("write tls:// in its URL")));

  Cluster open(transport_kinds().front());
  open.start("open");
  const std::string url = open.url("open");
  const CommandResult secret = cluster.run({"call", "tls" + url.substr(3), "probe.echo", "x"});
  EXPECT_EQ(secret.ending.code, 1);
  EXPECT_THAT(secret.error, AllOf(HasSubstr("FAILED_PRECONDITION"), HasSubstr("write tcp:// in its URL")));
}

TEST_F(Tls, CertificatesFromTheCommandLine) {
  const std::string folder = (cluster.folder() / "made").string();
  const CommandResult init = cluster.run({"certs", "init", folder});
  EXPECT_EQ(init.ending.code, 0) << init.error;
  const CommandResult issue =
      cluster.run({"certs", "issue", folder, "node", "me", "--host", "a.example", "--days", "30"});
  EXPECT_EQ(issue.ending.code, 0) << issue.error;
  EXPECT_THAT(issue.output, AllOf(HasSubstr("certificate = \"" + folder + "/me.pem\""), HasSubstr("ca.pem")));
  EXPECT_EQ(cluster.run({"certs", "init", folder}).ending.code, 1);
  EXPECT_THAT(cluster.run({"certs", "issue", folder, "me"}).error, HasSubstr("--renew"));

  cluster.start("node",
                {.toml = "[tls]\ncertificate = \"made/node.pem\"\nkey = \"made/node.key\"\nca = \"made/ca.pem\"\n"
                         "min_version = \"1.2\"\n"});
}

TEST_F(Tls, CallShowsTheCertificateItIsGiven) {
  start_node();
  const TlsOptions files = files_of("client");
  const auto call = [&](std::vector<std::string> options) {
    std::vector<std::string> words = {"env", "-u", "ONWARD_TLS_CERT", onward_program(), "call"};
    words.insert(words.end(), options.begin(), options.end());
    words.insert(words.end(), {cluster.url("node"), "probe.who_calls"});
    Process process(words, {});
    EXPECT_TRUE(process.wait_for_end());
    process.wait_for_close(Process::Stream::kOutput);
    process.wait_for_close(Process::Stream::kError);
    return process.text(Process::Stream::kOutput) + process.text(Process::Stream::kError);
  };
  EXPECT_THAT(call({"--tls-ca", files.ca, "--tls-cert", files.certificate, "--tls-key", files.key}),
              HasSubstr("client, proved to be client"));
  EXPECT_THAT(call({"--tls-ca", files.ca}), AllOf(HasSubstr("UNAUTHENTICATED"), HasSubstr("--tls-cert")));
  EXPECT_THAT(call({}), AllOf(HasSubstr("FAILED_PRECONDITION"), HasSubstr("--tls-ca")));
  EXPECT_THAT(call({"--tls-ca", "/nonexistent"}), HasSubstr("/nonexistent"));
}

}  // namespace
}  // namespace onward::testing_support
