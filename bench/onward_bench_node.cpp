// SPDX-License-Identifier: Apache-2.0
//
// The node of each role, and the transports that it can be measured on: one line each.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <stdexcept>

#include "onward/flex/flex_codec.h"
#include "onward/raw/raw_codec.h"
#include "onward/shm/shm_transport.h"
#include "onward/tcp/tcp_transport.h"
#include "onward/tls/tls_transport.h"
#include "onward/unix/unix_transport.h"
#include "onward_bench.h"

namespace onward::bench {
namespace {

// Where the certificates of a role are; tls needs it.
struct Credentials {
  std::string folder;
  std::string role;
};

struct Scheme {
  std::string_view name;
  std::string_view listen;  // * stands for the process's id
  TransportFactory (*factory)(const Credentials& credentials);
};

TransportFactory tcp(const Credentials&) {
  return [](EventLoop& loop, const MessageLimits& limits) { return make_tcp_transport(loop, limits); };
}

TransportFactory unix_sockets(const Credentials&) {
  return [](EventLoop& loop, const MessageLimits& limits) { return make_unix_transport(loop, limits); };
}

TransportFactory tls(const Credentials& credentials) {
  const std::string base = credentials.folder + "/";
  const TlsOptions files{.certificate = base + credentials.role + ".pem",
                         .key = base + credentials.role + ".key",
                         .ca = base + "ca.pem",
                         .crl = {}};
  return [files](EventLoop& loop, const MessageLimits& limits) { return make_tls_transport(loop, limits, files); };
}

TransportFactory shm(const Credentials&) {
  return [](EventLoop& loop, const MessageLimits& limits) { return make_shm_transport(loop, limits); };
}

constexpr std::array kSchemes = {
    Scheme{"tcp", "tcp://127.0.0.1:0", tcp},
    Scheme{"tls", "tls://127.0.0.1:0", tls},
    Scheme{"shm", "shm://@onward-bench-*", shm},
    Scheme{"unix", "unix://@onward-bench-*", unix_sockets},
};

const Scheme& scheme_called(std::string_view name) {
  const auto* const found = std::ranges::find(kSchemes, name, &Scheme::name);
  if (found == kSchemes.end()) throw std::invalid_argument("there is no transport '" + std::string(name) + "'");
  return *found;
}

}  // namespace

std::vector<std::string> transport_names() {
  std::vector<std::string> names;
  for (const Scheme& scheme : kSchemes) names.emplace_back(scheme.name);
  return names;
}

std::string listen_url(std::string_view transport) {
  std::string url(scheme_called(transport).listen);
  if (const std::size_t at = url.find('*'); at != std::string::npos) url.replace(at, 1, std::to_string(::getpid()));
  return url;
}

NodeOptions node_options(const Settings& settings, const std::string& role, const std::string& peer) {
  NodeOptions options;
  options.name = role;
  const std::string_view connect = settings.connect;
  const std::string_view transport = connect.empty() ? settings.transport : connect.substr(0, connect.find("://"));
  options.transports = {scheme_called(transport).factory({.folder = settings.certs, .role = role})};
  options.codecs = {make_flex_codec(), make_raw_codec()};
  options.codec = settings.codec;
  if (!connect.empty()) options.peers = {{peer, {settings.connect}}};
  options.timeout = std::chrono::seconds(30);
  options.loop.busy_poll = std::chrono::microseconds(settings.busy_poll_us);
  return options;
}

}  // namespace onward::bench
