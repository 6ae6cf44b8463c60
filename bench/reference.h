// The references that Onward is measured against: the same work, written by hand on plain libevent
// events and TCP sockets, with nothing that an RPC system needs (no functions, no calls, no codecs,
// no errors).
#pragma once

#include <chrono>
#include <cstddef>
#include <string>

#include "reference_loop.h"

namespace onward::bench {

struct ServerOptions {
  Waiting waiting = Waiting::kSleep;
  std::size_t buffer_bytes = 0;  // what one recv() may take; 0 is the shape's own choice
};

struct ClientOptions {
  std::string url;
  Waiting waiting = Waiting::kSleep;
  std::chrono::duration<double> warmup{};
  std::chrono::duration<double> measured{};
  std::size_t in_flight = 1;        // pingpong: messages under way
  std::size_t bytes = 1024 * 1024;  // stream: size of one write
  std::string congestion;           // stream: TCP's congestion control; empty for the system's own
};

// Messages of 64 bytes. The server answers all whole messages of one read with one write of the
// same bytes. The client keeps `in_flight` of them under way, and replaces those that came back in
// one read with one write.
void run_pingpong_server(const ServerOptions& options);
void run_pingpong_client(const ClientOptions& options);

// One-way: the client writes `bytes` at a time, the server reads into one buffer that it reuses,
// and discards. When the client ends its side the server answers with the count of bytes that it
// received.
void run_stream_server(const ServerOptions& options);
void run_stream_client(const ClientOptions& options);

}  // namespace onward::bench
