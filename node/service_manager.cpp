// SPDX-License-Identifier: Apache-2.0
#include "service_manager.h"

#include <dlfcn.h>
#ifdef ONWARD_WITH_SYSTEMD
#include <systemd/sd-daemon.h>
#endif

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "onward/event_loop.h"
#include "onward/log.h"

namespace onward::service_manager {
namespace {

constexpr const char* kAlive = "WATCHDOG=1";

#ifdef ONWARD_WITH_SYSTEMD
// What is used of libsystemd; null where there is nobody to tell.
struct Library {
  decltype(&::sd_notify) notify = nullptr;
  decltype(&::sd_watchdog_enabled) watchdog_enabled = nullptr;
};

Library load_library() {
  if (std::getenv("NOTIFY_SOCKET") == nullptr) return {};
  void* library = ::dlopen("libsystemd.so.0", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* error = ::dlerror();
    log(LogLevel::kWarning, "service manager",
        std::string("NOTIFY_SOCKET is set, but nothing can be told: libsystemd cannot be loaded: ") +
            (error == nullptr ? "unknown error" : error));
    return {};
  }
  return {.notify = reinterpret_cast<decltype(Library::notify)>(::dlsym(library, "sd_notify")),
          .watchdog_enabled =
              reinterpret_cast<decltype(Library::watchdog_enabled)>(::dlsym(library, "sd_watchdog_enabled"))};
}

const Library& library() {
  static const Library loaded = load_library();
  return loaded;
}

// An errno, negative; 0 where there is nobody to tell.
int notify(const char* state) { return library().notify == nullptr ? 0 : library().notify(0, state); }

std::optional<Duration> watchdog_timeout() {
  std::uint64_t timeout_us = 0;
  if (library().watchdog_enabled == nullptr || library().watchdog_enabled(0, &timeout_us) <= 0) return std::nullopt;
  return std::chrono::microseconds(std::min<std::uint64_t>(timeout_us, INT64_MAX / 1'000));
}
#else
int notify(const char*) { return 0; }
std::optional<Duration> watchdog_timeout() { return std::nullopt; }
#endif

void tell(const Node& node, const std::string& state) {
  if (const int error = notify(state.c_str()); error < 0) {
    log(LogLevel::kWarning, node.name(),
        "NOTIFY_SOCKET: the service manager cannot be told " + state.substr(0, state.find('\n')) + ": " +
            std::strerror(-error));
  }
}

std::int64_t microseconds(Duration time) noexcept {
  return std::chrono::duration_cast<std::chrono::microseconds>(time).count();
}

// Owns itself, as the loop may end without it.
class Heartbeat final : public WheelTimer {
 public:
  explicit Heartbeat(Duration interval) : interval_(interval) {}
  void on_timer() override {
    notify(kAlive);
    EventLoop& loop = *EventLoop::current();
    loop.arm(*this, loop.now() + interval_);
    loop.callback_done(nullptr);
  }
  void on_dropped() noexcept override { delete this; }

 private:
  const Duration interval_;
};

}  // namespace

void tell_ready(const Node& node, std::string_view remark) {
  std::string status = "STATUS=" + node.name();
  const std::vector<Url> urls = node.listening();
  if (urls.empty()) status += " listens nowhere, and calls others";
  for (std::size_t i = 0; i < urls.size(); ++i) status += (i == 0 ? " listens on " : ", ") + urls[i].to_string();
  if (!remark.empty()) status += std::string("; ").append(remark);
  std::ranges::replace(status, '\n', ' ');  // which would begin a variable
  tell(node, "READY=1\n" + status);
}

void tell_reloading(const Node& node) {
  const std::int64_t now_us = microseconds(std::chrono::steady_clock::now().time_since_epoch());
  tell(node, "RELOADING=1\nMONOTONIC_USEC=" + std::to_string(now_us));
}

void tell_stopping(const Node& node, Duration at_most) {
  // The time is the configuration's, which may be longer than what the service manager would wait.
  tell(node, "STOPPING=1\nEXTEND_TIMEOUT_USEC=" + std::to_string(microseconds(at_most)));
}

void start_watchdog(Node& node) {
  const std::optional<Duration> timeout = watchdog_timeout();
  if (!timeout) return;
  const Duration interval = std::max<Duration>(*timeout / 2, std::chrono::milliseconds(1));
  node.loop().post([heartbeat = std::make_unique<Heartbeat>(interval)]() mutable { heartbeat.release()->on_timer(); });
}

}  // namespace onward::service_manager
