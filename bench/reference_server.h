// What all reference servers do around their connections: listen, accept, serve until told to
// stop, and report.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <list>

#include "measure.h"
#include "reference.h"
#include "reference_loop.h"
#include "reference_socket.h"

namespace onward::bench {

// `Connection` is constructed from (Server&, Socket), serves itself from then on, calls count() for
// what it has served, and calls close() as the last thing it does.
template <typename Connection>
class Server {
 public:
  // `waiting` is the loop's; connections that wait elsewhere see options().
  Server(const ServerOptions& options, Waiting waiting)
      : options_(options), loop_(waiting), listener_(listen_as(options.scheme)) {}
  explicit Server(const ServerOptions& options) : Server(options, options.waiting) {}

  // Prints the line that says where, serves until stdin ends or SIGTERM, prints the JSON line.
  void run() {
    loop_.stop_when_told();
    const Event incoming = loop_.watch<&Server::accept>(listener_.fd(), EV_READ | EV_PERSIST, this);
    print_line("listening " + url_of(listener_, options_.scheme));
    loop_.run();
    connections_.clear();
    print_line(JsonLine()
                   .number("cpu_us", process_cpu_us())
                   .number("requests", requests_)
                   .number("rss_bytes", resident_bytes())
                   .text());
  }

  [[nodiscard]] Loop& loop() { return loop_; }
  [[nodiscard]] const ServerOptions& options() const { return options_; }
  void count(std::uint64_t requests) { requests_ += requests; }

  // Destroys the connection.
  void close(const Connection& connection) {
    connections_.remove_if([&connection](const Connection& each) { return &each == &connection; });
  }

 private:
  void accept() { connections_.emplace_back(*this, accept_from(listener_)); }

  const ServerOptions& options_;
  Loop loop_;
  Socket listener_;
  std::list<Connection> connections_;
  std::uint64_t requests_ = 0;
};

}  // namespace onward::bench
