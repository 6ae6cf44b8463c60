// SPDX-License-Identifier: Apache-2.0
//
// Who is let in over tls, and what both sides are told of those who are not.
#include "onward/tls/tls_transport.h"

#include <gtest/gtest.h>

#include <fstream>

#include "bare_ssl.h"
#include "onward/tcp/tcp_transport.h"
#include "onward/testing/transport_fixture.h"
#include "tls_fixture.h"

namespace onward {
namespace {

using testing_support::Acceptor;
using testing_support::hello;
using testing_support::make_message;
using testing_support::Peer;

constexpr std::chrono::hours kDay{24};

TlsOptions good(const std::string& node) { return TestAuthority::trusted().options(node); }
// A node's own files, and trust in the CA that everybody trusts.
TlsOptions with_files_of(const TestAuthority& authority, const std::string& name) {
  TlsOptions options = good("server");
  options.certificate = authority.get().folder() / (name + ".pem");
  options.key = authority.get().folder() / (name + ".key");
  return options;
}

class Tls : public testing::Test {
 protected:
  ~Tls() override {
    client->dispose();
    server->dispose();
    loop.dispose(std::move(listener));
    loop.run_once(false);
  }

  void listen(const TlsOptions& options) {
    listening = make_tls_transport(loop, {}, options);
    listen_with(*listening, Url{"tls", "127.0.0.1:0"});
  }
  void listen_with(Transport& transport, const Url& url) {
    server->dispose();
    server = std::make_unique<Peer>(loop);
    accepted = nullptr;
    acceptor.hook = [this](std::unique_ptr<Connection> connection) {
      accepted = connection.get();
      server->dispose();
      server = std::make_unique<Peer>(loop);
      server->adopt(std::move(connection));
      server->send(hello());
      server->start();
    };
    Result<std::unique_ptr<Listener>> result = transport.listen(url, acceptor);
    ASSERT_TRUE(result) << result.error().to_string();
    listener = std::move(*result);
  }
  void connect(const TlsOptions& options, const std::string& node, const std::string& host = "127.0.0.1") {
    TcpOptions tcp;
    tcp.resolve = [](const std::string&) { return std::vector<std::string>{"127.0.0.1"}; };
    connecting = make_tls_transport(loop, {}, options, tcp);
    connect_with(*connecting, "tls", node, host);
  }
  void connect_with(Transport& transport, const std::string& scheme, const std::string& node,
                    const std::string& host = "127.0.0.1") {
    const Url url{scheme, HostPort{host, HostPort::parse(listener->url().rest)->port}.to_string()};
    Result<std::unique_ptr<Connection>> result = transport.connect_to_node(url, node);
    ASSERT_TRUE(result) << result.error().to_string();
    dialled = result->get();
    client->dispose();
    client = std::make_unique<Peer>(loop);
    client->adopt(std::move(*result));
    client->send(hello());
    client->start();
  }
  bool run_until(const std::function<bool()>& condition) { return testing_support::run_until(loop, condition); }
  bool connected() {
    return run_until([this] { return (client->hellos == 1 && server->hellos == 1) || client->closed > 0; }) &&
           client->closed == 0;
  }
  void expect_refused(StatusCode code, const std::string& at_client, const std::string& at_server) {
    ASSERT_TRUE(run_until([this] { return client->closed == 1 && server->closed == 1; }));
    EXPECT_EQ(client->reason.code(), code) << client->reason.to_string();
    EXPECT_NE(client->reason.message().find(at_client), std::string::npos) << client->reason.message();
    EXPECT_NE(server->reason.code(), StatusCode::kUnavailable) << "not logged: " << server->reason.to_string();
    EXPECT_NE(server->reason.message().find(at_server), std::string::npos) << server->reason.message();
    EXPECT_EQ(server->hellos, 0);
  }
  // A connection between these two fails for the certificate of one of them.
  void expect_unauthenticated(const TlsOptions& server_options, const TlsOptions& client_options,
                              const std::string& at_client, const std::string& at_server) {
    listen(server_options);
    connect(client_options, "server");
    expect_refused(StatusCode::kUnauthenticated, at_client, at_server);
  }

  EventLoop loop;
  std::unique_ptr<Transport> listening;
  std::unique_ptr<Transport> connecting;
  Acceptor acceptor;
  std::unique_ptr<Listener> listener;
  Connection* accepted = nullptr;
  Connection* dialled = nullptr;
  std::unique_ptr<Peer> client = std::make_unique<Peer>(loop);
  std::unique_ptr<Peer> server = std::make_unique<Peer>(loop);
};

TEST_F(Tls, BothSidesKnowEachOther) {
  listen(good("server"));
  connect(good("client"), "server");
  ASSERT_TRUE(connected()) << client->reason.to_string();
  EXPECT_EQ(accepted->identity().name(), "client");
  EXPECT_EQ(dialled->identity().name(), "server");
  EXPECT_TRUE(accepted->identity().names_nodes && dialled->identity().names_nodes);
}

TEST_F(Tls, AClientsExpiredCertificate) {
  const auto expired = TestAuthority::trusted().options(request_with("expired-client", -kDay * 9, -kDay));
  expect_unauthenticated(good("server"), expired, "refuses this node's certificate: it has expired",
                         "its certificate, for \"expired-client\", has expired, at 20");
}

TEST_F(Tls, AServersExpiredCertificate) {
  const auto expired = TestAuthority::trusted().options(request_with("server-expired", -kDay * 9, -kDay));
  expect_unauthenticated(expired, good("client"), "its certificate, for \"server-expired\", has expired, at 20",
                         "refuses this node's certificate: it has expired");
}

TEST_F(Tls, CertificatesThatAreNotValidYet) {
  const auto early = TestAuthority::trusted().options(request_with("early", kDay, kDay * 9));
  expect_unauthenticated(good("server"), early, "refuses this node's certificate", "is not valid before 20");
}

TEST_F(Tls, AClientsSelfSignedCertificate) {
  expect_unauthenticated(good("server"), with_files_of(TestAuthority::stranger(), "ca"),
                         "from a CA that the peer does not trust, or self-signed", "is self-signed");
}

TEST_F(Tls, AServersSelfSignedCertificate) {
  expect_unauthenticated(with_files_of(TestAuthority::stranger(), "ca"), good("client"), "is self-signed",
                         "from a CA that the peer does not trust, or self-signed");
}

TEST_F(Tls, AClientsCertificateFromAnotherCa) {
  TestAuthority::stranger().options("client");
  expect_unauthenticated(good("server"), with_files_of(TestAuthority::stranger(), "client"),
                         "from a CA that the peer does not trust",
                         "its certificate, for \"client\", is from a CA that this node does not trust, \"Onward CA ");
}

TEST_F(Tls, AServersCertificateFromAnotherCa) {
  TestAuthority::stranger().options("server");
  expect_unauthenticated(with_files_of(TestAuthority::stranger(), "server"), good("client"),
                         "its certificate, for \"server\", is from a CA that this node does not trust, \"Onward CA ",
                         "from a CA that the peer does not trust");
}

TEST_F(Tls, AServerWithAnothersName) {
  expect_unauthenticated(good("other"), good("client"),
                         "wrong name: its certificate is for \"other\", not for node \"server\"",
                         "refuses this node's certificate");
}

TEST_F(Tls, AUrlAloneWantsItsHost) {
  listen(good("server"));
  connect(good("client"), "", "elsewhere.example");
  expect_refused(StatusCode::kUnauthenticated,
                 "wrong name: its certificate, for \"server\", is not for the host \"elsewhere.example\"",
                 "refuses this node's certificate");
  listen(TestAuthority::trusted().options(CertificateRequest{.node = "far", .hosts = {"far.example"}}));
  connect(good("client"), "", "far.example");
  EXPECT_TRUE(connected()) << client->reason.to_string();
  connect(good("client"), "", "127.0.0.1");
  EXPECT_TRUE(connected()) << client->reason.to_string();
}

TEST_F(Tls, RevokedCertificates) {
  TlsOptions strict = good("server");
  const TlsOptions revoked = good("revoked-client");
  strict.crl = TestAuthority::trusted().revoke("revoked-client");
  expect_unauthenticated(strict, revoked, "refuses this node's certificate: it has been revoked",
                         "its certificate, for \"revoked-client\", has been revoked");
  connect(good("client"), "server");
  EXPECT_TRUE(connected()) << "others are let in";
}

TEST_F(Tls, CertificatesForAnotherPurpose) {
  const auto no_client =
      TestAuthority::trusted().options(CertificateRequest{.node = "only-listens", .for_clients = false});
  const auto no_server =
      TestAuthority::trusted().options(CertificateRequest{.node = "only-connects", .for_servers = false});
  expect_unauthenticated(good("server"), no_client, "is not made for this purpose", "is not made for this purpose");
  expect_unauthenticated(no_server, good("client"), "is not made for this purpose", "is not made for this purpose");
}

TEST_F(Tls, AClientWithoutACertificate) {
  TlsOptions nobody;
  nobody.ca = good("client").ca;
  expect_unauthenticated(good("server"), nobody, "it requires a certificate, and this node has shown none",
                         "it has shown no certificate");
  TlsOptions lenient = good("server");
  lenient.require_peer_certificate = false;
  listen(lenient);
  connect(nobody, "server");
  ASSERT_TRUE(connected()) << client->reason.to_string();
  EXPECT_TRUE(accepted->identity().names.empty());
  EXPECT_FALSE(accepted->identity().names_nodes);
  connect(good("client"), "server");
  ASSERT_TRUE(connected()) << client->reason.to_string();
  EXPECT_EQ(accepted->identity().name(), "client") << "one that is shown counts";
  connect(TestAuthority::trusted().options(request_with("expired-client", -kDay * 9, -kDay)), "server");
  expect_refused(StatusCode::kUnauthenticated, "it has expired", "has expired, at 20");
}

TEST_F(Tls, OnlyPeersWithCertificatesComeFromElsewhere) {
  const Url anywhere{"tls", "*:0"};
  const Url loopback{"tls", "127.0.0.1:0"};
  TlsOptions options = good("server");
  EXPECT_TRUE(make_tls_transport(loop, {}, options)->is_guarded(anywhere));
  options.require_peer_certificate = false;
  EXPECT_FALSE(make_tls_transport(loop, {}, options)->is_guarded(anywhere));
  EXPECT_TRUE(make_tls_transport(loop, {}, options)->is_guarded(loopback));
}

TEST_F(Tls, AClientWithoutTls) {
  listen(good("server"));
  const auto plain = make_tcp_transport(loop);
  connect_with(*plain, "tcp", "");
  expect_refused(StatusCode::kFailedPrecondition, "it speaks TLS: write tls:// in its URL", "it speaks no TLS");
  client->dispose();
}

TEST_F(Tls, AServerWithoutTls) {
  const auto plain = make_tcp_transport(loop);
  listen_with(*plain, Url{"tcp", "127.0.0.1:0"});
  connect(good("client"), "server");
  expect_refused(StatusCode::kFailedPrecondition, "it speaks no TLS", "it speaks TLS, which is not spoken here");
  loop.dispose(std::move(listener));
  server->dispose();
}

struct BareCase {
  int version;
  const char* protocol;
  const char* ciphers;
  const char* refused;  // at the server; null: it is let in
  TlsOptions::Version min_version = TlsOptions::Version::kTls13;
};

TEST_F(Tls, VersionsAndProtocols) {
  // The libraries of today speak the old versions at security level 0 alone.
  constexpr const char* kInsecure = "ALL:@SECLEVEL=0";
  for (const BareCase& bare :
       {BareCase{TLS1_1_VERSION, "onward/1", kInsecure, "it offers TLS 1.1 at most; this node takes TLS 1.3 or later"},
        BareCase{TLS1_VERSION, "onward/1", kInsecure, "it offers TLS 1.0 at most"},
        BareCase{TLS1_2_VERSION, "onward/1", nullptr, "it offers TLS 1.2 at most"},
        BareCase{TLS1_2_VERSION, "onward/1", nullptr, nullptr, TlsOptions::Version::kTls12},
        BareCase{TLS1_1_VERSION, "onward/1", kInsecure, "this node takes TLS 1.2 or later",
                 TlsOptions::Version::kTls12},
        BareCase{TLS1_3_VERSION, "onward/1", nullptr, nullptr},
        BareCase{TLS1_3_VERSION, "h2", nullptr, "does not offer onward/1 (ALPN)"},
        BareCase{TLS1_3_VERSION, nullptr, nullptr, "does not offer onward/1 (ALPN)"}}) {
    SCOPED_TRACE("version " + std::to_string(bare.version) + ", " + (bare.protocol ? bare.protocol : "no protocol"));
    TlsOptions options = good("server");
    options.min_version = bare.min_version;
    listen(options);
    BareSsl peer(listener->url(), good("client"), bare.version, bare.protocol, bare.ciphers);
    bool shaken = false;
    ASSERT_TRUE(run_until([&] {
      shaken = shaken || peer.step();
      return server->closed > 0 || (shaken && accepted != nullptr && !accepted->identity().names.empty());
    }));
    if (bare.refused == nullptr) {
      EXPECT_EQ(server->closed, 0) << server->reason.to_string();
      EXPECT_EQ(peer.version(), bare.version);
      EXPECT_EQ(accepted->identity().name(), "client");
      peer.write("GET / HTTP/1.1\r\n");
      ASSERT_TRUE(run_until([&] { return server->closed == 1; }));
      EXPECT_NE(server->reason.message().find("first bytes are \"GET"), std::string::npos);
      continue;
    }
    EXPECT_EQ(server->reason.code(), StatusCode::kFailedPrecondition) << server->reason.to_string();
    EXPECT_NE(server->reason.message().find(bare.refused), std::string::npos) << server->reason.message();
  }
}

TEST_F(Tls, ReloadTakesNewFilesForNewConnections) {
  TemporaryFolder folder;
  const CertificateAuthority authority = CertificateAuthority::create(folder.path()).value();
  for (const char* node : {"server", "client", "fired"}) authority.issue({.node = node}).throw_if_error();
  const auto options_of = [&](const std::string& node) {
    return TlsOptions{.certificate = authority.certificate_of(node),
                      .key = authority.key_of(node),
                      .ca = authority.certificate(),
                      .crl = {}};
  };
  authority.issue({.node = "nobody"}).throw_if_error();
  authority.revoke("nobody").throw_if_error();
  TlsOptions strict = options_of("server");
  strict.crl = authority.crl();
  listen(strict);
  connect(options_of("fired"), "server");
  ASSERT_TRUE(connected()) << client->reason.to_string();
  const std::unique_ptr<Peer> old_client = std::exchange(client, std::make_unique<Peer>(loop));
  const std::unique_ptr<Peer> old_server = std::exchange(server, std::make_unique<Peer>(loop));

  authority.revoke("fired").throw_if_error();
  EXPECT_TRUE(listening->reload().ok());
  connect_with(*connecting, "tls", "server");  // with the session of before
  expect_refused(StatusCode::kUnauthenticated, "it has been revoked", "has been revoked");

  // What exists goes on.
  old_client->send(make_message(1, 10));
  EXPECT_TRUE(run_until([&] { return old_server->received == 1; }));
  EXPECT_EQ(old_client->closed + old_server->closed, 0);
}

TEST_F(Tls, AReloadThatFailsChangesNothing) {
  TemporaryFolder folder;
  const CertificateAuthority authority = CertificateAuthority::create(folder.path()).value();
  authority.issue({.node = "server"}).throw_if_error();
  listen({.certificate = authority.certificate_of("server"),
          .key = authority.key_of("server"),
          .ca = authority.certificate(),
          .crl = {}});
  std::ofstream(authority.certificate_of("server")) << "half of it";
  const Status failed = listening->reload();
  EXPECT_EQ(failed.code(), StatusCode::kFailedPrecondition);
  EXPECT_NE(failed.message().find(authority.certificate_of("server").string()), std::string::npos);
  TlsOptions options{.certificate = {}, .key = {}, .ca = authority.certificate(), .crl = {}};
  authority.issue({.node = "client"}).throw_if_error();
  options.certificate = authority.certificate_of("client");
  options.key = authority.key_of("client");
  connect(options, "server");
  EXPECT_TRUE(connected()) << client->reason.to_string();
}

TEST_F(Tls, WithoutOptionsItSaysWhatIsMissing) {
  const auto bare = make_tls_transport(loop);
  const Url url{"tls", "127.0.0.1:1"};
  const auto connection = bare->connect(url);
  ASSERT_FALSE(connection);
  EXPECT_EQ(connection.error().code(), StatusCode::kFailedPrecondition);
  EXPECT_NE(connection.error().message().find("--tls-ca"), std::string::npos) << connection.error().message();
  const auto listener_or = bare->listen(url, acceptor);
  ASSERT_FALSE(listener_or);
  EXPECT_EQ(listener_or.error().code(), StatusCode::kFailedPrecondition);
  EXPECT_NE(listener_or.error().message().find("onward certs issue"), std::string::npos);
  EXPECT_EQ(bare->check(url, Transport::Use::kConnect).to_string(), connection.error().to_string());

  TlsOptions broken = good("client");
  broken.ca = "/nonexistent/ca.pem";
  const auto unusable = make_tls_transport(loop, {}, broken)->connect(url);
  ASSERT_FALSE(unusable);
  EXPECT_EQ(unusable.error().code(), StatusCode::kFailedPrecondition);
  EXPECT_NE(unusable.error().message().find("/nonexistent/ca.pem"), std::string::npos);
}

}  // namespace
}  // namespace onward
