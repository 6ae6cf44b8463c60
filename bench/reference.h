// The references that Onward is measured against: the same work, written by hand on plain libevent
// events and sockets, or on shared memory, with nothing that an RPC system needs (no functions, no
// calls, no codecs, no errors).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

#include "reference_socket.h"

namespace onward::bench {

enum class Waiting : std::uint8_t { kSleep, kSpin };

struct ServerOptions {
  Scheme scheme = Scheme::kTcp;
  Waiting waiting = Waiting::kSleep;
  std::size_t buffer_bytes = 0;  // what one recv() may take; 0 is the shape's own choice
};

struct ClientOptions {
  std::string url;
  Scheme scheme = Scheme::kTcp;
  Waiting waiting = Waiting::kSleep;
  std::chrono::duration<double> warmup{};
  std::chrono::duration<double> measured{};
  std::size_t in_flight = 1;        // ping-pongs: messages under way
  std::size_t bytes = 1024 * 1024;  // streams: size of one write; memcpy: of one copy
  std::string congestion;           // streams: TCP's congestion control; empty for the system's own
};

// Messages that one ping-pong may have under way.
inline constexpr std::size_t kMaxInFlight = 16384;

// Messages of 64 bytes, on TCP, a unix socket, or TLS above TCP. The server answers all whole messages of one read with
// one write of the same bytes. The client keeps `in_flight` of them under way, and replaces those that came back in one
// read with one write.
void run_pingpong_server(const ServerOptions& options);
void run_pingpong_client(const ClientOptions& options);

// The same through two rings of shared memory, with an eventfd for whoever sleeps.
void run_shm_pingpong_server(const ServerOptions& options);
void run_shm_pingpong_client(const ClientOptions& options);

// One-way, on the same sockets: the client writes `bytes` at a time, the server reads into one buffer that it reuses,
// and discards. When the client ends its side the server answers with the count of bytes that it received.
void run_stream_server(const ServerOptions& options);
void run_stream_client(const ClientOptions& options);

// The client copies `bytes` from one warm buffer into another; its server does nothing.
void run_memcpy_server(const ServerOptions& options);
void run_memcpy_client(const ClientOptions& options);

}  // namespace onward::bench
