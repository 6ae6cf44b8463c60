// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "onward/rpc.h"

namespace onward::bench {

struct Settings {
  std::string shape = "T1_128";
  std::string codec = "flex";
  std::string connect;  // client and middle: whom to call
  int cpu = -1;         // the core to run on; -1: any
  int busy_poll_us = 0;
  int in_flight = 1;
  std::uint64_t bytes = 64;
  double seconds = 2;
  double warmup = 0.5;
};

// A node with tcp, flex and raw, with calls that wait for ever.
[[nodiscard]] NodeOptions node_options(const Settings& settings, const std::string& name);

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
