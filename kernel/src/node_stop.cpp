// SPDX-License-Identifier: Apache-2.0
//
// How a node ends. Each stage runs on the loop and is awaited, for a bounded time, by the thread that
// called stop(): the loop turns on meanwhile, so that answers leave and Futures complete.
#include <algorithm>
#include <memory>
#include <optional>

#include "node_core.h"

namespace onward {
namespace {

constexpr Duration kStageTimeout = std::chrono::seconds(2);

}  // namespace

void NodeCore::stop(Duration drain) {
  drain_until(drain);
  const std::lock_guard lock(stop_mutex_);
  if (!thread_.joinable()) return;
  const Status ended(StatusCode::kUnavailable, "node " + options.name + " is shutting down");

  await_stage(kDrain, [&] {
    draining = true;
    for (auto& entrance : entrances_) loop->dispose(std::move(entrance->listener));
    for (Link* link = links; link != nullptr; link = link->next) link->drain(ended);
    return [this] { return requests_in_flight() == 0 && caller.in_flight() == 0 && all_acknowledged(); };
  });
  // A connection that closes writes for a short time only.
  await_stage(kDrain, [&] {
    for (Link* link = links; link != nullptr && !functions.all().empty(); link = link->next) link->ask_for_receipt();
    return [this] { return all_received(); };
  });
  stopped = true;
  await_stage(kAfterDrain, [&] {
    for (Link* link = links; link != nullptr; link = link->next) {
      while (link->calls != nullptr) caller.fail(*link->calls, ended);
    }
    peers->fail_waiting(ended);
    requests.refuse_all(ended);
    for (Link* link = links; link != nullptr; link = link->next) link->abandon_parked(ended);
    loop->cancel_background(ended);
    return [this] { return requests_in_flight() == 0; };
  });
  while (!modules_.all_stopped()) {
    const auto progress = std::make_shared<ModuleStop>(ModuleStop::kStopping);
    await_stage(kModule, [&] {
      stop_last_module(progress);
      return [progress] { return *progress == ModuleStop::kStopped; };
    });
    static_cast<void>(run_on_loop([&]() -> Status {
      if (*progress == ModuleStop::kStopping) {
        log(LogLevel::kWarning, "module " + std::string(modules_.last_name()) +
                                    " has not stopped in time: the node goes on without waiting for it");
      }
      *progress = ModuleStop::kOver;
      modules_.forget_last();
      return {};
    }));
  }
  handle->end_waits();
  pool->stop();
  await_stage(kAfterDrain, [&] {
    for (Link* link = links; link != nullptr;) {
      Link* next = link->next;
      link->close(ended);
      link = next;
    }
    return [this] { return links == nullptr; };
  });
  loop->stop();
  thread_.join();
  destroy_loop();
  log(LogLevel::kDebug, "has stopped");
}

// The earliest that anybody has asked for.
void NodeCore::drain_until(Duration drain) {
  const std::lock_guard lock(stage_mutex_);
  const auto now = std::chrono::steady_clock::now();
  if (drain < drain_end_ - now) drain_end_ = now + drain;
  stage_changed_.notify_all();
}

// Runs `begin` on the loop, then waits until what it returned holds; it is asked again whenever a call, a
// request, a link or a module has ended, or a peer has acknowledged.
void NodeCore::await_stage(Stage stage, const std::function<std::function<bool()>()>& begin) {
  static_cast<void>(run_on_loop([&]() -> Status {
    stage_over_ = false;
    stage_reached_ = begin();
    check_drained();
    return {};
  }));
  await_stage_until(stage, std::chrono::steady_clock::now() + kStageTimeout);
  static_cast<void>(run_on_loop([&]() -> Status {
    stage_reached_ = nullptr;
    return {};
  }));
}

void NodeCore::await_stage_until(Stage stage, std::chrono::steady_clock::time_point soon) {
  std::unique_lock lock(stage_mutex_);
  while (!stage_over_) {
    // Asked each time: somebody may have asked for an earlier end.
    const auto end = stage == kDrain ? drain_end_ : (stage == kModule ? std::max(drain_end_, soon) : soon);
    if (std::chrono::steady_clock::now() >= end) return;
    if (end == std::chrono::steady_clock::time_point::max()) {
      stage_changed_.wait(lock);
    } else {
      stage_changed_.wait_until(lock, end);
    }
  }
}

void NodeCore::check_stage() {
  if (!stage_reached_ || !stage_reached_()) return;
  stage_reached_ = nullptr;
  const std::lock_guard lock(stage_mutex_);
  stage_over_ = true;
  stage_changed_.notify_all();
}

bool NodeCore::all_acknowledged() const noexcept {
  // Nobody calls a node that has nothing to call; it need not wait for peers that hang.
  if (functions.all().empty()) return true;
  for (const Link* link = links; link != nullptr; link = link->next) {
    if (link->awaits_acknowledgement()) return false;
  }
  return true;
}

bool NodeCore::all_received() const noexcept {
  for (const Link* link = links; link != nullptr; link = link->next) {
    if (link->awaits_receipt()) return false;
  }
  return true;
}

// Its Future may complete when there is no node any more: then the progress is over.
void NodeCore::stop_last_module(const std::shared_ptr<ModuleStop>& progress) {
  const auto stopped_with = [this, progress, name = std::string(modules_.last_name())](const Status& outcome) {
    if (*progress == ModuleStop::kOver) return;
    if (!outcome.ok()) log(LogLevel::kError, "module " + name + " did not stop well: " + outcome.to_string());
    *progress = ModuleStop::kStopped;
    check_drained();
  };
  try {
    modules_.stop_last().on_done(
        [stopped_with](const auto& result) { stopped_with(result ? Status() : result.error()); });
  } catch (...) {
    stopped_with(status_from_current_exception());
  }
}

// No thread runs the loop any more. Links first, while it can still bury their connections.
void NodeCore::destroy_loop() {
  while (links != nullptr) remove_link(*links);
  admission.stop();
  requests.stop();
  loop->run_once(false);
  peers->clear();
  for (auto& transport : transports_) transport.reset();
  transports_.clear();
  loop.reset();
}

}  // namespace onward
