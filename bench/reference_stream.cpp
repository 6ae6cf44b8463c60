#include <sys/socket.h>

#include <cerrno>
#include <cstdint>
#include <stdexcept>
#include <vector>

#include "measure.h"
#include "reference.h"
#include "reference_server.h"

namespace onward::bench {
namespace {

constexpr std::size_t kDefaultBufferBytes = 1024 * 1024;
constexpr auto kAckTimeout = std::chrono::seconds(10);

// Reads and discards. At the end of the stream it answers with the count of received bytes.
class SinkConnection {
 public:
  SinkConnection(Server<SinkConnection>& server, Socket socket)
      : server_(server),
        socket_(std::move(socket)),
        buffer_(server.buffer_bytes()),
        readable_(server.loop().watch<&SinkConnection::read>(socket_.fd(), EV_READ | EV_PERSIST, this)) {}

 private:
  void read() {
    const ssize_t got = ::recv(socket_.fd(), buffer_.data(), buffer_.size(), 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got > 0) {
      received_ += static_cast<std::uint64_t>(got);
      return;
    }
    if (got == 0) acknowledge();
    server_.close(*this);
  }

  void acknowledge() {
    // Eight bytes always fit into the empty send buffer of a socket that has sent nothing.
    const ssize_t put = ::send(socket_.fd(), &received_, sizeof received_, MSG_NOSIGNAL);
    if (put == sizeof received_) server_.count(received_ / buffer_.size());
  }

  Server<SinkConnection>& server_;
  Socket socket_;
  std::vector<char> buffer_;
  std::uint64_t received_ = 0;
  Event readable_;
};

class StreamClient {
 public:
  explicit StreamClient(const ClientOptions& options)
      : options_(options),
        phases_(options.warmup, options.measured),
        loop_(options.waiting),
        socket_(connect_to(options.url)),
        payload_(options.bytes, 'x'),
        writable_(loop_.watch<&StreamClient::write>(socket_.fd(), EV_WRITE | EV_PERSIST, this)),
        readable_(loop_.prepare<&StreamClient::read_ack>(socket_.fd(), EV_READ, this)) {}

  void run() {
    if (!options_.congestion.empty()) set_congestion_control(socket_, options_.congestion);
    phases_.start();
    loop_.run();
    report();
  }

 private:
  void write() {
    const ssize_t put = ::send(socket_.fd(), payload_.data() + offset_, payload_.size() - offset_, MSG_NOSIGNAL);
    if (put < 0) return throw_unless_would_block("send");
    sent_ += static_cast<std::uint64_t>(put);
    offset_ += static_cast<std::size_t>(put);
    if (offset_ == payload_.size()) offset_ = 0;
    if (phases_.over(Clock::now())) end_phase();
  }

  void end_phase() {
    if (phases_.measuring()) {
      event_del(writable_.get());
      const timeval patience{kAckTimeout.count(), 0};
      event_add(readable_.get(), &patience);
      if (::shutdown(socket_.fd(), SHUT_WR) != 0) throw std::runtime_error("cannot end the stream");
      return;
    }
    sent_before_ = sent_;
    phases_.begin_measuring();
  }

  // The time ends here, when every byte that counts has been received. What was still in the
  // socket's buffers when it began is received within it and not counted.
  void read_ack() {
    std::uint64_t received = 0;
    const ssize_t got = ::recv(socket_.fd(), &received, sizeof received, 0);
    phases_.end_measuring(Clock::now());
    if (got != sizeof received) throw std::runtime_error("the server did not confirm the stream");
    if (received != sent_) {
      throw std::runtime_error("sent " + std::to_string(sent_) + " bytes, but the server received " +
                               std::to_string(received));
    }
    loop_.stop();
  }

  void report() {
    const auto bytes = static_cast<double>(sent_ - sent_before_);
    const double writes = bytes / static_cast<double>(payload_.size());
    print_line(JsonLine()
                   .number("gb_per_s", bytes / phases_.seconds() / 1e9)
                   .number("req_per_s", writes / phases_.seconds())
                   .number("requests", writes)
                   .number("client_cpu_us", phases_.cpu_us() / writes)
                   .text());
  }

  const ClientOptions& options_;
  Phases phases_;
  Loop loop_;
  Socket socket_;
  std::vector<char> payload_;
  Event writable_;
  Event readable_;

  std::size_t offset_ = 0;
  std::uint64_t sent_ = 0;
  std::uint64_t sent_before_ = 0;
};

}  // namespace

void run_stream_server(const ServerOptions& options) {
  const std::size_t bytes = options.buffer_bytes == 0 ? kDefaultBufferBytes : options.buffer_bytes;
  Server<SinkConnection>(options.waiting, bytes).run();
}

void run_stream_client(const ClientOptions& options) { StreamClient(options).run(); }

}  // namespace onward::bench
