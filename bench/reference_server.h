// What both reference servers do around their connections: listen, accept, serve until told to
// stop, and report.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <list>

#include "measure.h"
#include "reference_loop.h"

namespace onward::bench {

// `Connection` is constructed from (Server&, Socket), serves itself from then on, calls count() for
// what it has served, and calls close() as the last thing it does.
template <typename Connection>
class Server {
 public:
  Server(Waiting waiting, std::size_t buffer_bytes)
      : loop_(waiting), buffer_bytes_(buffer_bytes), listener_(listen_on_loopback()) {}

  // Prints the line that says where, serves until stdin ends or SIGTERM, prints the JSON line.
  void run() {
    loop_.stop_when_told();
    const Event incoming = loop_.watch<&Server::accept>(listener_.fd(), EV_READ | EV_PERSIST, this);
    print_line("listening " + url_of(listener_));
    loop_.run();
    print_line(JsonLine()
                   .number("cpu_us", process_cpu_us())
                   .number("requests", requests_)
                   .number("rss_bytes", resident_bytes())
                   .text());
    connections_.clear();
  }

  [[nodiscard]] Loop& loop() { return loop_; }
  [[nodiscard]] std::size_t buffer_bytes() const { return buffer_bytes_; }
  void count(std::uint64_t requests) { requests_ += requests; }

  // Destroys the connection.
  void close(const Connection& connection) {
    connections_.remove_if([&connection](const Connection& each) { return &each == &connection; });
  }

 private:
  void accept() { connections_.emplace_back(*this, accept_from(listener_)); }

  Loop loop_;
  std::size_t buffer_bytes_;
  Socket listener_;
  std::list<Connection> connections_;
  std::uint64_t requests_ = 0;
};

}  // namespace onward::bench
