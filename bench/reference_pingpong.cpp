#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <vector>

#include "reference.h"
#include "reference_channel.h"
#include "reference_pings.h"
#include "reference_server.h"
#include "reference_tls.h"

namespace onward::bench {
namespace {

constexpr std::size_t kDefaultBufferBytes = 256 * 1024;

std::size_t buffer_bytes(const ServerOptions& options) {
  return options.buffer_bytes == 0 ? kDefaultBufferBytes : options.buffer_bytes;
}

// Answers the whole messages of a read with one send of the same bytes, from the same buffer. It
// reads on only when they have all left, so the buffer holds [what is being sent][the start of a
// next message].
template <typename Channel>
class EchoConnection {
 public:
  EchoConnection(Server<EchoConnection>& server, Socket socket)
      : server_(server),
        channel_(std::move(socket), Side::kServer),
        buffer_(buffer_bytes(server.options())),
        readable_(server.loop().template watch<&EchoConnection::read>(channel_.fd(), EV_READ | EV_PERSIST, this)),
        writable_(server.loop().template prepare<&EchoConnection::resume>(channel_.fd(), EV_WRITE, this)) {}

 private:
  void read() {
    while (read_once() && channel_.holds_input()) {
    }
  }

  // False if there is no more to read for now, or nothing is left of this connection.
  bool read_once() {
    const ssize_t got = channel_.receive({buffer_.data() + filled_, buffer_.size() - filled_});
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return false;
    if (got <= 0) {
      server_.close(*this);
      return false;
    }
    filled_ += static_cast<std::size_t>(got);
    whole_ = filled_ - filled_ % kMessageBytes;
    if (whole_ == 0) return true;
    server_.count(whole_ / kMessageBytes);
    if (send()) return true;
    wait_until_writable();
    return false;
  }

  // Sends what is still to be sent; false if some of it is left.
  bool send() {
    const ssize_t put = channel_.send({buffer_.data() + sent_, whole_ - sent_});
    if (put > 0) sent_ += static_cast<std::size_t>(put);  // an error shows itself at the next receive
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
    ::getsockopt(channel_.fd(), SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) return server_.close(*this);
    if (!send()) {
      event_add(writable_.get(), nullptr);
      return;
    }
    event_add(readable_.get(), nullptr);
    if (channel_.holds_input()) read();
  }

  Server<EchoConnection>& server_;
  Channel channel_;
  std::vector<char> buffer_;
  std::size_t filled_ = 0;
  std::size_t whole_ = 0;
  std::size_t sent_ = 0;
  Event readable_;
  Event writable_;
};

template <typename Channel>
class PingClient {
 public:
  explicit PingClient(const ClientOptions& options)
      : in_flight_(options.in_flight),
        pings_(options),
        loop_(options.waiting),
        channel_(connect_to(options.url), Side::kClient),
        outgoing_(options.in_flight * kMessageBytes, 'x'),
        incoming_(std::max(kDefaultBufferBytes, outgoing_.size())),
        readable_(loop_.template watch<&PingClient::read>(channel_.fd(), EV_READ | EV_PERSIST, this)),
        writable_(loop_.template prepare<&PingClient::send>(channel_.fd(), EV_WRITE, this)) {}

  void run() {
    pings_.start();
    send_new(in_flight_, Clock::now());
    loop_.run();
    pings_.report();
  }

 private:
  void read() {
    while (read_once() && channel_.holds_input()) {
    }
  }

  // False if there is no more to read.
  bool read_once() {
    const ssize_t got = channel_.receive(incoming_);
    if (got < 0) {
      throw_unless_would_block("receive");
      return false;
    }
    if (got == 0) throw std::runtime_error("the server closed the connection");
    const auto now = Clock::now();
    partial_ += static_cast<std::size_t>(got);
    const std::size_t messages = partial_ / kMessageBytes;
    partial_ %= kMessageBytes;
    if (messages == 0) return true;
    const auto send_at = pings_.came_back(messages, now);
    if (send_at) {
      send_new(messages, *send_at);
    } else {
      loop_.stop();
    }
    return send_at.has_value();
  }

  void send_new(std::size_t messages, Clock::time_point now) {
    pings_.sent(messages, now);
    unsent_ += messages * kMessageBytes;
    send();
  }

  // Every message is the same, so what is left of one is the tail of the buffer.
  void send() {
    const ssize_t put = channel_.send({outgoing_.data() + (outgoing_.size() - unsent_), unsent_});
    if (put < 0) {
      throw_unless_would_block("send");
    } else {
      unsent_ -= static_cast<std::size_t>(put);
    }
    if (unsent_ > 0) event_add(writable_.get(), nullptr);
  }

  std::size_t in_flight_;
  Pings pings_;
  Loop loop_;
  Channel channel_;
  std::vector<char> outgoing_;
  std::vector<char> incoming_;
  Event readable_;
  Event writable_;

  std::size_t unsent_ = 0;   // bytes of messages under way that the channel has not taken yet
  std::size_t partial_ = 0;  // bytes of a message whose rest has not come yet
};

}  // namespace

void run_pingpong_server(const ServerOptions& options) {
  if (options.scheme == Scheme::kTls) return Server<EchoConnection<TlsChannel>>(options).run();
  Server<EchoConnection<PlainChannel>>(options).run();
}

void run_pingpong_client(const ClientOptions& options) {
  if (options.scheme == Scheme::kTls) return PingClient<TlsChannel>(options).run();
  PingClient<PlainChannel>(options).run();
}

}  // namespace onward::bench
