// The little that the references share: an event loop on plain libevent, and non-blocking TCP
// sockets on loopback. No bufferevents, no abstraction over events: what is measured should be
// libevent and the kernel's sockets, and nothing else.
#pragma once

#include <event2/event.h>

#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace onward::bench {

// A file descriptor that is closed by its owner's end.
class Socket {
 public:
  explicit Socket(int fd) : fd_(fd) {}
  Socket(Socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  Socket& operator=(Socket&&) = delete;
  ~Socket();

  [[nodiscard]] int fd() const { return fd_; }

 private:
  int fd_;
};

struct EventDeleter {
  void operator()(event* handle) const { event_free(handle); }
};
using Event = std::unique_ptr<event, EventDeleter>;

enum class Waiting { kSleep, kSpin };

// An event_base and how it is run: asleep between events, or spinning.
class Loop {
 public:
  explicit Loop(Waiting waiting);

  // Runs until stop(). Throws std::runtime_error if libevent fails.
  void run();
  // The turn that is under way ends first.
  void stop();

  // Stops the loop at SIGTERM, SIGINT, and when standard input ends. A standard input that cannot
  // be watched (a file, /dev/null) is left alone.
  void stop_when_told();

  // An event, already added, that calls `(target->*method)()` whenever `what` (EV_READ or EV_WRITE,
  // and EV_PERSIST where wanted) holds for `fd`. `target` must outlive the event. What the method
  // throws is printed and ends the program.
  template <auto method, typename Target>
  [[nodiscard]] Event watch(int fd, short what, Target* target) {
    Event result = prepare<method>(fd, what, target);
    if (event_add(result.get(), nullptr) != 0) throw std::runtime_error("libevent cannot watch a descriptor");
    return result;
  }

  // The same, to be added when it is needed.
  template <auto method, typename Target>
  [[nodiscard]] Event prepare(int fd, short what, Target* target) {
    auto call = [](evutil_socket_t, short, void* context) {
      try {
        (static_cast<Target*>(context)->*method)();
      } catch (const std::exception& error) {
        end_program(error);  // libevent is C: nothing may be thrown through it
      }
    };
    Event result(event_new(base_.get(), fd, what, call, target));
    if (!result) throw std::runtime_error("libevent cannot create an event");
    return result;
  }

 private:
  struct BaseDeleter {
    void operator()(event_base* base) const { event_base_free(base); }
  };

  [[noreturn]] static void end_program(const std::exception& error);
  void read_stdin();

  std::unique_ptr<event_base, BaseDeleter> base_;
  std::vector<Event> stop_events_;
  Waiting waiting_;
  bool stopped_ = false;
};

// A listening non-blocking socket on 127.0.0.1 and a free port. Throws std::system_error.
[[nodiscard]] Socket listen_on_loopback();

// The URL of a listening socket, `tcp://127.0.0.1:PORT`.
[[nodiscard]] std::string url_of(const Socket& listener);

// Takes one connection, non-blocking and with TCP_NODELAY. Throws std::system_error.
[[nodiscard]] Socket accept_from(const Socket& listener);

// Connects to a URL as url_of() writes it, waits until connected, then as accept_from().
// Throws std::system_error, or std::invalid_argument for another kind of URL.
[[nodiscard]] Socket connect_to(const std::string& url);

// Has TCP control congestion on this socket by `name`, as in tcp_allowed_congestion_control.
// Throws std::system_error.
void set_congestion_control(const Socket& socket, const std::string& name);

// Throws std::system_error for `errno`, unless it only says that the socket is not ready.
void throw_unless_would_block(const char* what);

}  // namespace onward::bench
