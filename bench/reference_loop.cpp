#include "reference_loop.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <system_error>

namespace onward::bench {
namespace {

[[noreturn]] void throw_errno(const char* what) { throw std::system_error(errno, std::generic_category(), what); }

struct ConfigDeleter {
  void operator()(event_config* config) const { event_config_free(config); }
};

// No locks, since the loop has one thread, and no cached time, since there are no timers.
event_base* make_base() {
  const std::unique_ptr<event_config, ConfigDeleter> config(event_config_new());
  if (!config) throw std::runtime_error("libevent cannot create a configuration");
  event_config_set_flag(config.get(), EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_NO_CACHE_TIME);
  event_base* base = event_base_new_with_config(config.get());
  if (base == nullptr) throw std::runtime_error("libevent cannot create an event base");
  return base;
}

void set_no_delay(int fd) {
  const int on = 1;
  if (::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0) throw_errno("set TCP_NODELAY");
}

std::uint16_t port_of(const std::string& url) {
  constexpr std::string_view kPrefix = "tcp://127.0.0.1:";
  std::uint16_t port = 0;
  const bool has_prefix = url.starts_with(kPrefix);
  const char* const end = url.data() + url.size();
  const auto parsed = has_prefix ? std::from_chars(url.data() + kPrefix.size(), end, port)
                                 : std::from_chars_result{url.data(), std::errc::invalid_argument};
  if (parsed.ec != std::errc{} || parsed.ptr != end) {
    throw std::invalid_argument("'" + url + "' is not a URL of the form tcp://127.0.0.1:PORT");
  }
  return port;
}

sockaddr_in loopback_address(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

}  // namespace

Socket::~Socket() {
  if (fd_ >= 0) ::close(fd_);
}

Loop::Loop(Waiting waiting) : base_(make_base()), waiting_(waiting) {}

void Loop::run() {
  const int flags = waiting_ == Waiting::kSpin ? EVLOOP_NONBLOCK : EVLOOP_NO_EXIT_ON_EMPTY;
  while (!stopped_) {
    if (event_base_loop(base_.get(), flags) < 0) throw std::runtime_error("libevent's loop failed");
  }
}

void Loop::stop() {
  stopped_ = true;
  event_base_loopbreak(base_.get());
}

void Loop::stop_when_told() {
  for (const int signal : {SIGTERM, SIGINT}) {
    stop_events_.push_back(watch<&Loop::stop>(signal, EV_SIGNAL | EV_PERSIST, this));
  }
  Event input = prepare<&Loop::read_stdin>(STDIN_FILENO, EV_READ | EV_PERSIST, this);
  if (event_add(input.get(), nullptr) == 0) stop_events_.push_back(std::move(input));
}

void Loop::end_program(const std::exception& error) {
  std::fprintf(stderr, "onward_reference: %s\n", error.what());
  std::exit(1);
}

void Loop::read_stdin() {
  char ignored[256];
  const ssize_t got = ::read(STDIN_FILENO, ignored, sizeof ignored);
  if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) stop();
}

Socket listen_on_loopback() {
  Socket listener(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (listener.fd() < 0) throw_errno("create a socket");
  const sockaddr_in address = loopback_address(0);
  if (::bind(listener.fd(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    throw_errno("bind to 127.0.0.1");
  }
  if (::listen(listener.fd(), SOMAXCONN) != 0) throw_errno("listen on 127.0.0.1");
  return listener;
}

std::string url_of(const Socket& listener) {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  if (::getsockname(listener.fd(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    throw_errno("ask for the port");
  }
  return "tcp://127.0.0.1:" + std::to_string(ntohs(address.sin_port));
}

Socket accept_from(const Socket& listener) {
  Socket accepted(::accept4(listener.fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (accepted.fd() < 0) throw_errno("accept a connection");
  set_no_delay(accepted.fd());
  return accepted;
}

Socket connect_to(const std::string& url) {
  const sockaddr_in address = loopback_address(port_of(url));
  Socket connected(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (connected.fd() < 0) throw_errno("create a socket");
  if (::connect(connected.fd(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    throw std::system_error(errno, std::generic_category(), "connect to " + url);
  }
  const int flags = ::fcntl(connected.fd(), F_GETFL);
  if (flags < 0 || ::fcntl(connected.fd(), F_SETFL, flags | O_NONBLOCK) != 0) {
    throw_errno("make a socket non-blocking");
  }
  set_no_delay(connected.fd());
  return connected;
}

void set_congestion_control(const Socket& socket, const std::string& name) {
  const auto size = static_cast<socklen_t>(name.size());
  if (::setsockopt(socket.fd(), IPPROTO_TCP, TCP_CONGESTION, name.data(), size) != 0) {
    throw std::system_error(errno, std::generic_category(), "set congestion control '" + name + "'");
  }
}

void throw_unless_would_block(const char* what) {
  if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) throw_errno(what);
}

}  // namespace onward::bench
