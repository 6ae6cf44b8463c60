#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <vector>

#include "measure.h"
#include "reference.h"
#include "reference_server.h"

namespace onward::bench {
namespace {

constexpr std::size_t kMessageBytes = 64;
constexpr std::size_t kDefaultBufferBytes = 256 * 1024;

// Answers the whole messages of a read with one send of the same bytes, from the same buffer. It
// reads on only when they have all left, so the buffer holds [what is being sent][the start of a
// next message].
class EchoConnection {
 public:
  EchoConnection(Server<EchoConnection>& server, Socket socket)
      : server_(server),
        socket_(std::move(socket)),
        buffer_(server.buffer_bytes()),
        readable_(server.loop().watch<&EchoConnection::read>(socket_.fd(), EV_READ | EV_PERSIST, this)),
        writable_(server.loop().prepare<&EchoConnection::resume>(socket_.fd(), EV_WRITE, this)) {}

 private:
  void read() {
    const ssize_t got = ::recv(socket_.fd(), buffer_.data() + filled_, buffer_.size() - filled_, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) return server_.close(*this);
    filled_ += static_cast<std::size_t>(got);
    whole_ = filled_ - filled_ % kMessageBytes;
    if (whole_ == 0) return;
    server_.count(whole_ / kMessageBytes);
    if (!send()) wait_until_writable();
  }

  // Sends what is still to be sent; false if some of it is left.
  bool send() {
    const ssize_t put = ::send(socket_.fd(), buffer_.data() + sent_, whole_ - sent_, MSG_NOSIGNAL);
    if (put > 0) sent_ += static_cast<std::size_t>(put);  // an error shows itself at the next recv()
    if (sent_ < whole_) return false;
    const std::size_t rest = filled_ - whole_;
    if (rest > 0) std::memmove(buffer_.data(), buffer_.data() + whole_, rest);
    filled_ = rest;
    sent_ = whole_ = 0;
    return true;
  }

  void wait_until_writable() {
    event_del(readable_.get());
    event_add(writable_.get(), nullptr);
  }

  void resume() {
    int error = 0;
    socklen_t size = sizeof error;
    ::getsockopt(socket_.fd(), SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) return server_.close(*this);
    if (send()) {
      event_add(readable_.get(), nullptr);
    } else {
      event_add(writable_.get(), nullptr);
    }
  }

  Server<EchoConnection>& server_;
  Socket socket_;
  std::vector<char> buffer_;
  std::size_t filled_ = 0;
  std::size_t whole_ = 0;
  std::size_t sent_ = 0;
  Event readable_;
  Event writable_;
};

// When the messages under way were sent: one entry for each write, since those that leave together
// have the same time. There are never more entries than messages under way.
class SendTimes {
 public:
  explicit SendTimes(std::size_t in_flight) : entries_(in_flight + 1) {}

  void push(Clock::time_point sent_at, std::size_t messages) {
    entries_[last_] = {sent_at, messages};
    last_ = after(last_);
  }

  // Takes the oldest `messages`, adding their latencies to `latencies`.
  void pop(std::size_t messages, Clock::time_point now, LatencyHistogram& latencies) {
    while (messages > 0) {
      Entry& oldest = entries_[first_];
      const std::size_t taken = std::min(messages, oldest.messages);
      latencies.add(now - oldest.sent_at, taken);
      oldest.messages -= taken;
      messages -= taken;
      if (oldest.messages == 0) first_ = after(first_);
    }
  }

 private:
  struct Entry {
    Clock::time_point sent_at;
    std::size_t messages = 0;
  };

  [[nodiscard]] std::size_t after(std::size_t index) const { return index + 1 == entries_.size() ? 0 : index + 1; }

  std::vector<Entry> entries_;
  std::size_t first_ = 0;
  std::size_t last_ = 0;
};

class PingClient {
 public:
  explicit PingClient(const ClientOptions& options)
      : options_(options),
        phases_(options.warmup, options.measured),
        loop_(options.waiting),
        socket_(connect_to(options.url)),
        outgoing_(options.in_flight * kMessageBytes, 'x'),
        incoming_(std::max(kDefaultBufferBytes, outgoing_.size())),
        send_times_(options.in_flight),
        readable_(loop_.watch<&PingClient::read>(socket_.fd(), EV_READ | EV_PERSIST, this)),
        writable_(loop_.prepare<&PingClient::send>(socket_.fd(), EV_WRITE, this)) {}

  void run() {
    phases_.start();
    send_new(options_.in_flight, Clock::now());
    loop_.run();
    report();
  }

 private:
  void read() {
    const ssize_t got = ::recv(socket_.fd(), incoming_.data(), incoming_.size(), 0);
    if (got < 0) return throw_unless_would_block("receive");
    if (got == 0) throw std::runtime_error("the server closed the connection");
    const auto now = Clock::now();
    partial_ += static_cast<std::size_t>(got);
    const std::size_t messages = partial_ / kMessageBytes;
    partial_ %= kMessageBytes;
    if (messages == 0) return;
    completed_ += messages;
    send_times_.pop(messages, now, latencies_);
    if (phases_.over(now)) return end_phase(messages);
    send_new(messages, now);
  }

  void end_phase(std::size_t messages) {
    if (phases_.measuring()) {
      phases_.end_measuring(Clock::now());
      return loop_.stop();
    }
    latencies_.clear();
    completed_ = 0;
    phases_.begin_measuring();
    send_new(messages, phases_.began());
  }

  void send_new(std::size_t messages, Clock::time_point now) {
    send_times_.push(now, messages);
    unsent_ += messages * kMessageBytes;
    send();
  }

  // Every message is the same, so what is left of one is the tail of the buffer.
  void send() {
    const ssize_t put = ::send(socket_.fd(), outgoing_.data() + (outgoing_.size() - unsent_), unsent_, MSG_NOSIGNAL);
    if (put < 0) {
      throw_unless_would_block("send");
    } else {
      unsent_ -= static_cast<std::size_t>(put);
    }
    if (unsent_ > 0) event_add(writable_.get(), nullptr);
  }

  void report() {
    const auto requests = static_cast<double>(completed_);
    print_line(JsonLine()
                   .number("p50_us", latencies_.quantile_us(0.50))
                   .number("p99_us", latencies_.quantile_us(0.99))
                   .number("req_per_s", requests / phases_.seconds())
                   .number("requests", completed_)
                   .number("client_cpu_us", phases_.cpu_us() / requests)
                   .text());
  }

  const ClientOptions& options_;
  Phases phases_;
  Loop loop_;
  Socket socket_;
  std::vector<char> outgoing_;
  std::vector<char> incoming_;
  SendTimes send_times_;
  LatencyHistogram latencies_;
  Event readable_;
  Event writable_;

  std::size_t unsent_ = 0;   // bytes of messages under way that the socket has not taken yet
  std::size_t partial_ = 0;  // bytes of a message whose rest has not come yet
  std::uint64_t completed_ = 0;
};

}  // namespace

void run_pingpong_server(const ServerOptions& options) {
  const std::size_t bytes = options.buffer_bytes == 0 ? kDefaultBufferBytes : options.buffer_bytes;
  Server<EchoConnection>(options.waiting, bytes).run();
}

void run_pingpong_client(const ClientOptions& options) { PingClient(options).run(); }

}  // namespace onward::bench
