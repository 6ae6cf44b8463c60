// SPDX-License-Identifier: Apache-2.0
//
// What tls takes in from outside: files, certificates, and what comes from the network before anybody has proved who
// they are, or is changed on its way. Nothing is delivered that was not written by the other side, and what fails says
// why in one of the ways that tls_errors.h has.
//
//   byte 0     0 files, 1 a certificate, 2 alternative names, 3 bytes to a listener, 4 bytes to who connects,
//              5 a handshake of two that is changed on its way
//   the rest   see the function of each
#include <openssl/err.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "../unit/transports/fake_stream.h"
#include "../unit/transports/tls_fixture.h"
#include "fuzz_input.h"
#include "onward/stream/file_descriptor.h"
#include "onward/tls/tls_transport.h"
#include "tls/certificate_names.h"
#include "tls/tls_context.h"
#include "tls/tls_errors.h"
#include "tls/tls_stream.h"

namespace onward::fuzz {
namespace {

using Outcome = IoResult::Outcome;

// Reads and writes of one side; each takes in something, or the side waits.
constexpr int kMaxCalls = 4096;
constexpr std::size_t kMaxChanges = 8;
constexpr std::string_view kFromClient = "what the client says";
constexpr std::string_view kFromServer = "what the server says";

// A file that goes with it, in memory.
class MemoryFile {
 public:
  explicit MemoryFile(std::string_view content) : descriptor_(::memfd_create("onward-fuzz", MFD_CLOEXEC)) {
    const ssize_t put = ::write(descriptor_.get(), content.data(), content.size());
    require(put == static_cast<ssize_t>(content.size()), "a file in memory can be written");
  }
  [[nodiscard]] std::string name() const { return "/proc/self/fd/" + std::to_string(descriptor_.get()); }

 private:
  FileDescriptor descriptor_;
};

// Two nodes of one CA, made once.
// Two nodes of one CA, and who has nothing from that; made once.
struct Contexts {
  std::shared_ptr<TlsContext> server;  // requires a certificate, TLS 1.3
  std::shared_ptr<TlsContext> lax;     // requires none, TLS 1.2 will do
  std::shared_ptr<TlsContext> client;
  std::shared_ptr<TlsContext> old_client;  // TLS 1.2 will do
  std::shared_ptr<TlsContext> anonymous;   // shows no certificate
  std::shared_ptr<TlsContext> stranger;    // shows one of another CA
};

const Contexts& contexts() {
  static const Contexts made = [] {
    TestAuthority authority;
    TestAuthority other;
    const TlsOptions server = authority.options("server");
    const TlsOptions client = authority.options("client");
    TlsOptions stranger = other.options("client");
    stranger.ca = client.ca;
    const auto load = [](TlsOptions options, bool lax) {
      options.require_peer_certificate = !lax;
      options.min_version = lax ? TlsOptions::Version::kTls12 : TlsOptions::Version::kTls13;
      return TlsContext::load(options).value();
    };
    return Contexts{.server = load(server, false),
                    .lax = load(server, true),
                    .client = load(client, false),
                    .old_client = load(client, true),
                    .anonymous = load({.certificate = {}, .key = {}, .ca = client.ca, .crl = {}}, true),
                    .stranger = load(stranger, true)};
  }();
  return made;
}

void check_error(const Status& error) {
  const StatusCode code = error.code();
  require(!error.message().empty(), "an error says why");
  require(code == StatusCode::kUnauthenticated || code == StatusCode::kFailedPrecondition ||
              code == StatusCode::kInvalidArgument || code == StatusCode::kUnavailable,
          "an error is of a kind that there is");
}

// Byte 1: bits 0 to 2, what the file is: certificate and key, CAs, revoked ones. The rest: its content.
void read_files(FuzzInput input) {
  const std::uint8_t roles = input.byte();
  const std::span<const std::byte> rest = input.rest();
  const MemoryFile file(std::string_view(reinterpret_cast<const char*>(rest.data()), rest.size()));
  TlsOptions options;
  if ((roles & 1) != 0) options.certificate = options.key = file.name();
  if ((roles & 2) != 0) options.ca = file.name();
  if ((roles & 4) != 0) options.crl = file.name();
  const auto loaded = TlsContext::load(options);
  require(loaded || loaded.error().code() == StatusCode::kFailedPrecondition, "a file that cannot be used is said so");
  require(ERR_peek_error() == 0, "no error is left for the next connection");
  const Result<std::string> name = first_node_name(file.name());
  require(name || name.error().code() == StatusCode::kFailedPrecondition, "a certificate of nobody is said so");
}

void check_printable(std::string text) {
  constexpr std::string_view kEllipsis = "…";
  // Of four names, with quotes, commas and an ellipsis each.
  require(text.size() <= std::size_t{4} * 80, "a description is short");
  for (auto at = text.find(kEllipsis); at != text.npos; at = text.find(kEllipsis)) text.erase(at, kEllipsis.size());
  require(std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~'; }), "a description is printable");
}

// What is done with the certificate of a peer, good or not.
void use(X509* certificate) {
  for (const std::string& name : node_names(certificate)) {
    require(is_for_node(certificate, name), "a certificate is for the nodes that it names");
    require(name.size() < std::size_t{64} << 10, "a name is part of a certificate");
  }
  require(!is_for_node(certificate, "nobody at all"), "a certificate is for no other node");
  static_cast<void>(is_for_host(certificate, "localhost"));
  static_cast<void>(is_for_host(certificate, "127.0.0.1"));
  static_cast<void>(is_for_host(certificate, "a.example.org"));
  check_printable(describe_subject(certificate));
  check_printable(describe_issuer(certificate));
  for (const int error : {X509_V_ERR_CERT_HAS_EXPIRED, X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_UNABLE_TO_GET_CRL,
                          X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, X509_V_ERR_CERT_REJECTED}) {
    require(certificate_error(error, 0, certificate).code() == StatusCode::kUnauthenticated, "a certificate is bad");
  }
  check_error(wrong_name_error(certificate, "worker-1", ""));
  check_error(wrong_name_error(certificate, "", "example.org"));
}

// All of the input is a certificate, DER.
void read_certificate(FuzzInput input) {
  const std::span<const std::byte> der = input.rest();
  const auto* at = reinterpret_cast<const unsigned char*>(der.data());
  const CertificateHandle certificate(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
  if (certificate != nullptr) use(certificate.get());
}

// All of the input is the content of a certificate's subjectAltName.
void read_names(FuzzInput input) {
  const std::span<const std::byte> der = input.rest();
  const std::unique_ptr<ASN1_OCTET_STRING, OpensslFree<ASN1_OCTET_STRING_free>> content(ASN1_OCTET_STRING_new());
  ASN1_OCTET_STRING_set(content.get(), reinterpret_cast<const unsigned char*>(der.data()),
                        static_cast<int>(der.size()));
  const std::unique_ptr<X509_EXTENSION, OpensslFree<X509_EXTENSION_free>> extension(
      X509_EXTENSION_create_by_NID(nullptr, NID_subject_alt_name, 0, content.get()));
  const CertificateHandle certificate(X509_new());
  X509_add_ext(certificate.get(), extension.get(), -1);
  use(certificate.get());
}

// A side of a connection, over a stream that the fuzzer moves.
struct Side {
  explicit Side(TlsParty party) : stream(own(), std::move(party)) {}

  // Everything that can be done for now. `says` is written once the handshake is over.
  void go_on(std::string_view says) {
    for (int calls = 0; calls < kMaxCalls; ++calls) {
      const bool written = write(says);
      const bool read_some = read();
      if (!written && !read_some) return;
    }
    require(false, "a side comes to wait, or to its end");
  }

  FakeStream* below = nullptr;
  TlsStream stream;
  std::string received;
  bool over = false;
  Status error;

 private:
  std::unique_ptr<FakeStream> own() {
    auto made = std::make_unique<FakeStream>();
    below = made.get();
    return made;
  }

  bool write(std::string_view says) {
    if (over || said_ == says.size()) return false;
    const iovec from{.iov_base = const_cast<char*>(says.data() + said_), .iov_len = says.size() - said_};
    const IoResult result = stream.write({&from, 1});
    if (result.outcome == Outcome::kFailed) fail(result.error);
    if (result.outcome != Outcome::kDone) return false;
    require(result.bytes > 0 && stream.is_established(), "nothing is written before the handshake is over");
    said_ += result.bytes;
    return true;
  }

  bool read() {
    if (over) return false;
    std::array<char, 64> bytes;
    const iovec into{.iov_base = bytes.data(), .iov_len = bytes.size()};
    const IoResult result = stream.read({&into, 1});
    if (result.outcome == Outcome::kFailed) fail(result.error);
    if (result.outcome == Outcome::kEnd) over = true;
    if (result.outcome != Outcome::kDone) return false;
    require(result.bytes <= bytes.size(), "as much is read as there is room");
    require(result.bytes == 0 || stream.is_established(), "nothing is read before the handshake is over");
    received.append(bytes.data(), result.bytes);
    return result.bytes > 0;
  }

  void fail(const Status& why) {
    over = true;
    error = why;
    check_error(why);
    // A failure is for ever.
    std::array<char, 64> bytes;
    const iovec into{.iov_base = bytes.data(), .iov_len = bytes.size()};
    require(stream.read({&into, 1}).outcome == Outcome::kFailed, "what has failed stays so");
  }

  std::size_t said_ = 0;
};

// Byte 1: bits 0 to 3, the pieces that the bytes come in; bit 4, a lax listener; bit 5, the end comes behind them.
void feed(FuzzInput input, bool accepted) {
  const std::uint8_t how = input.byte();
  const bool lax = (how & 0x10) != 0;
  const Contexts& all = contexts();
  const auto& context = accepted ? (lax ? all.lax : all.server) : (lax ? all.old_client : all.client);
  Side side(
      {.context = context, .accepted = accepted, .host = accepted ? "" : "localhost", .node = {}, .session_key = {}});
  const std::span<const std::byte> rest = input.rest();
  side.below->input.assign(reinterpret_cast<const char*>(rest.data()), rest.size());
  side.below->ended = (how & 0x20) != 0;
  const std::size_t piece = (how & 0x0F) == 0 ? SIZE_MAX : (how & 0x0FU) * (how & 0x0FU);
  // No more than a piece at a time, and nothing behind it for now.
  bool now = false;
  side.below->allowed = [&](std::size_t asked) { return std::exchange(now, false) ? std::min(asked, piece) : 0; };
  for (std::size_t pieces = 0; pieces < 2 + rest.size() && !side.over; ++pieces) {
    now = true;
    side.go_on("secret");
  }
  require(side.received.empty(), "from who has no key nothing is delivered");
  require(!side.stream.is_established(), "who has no key finishes no handshake");
  require(side.stream.identity().names.empty(), "who has no key has no name");
}

struct Change {
  bool from_client = false;
  std::size_t at = 0;
  std::uint8_t with = 0;  // 0: the stream ends there
};

// Moves what `from` has written, changed, to `to`. `moved` counts.
void carry(Side& from, Side& to, bool from_client, std::size_t& moved, std::span<const Change> changes) {
  std::string bytes = std::exchange(from.below->output, {});
  bool cut = false;
  for (const Change& change : changes) {
    if (change.from_client != from_client || change.at < moved || change.at >= moved + bytes.size()) continue;
    if (change.with == 0) {
      bytes.resize(change.at - moved);
      cut = true;
    } else {
      bytes[change.at - moved] = static_cast<char>(bytes[change.at - moved] ^ static_cast<char>(change.with));
    }
  }
  moved += bytes.size();
  to.below->input += bytes;
  to.below->ended |= cut;
}

// What the listener makes of who connects.
enum class Verdict : std::uint8_t { kKnown, kNobody, kRefused };

void shake_hands(TlsParty client_party, TlsParty server_party, Verdict verdict, std::span<const Change> changes) {
  Side client(std::move(client_party));
  Side server(std::move(server_party));
  std::size_t up = 0;
  std::size_t down = 0;
  for (int rounds = 0; rounds < 8; ++rounds) {
    client.go_on(kFromClient);
    carry(client, server, true, up, changes);
    server.go_on(kFromServer);
    carry(server, client, false, down, changes);
  }
  require(kFromClient.starts_with(server.received), "the server gets what the client has written");
  require(kFromServer.starts_with(client.received), "the client gets what the server has written");
  const std::vector<std::string>& names = server.stream.identity().names;
  if (verdict == Verdict::kRefused) {
    require(!server.stream.is_established() && server.received.empty() && client.received.empty(), "it is refused");
  }
  if (verdict != Verdict::kKnown) require(names.empty(), "who has proved nothing has no name");
  if (!changes.empty() || verdict == Verdict::kRefused) return;
  require(server.received == kFromClient && client.received == kFromServer, "all that is written arrives");
  if (verdict == Verdict::kKnown) require(names == std::vector<std::string>{"client"}, "the server knows the client");
}

// Byte 1: bit 0, a lax listener; bit 1, an older client; bit 2, a session is taken up; bits 3 and 4, one without a
// certificate, or with another CA's. Then changes: three bytes each.
void change_handshake(FuzzInput input) {
  static unsigned connections = 0;
  const std::uint8_t how = input.byte();
  const bool lax = (how & 1) != 0;
  std::vector<Change> changes;
  while (!input.rest().empty() && changes.size() < kMaxChanges) {
    const std::uint16_t at = input.number();
    changes.push_back({.from_client = (at & 0x8000) != 0, .at = at & 0x7FFFU, .with = input.byte()});
  }
  const Contexts& all = contexts();
  const TlsParty server{
      .context = lax ? all.lax : all.server, .accepted = true, .host = {}, .node = {}, .session_key = {}};
  // No other input's sessions.
  TlsParty client{.context = (how & 2) != 0 ? all.old_client : all.client,
                  .accepted = false,
                  .host = "localhost",
                  .node = "server",
                  .session_key = std::to_string(++connections)};
  auto verdict = Verdict::kKnown;
  if ((how & 8) != 0) {
    client.context = all.anonymous;
    verdict = lax ? Verdict::kNobody : Verdict::kRefused;
  } else if ((how & 16) != 0) {
    client.context = all.stranger;
    verdict = Verdict::kRefused;
  }
  if ((how & 4) != 0) shake_hands(client, server, verdict, {});
  shake_hands(client, server, verdict, changes);
}

}  // namespace
}  // namespace onward::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t bytes) {
  using namespace onward::fuzz;
  FuzzInput input(data, bytes);
  ERR_clear_error();
  switch (input.byte() % 6) {
    case 0:
      read_files(input);
      break;
    case 1:
      read_certificate(input);
      break;
    case 2:
      read_names(input);
      break;
    case 3:
      feed(input, true);
      break;
    case 4:
      feed(input, false);
      break;
    default:
      change_handshake(input);
  }
  return 0;
}
