#include <cerrno>
#include <cstdint>
#include <stdexcept>
#include <vector>

#include "measure.h"
#include "reference.h"
#include "reference_channel.h"
#include "reference_server.h"
#include "reference_tls.h"

namespace onward::bench {
namespace {

constexpr std::size_t kDefaultBufferBytes = 1024 * 1024;
constexpr auto kAckTimeout = std::chrono::seconds(10);

std::size_t buffer_bytes(const ServerOptions& options) {
  return options.buffer_bytes == 0 ? kDefaultBufferBytes : options.buffer_bytes;
}

// Reads and discards. At the end of the stream it answers with the count of received bytes.
template <typename Channel>
class SinkConnection {
 public:
  SinkConnection(Server<SinkConnection>& server, Socket socket)
      : server_(server),
        channel_(std::move(socket), Side::kServer),
        buffer_(buffer_bytes(server.options())),
        readable_(server.loop().template watch<&SinkConnection::read>(channel_.fd(), EV_READ | EV_PERSIST, this)) {}

 private:
  void read() {
    while (read_once() && channel_.holds_input()) {
    }
  }

  // False if there is no more to read for now, or nothing is left of this connection.
  bool read_once() {
    const ssize_t got = channel_.receive(buffer_);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return false;
    if (got > 0) {
      received_ += static_cast<std::uint64_t>(got);
      return true;
    }
    if (got == 0) acknowledge();
    server_.close(*this);
    return false;
  }

  void acknowledge() {
    // Eight bytes always fit into the empty send buffer of a socket that has sent nothing.
    const ssize_t put = channel_.send({reinterpret_cast<const char*>(&received_), sizeof received_});
    if (put == sizeof received_) server_.count(received_ / buffer_.size());
  }

  Server<SinkConnection>& server_;
  Channel channel_;
  std::vector<char> buffer_;
  std::uint64_t received_ = 0;
  Event readable_;
};

template <typename Channel>
class StreamClient {
 public:
  explicit StreamClient(const ClientOptions& options)
      : options_(options),
        phases_(options.warmup, options.measured),
        loop_(options.waiting),
        channel_(connect_to(options.url), Side::kClient),
        payload_(options.bytes, 'x'),
        writable_(loop_.template watch<&StreamClient::write>(channel_.fd(), EV_WRITE | EV_PERSIST, this)),
        readable_(loop_.template prepare<&StreamClient::read_ack>(channel_.fd(), EV_READ, this)) {}

  void run() {
    if (!options_.congestion.empty()) set_congestion_control(channel_.socket(), options_.congestion);
    phases_.start();
    loop_.run();
    report();
  }

 private:
  void write() {
    const ssize_t put = channel_.send({payload_.data() + offset_, payload_.size() - offset_});
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
      channel_.end_output();
      return;
    }
    sent_before_ = sent_;
    phases_.begin_measuring();
  }

  // The time ends here, when every byte that counts has been received. What was still in the
  // socket's buffers when it began is received within it and not counted.
  void read_ack() {
    std::uint64_t received = 0;
    const ssize_t got = channel_.receive({reinterpret_cast<char*>(&received), sizeof received});
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
  Channel channel_;
  std::vector<char> payload_;
  Event writable_;
  Event readable_;

  std::size_t offset_ = 0;
  std::uint64_t sent_ = 0;
  std::uint64_t sent_before_ = 0;
};

}  // namespace

void run_stream_server(const ServerOptions& options) {
  if (options.scheme == Scheme::kTls) return Server<SinkConnection<TlsChannel>>(options).run();
  Server<SinkConnection<PlainChannel>>(options).run();
}

void run_stream_client(const ClientOptions& options) {
  if (options.scheme == Scheme::kTls) return StreamClient<TlsChannel>(options).run();
  StreamClient<PlainChannel>(options).run();
}

}  // namespace onward::bench
