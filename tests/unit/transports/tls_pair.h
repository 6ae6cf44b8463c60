// SPDX-License-Identifier: Apache-2.0
//
// Both sides of a TLS connection, and between them two streams in memory.
#pragma once

#include <algorithm>
#include <cstring>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "tls/tls_stream.h"
#include "tls_fixture.h"

namespace onward {

using Outcome = IoResult::Outcome;

// What travels one way.
struct Wire {
  std::string bytes;
  bool ended = false;
  std::size_t room = std::numeric_limits<std::size_t>::max();  // bytes that it holds at most
  std::size_t most = std::numeric_limits<std::size_t>::max();  // bytes of one read or write
  std::size_t reads = 0;
  std::size_t writes = 0;
};

class WireEnd final : public ByteStream {
 public:
  WireEnd(Wire& in, Wire& out) : in_(in), out_(out) {}

  [[nodiscard]] std::unique_ptr<StreamWatcher> watch(EventLoop&, void*, IoWatcher::Callback,
                                                     IoWatcher::Callback) override {
    return nullptr;
  }
  [[nodiscard]] IoResult read(std::span<const iovec> into) override {
    ++in_.reads;
    const std::size_t some = std::min({into[0].iov_len, in_.bytes.size(), in_.most});
    if (some == 0) return {.outcome = in_.ended ? Outcome::kEnd : Outcome::kWantRead};
    std::memcpy(into[0].iov_base, in_.bytes.data(), some);
    in_.bytes.erase(0, some);
    return {.bytes = some};
  }
  [[nodiscard]] IoResult write(std::span<const iovec> from) override {
    ++out_.writes;
    const std::size_t room = out_.room - std::min(out_.room, out_.bytes.size());
    const std::size_t some = std::min({from[0].iov_len, room, out_.most});
    if (some == 0) return {.outcome = Outcome::kWantWrite};
    out_.bytes.append(static_cast<const char*>(from[0].iov_base), some);
    return {.bytes = some};
  }
  void end_output() noexcept override { out_.ended = true; }

 private:
  Wire& in_;
  Wire& out_;
};

inline std::shared_ptr<TlsContext> load(const TlsOptions& options) { return TlsContext::load(options).value(); }

// Both sides of a connection.
struct Pair {
  Pair() : Pair(load(TestAuthority::trusted().options("server")), load(TestAuthority::trusted().options("client"))) {}
  Pair(const std::shared_ptr<TlsContext>& server_context, const std::shared_ptr<TlsContext>& client_context)
      : client(std::make_unique<WireEnd>(down, up), {.context = client_context,
                                                     .accepted = false,
                                                     .host = "127.0.0.1",
                                                     .node = "server",
                                                     .session_key = "server"}),
        server(std::make_unique<WireEnd>(up, down),
               {.context = server_context, .accepted = true, .host = {}, .node = {}, .session_key = {}}) {}

  // What one read of up to a megabyte comes to; what it has read is added to `into`.
  static IoResult read(TlsStream& stream, std::string* into = nullptr) {
    static std::vector<char> bytes(std::size_t{1} << 20);
    const iovec span{.iov_base = bytes.data(), .iov_len = bytes.size()};
    IoResult result = stream.read({&span, 1});
    if (into != nullptr && result.outcome == Outcome::kDone) into->append(bytes.data(), result.bytes);
    return result;
  }
  static IoResult write(TlsStream& stream, std::string_view text) {
    const iovec span{.iov_base = const_cast<char*>(text.data()), .iov_len = text.size()};
    return stream.write({&span, 1});
  }
  // False if one of them fails, or if they get nowhere. Errors stay in client_error and server_error.
  bool shake_hands() {
    std::string nothing;
    for (int turn = 0; turn < 20'000 && client_error.ok() && server_error.ok(); ++turn) {
      client_error = read(client, &nothing).error;
      server_error = read(server, &nothing).error;
      if (client.is_established() && server.is_established()) return true;
    }
    // What the failing one has said still arrives.
    if (client_error.ok()) client_error = read(client, &nothing).error;
    if (server_error.ok()) server_error = read(server, &nothing).error;
    return false;
  }

  Wire up;    // from the client
  Wire down;  // from the server
  TlsStream client;
  TlsStream server;
  Status client_error;
  Status server_error;
};

inline std::string random_text(std::size_t bytes) {
  std::mt19937_64 random(bytes);
  std::string text(bytes, '\0');
  for (char& c : text) c = static_cast<char>(random());
  return text;
}

}  // namespace onward
