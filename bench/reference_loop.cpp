#include "reference_loop.h"

#include <sys/types.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace onward::bench {
namespace {

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

}  // namespace

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

}  // namespace onward::bench
