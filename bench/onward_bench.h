// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "onward/rpc.h"

namespace onward::bench {

struct Settings {
  std::string shape = "T1_128";
  std::string codec = "flex";
  std::string transport = "tcp";  // server and middle: where they listen
  std::string connect;            // client and middle: whom to call
  std::string certs;              // where ROLE.pem, ROLE.key and ca.pem are, for tls
  int cpu = -1;                   // the core to run on; -1: any
  int busy_poll_us = 0;
  int in_flight = 1;
  std::uint64_t bytes = 64;
  double seconds = 2;
  double warmup = 0.5;
};

// The schemes that can be measured.
[[nodiscard]] std::vector<std::string> transport_names();
// Where a node listens on a port or name of its own. Throws std::invalid_argument for an unknown transport.
[[nodiscard]] std::string listen_url(std::string_view transport);
// A node that listens on nothing yet; flex and raw, and as transports those of what it listens on and whom it calls,
// which it knows as `peer`. Its name is its role, and its certificate's.
[[nodiscard]] NodeOptions node_options(const Settings& settings, const std::string& role, const std::string& peer);

// Each prints one JSON line at its end and returns the exit code.
int run_server(const Settings& settings, bool middle);
int run_client(const Settings& settings);

// What the server answers; the handles by which the client calls it.
//   echo    gives its argument back          relay  calls echo at the next node, and answers with that
//   measure gives its argument's size        park   answers when release is called
inline const Remote<Buffer(Buffer)> kEcho("bench.echo");
inline const Remote<Buffer(Buffer)> kRelay("bench.relay");
inline const Remote<Buffer(Buffer)> kMeasure("bench.measure");
inline const Remote<Buffer(Buffer)> kPark("bench.park");
inline const Remote<Buffer(Buffer)> kRelease("bench.release");

}  // namespace onward::bench
