// The event loop of the references, on plain libevent. No bufferevents, no abstraction over events: what is
// measured should be libevent and the kernel's sockets, and nothing else.
#pragma once

#include <event2/event.h>

#include <exception>
#include <memory>
#include <stdexcept>
#include <vector>

#include "reference.h"

namespace onward::bench {

struct EventDeleter {
  void operator()(event* handle) const { event_free(handle); }
};
using Event = std::unique_ptr<event, EventDeleter>;

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

}  // namespace onward::bench
