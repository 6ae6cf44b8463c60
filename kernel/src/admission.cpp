// SPDX-License-Identifier: Apache-2.0
#include "admission.h"

#include <algorithm>

#include "node_core.h"
#include "wire.h"

namespace onward {
namespace {

// A permit's time, in 32 bits: it comes round after three days.
constexpr unsigned kTickBits = 16;  // of nanoseconds

std::uint32_t ticks(TimePoint time) noexcept {
  return static_cast<std::uint32_t>(static_cast<std::uint64_t>(time.time_since_epoch().count()) >> kTickBits);
}

Load near(const LoadLimits& limits) noexcept {
  return {.calls = std::min(limits.max_in_flight, limits.pause_in_flight),
          .bytes = std::min(limits.max_in_flight_bytes, limits.pause_in_flight_bytes)};
}

}  // namespace

Load LinkLoad::release(std::uint64_t handed_over, std::uint64_t left_bytes) noexcept {
  Load gone;
  const auto release_leaving = [&] {
    if (leaving_at_ <= left_bytes) gone.add(std::exchange(leaving_, {}));
  };
  release_leaving();
  if (leaving_.calls == 0 && open_.calls > 0) {
    leaving_ = std::exchange(open_, {});
    leaving_at_ = handed_over;
    release_leaving();
  }
  held_.remove(gone);
  return gone;
}

std::size_t FunctionLoad::max_calls() const noexcept {
  return adaptive ? std::min(adaptive->limit(), limits.max_in_flight) : limits.max_in_flight;
}

Admission::Admission(NodeCore& core) : core_(core) { take_limits(); }

void Admission::take_limits() {
  const NodeOptions& options = core_.options;
  connection_near_ = near(options.per_connection);
  node_near_ = near(options.per_node);
  any_near_ = {.calls = std::min(connection_near_.calls, node_near_.calls),
               .bytes = std::min(connection_near_.bytes, node_near_.bytes)};
  refusals_.clear();
  limits_functions_ = options.adaptive_limits || !options.per_function.empty();
  // What is in flight stays counted.
  for (auto& [function, load] : functions_) set_limits(*function, load);
}

void Admission::set_limits(const FunctionName& function, FunctionLoad& load) const {
  const NodeOptions& options = core_.options;
  load.limits = options.per_function.of(function.name);
  // One that runs on this thread is alone in flight, however long it takes.
  const bool adaptive = load.limits.adaptive.value_or(options.adaptive_limits) && load.mode != RunMode::kDirect;
  if (adaptive && !load.adaptive) load.adaptive.emplace(ConcurrencyLimitOptions{.max = kMaxAdaptive});
  if (!adaptive) load.adaptive.reset();
}

FunctionLoad* Admission::find(const Function& function) {
  if (!limits_functions_) return nullptr;
  const auto [found, is_new] = functions_.try_emplace(&function.name(), FunctionLoad{.mode = function.mode()});
  if (is_new) set_limits(function.name(), found->second);
  return &found->second;
}

std::optional<Admission::Shed> Admission::admit(Link& link, const FunctionLoad* function) {
  const NodeOptions& options = core_.options;
  link.release_departed();
  const auto connection = [&] { return link.load().held(); };
  if (connection().calls >= options.per_connection.max_in_flight) return Shed::kConnectionCalls;
  if (connection().bytes >= options.per_connection.max_in_flight_bytes) return Shed::kConnectionBytes;
  const auto node_is_full = [&] {
    return held_.calls >= options.per_node.max_in_flight || held_.bytes >= options.per_node.max_in_flight_bytes;
  };
  if (node_is_full()) {
    sweep();
    if (held_.calls >= options.per_node.max_in_flight) return Shed::kNodeCalls;
    if (node_is_full()) return Shed::kNodeBytes;
  }
  if (function == nullptr) return std::nullopt;
  if (function->held.calls >= function->max_calls()) return Shed::kFunctionCalls;
  if (function->held.bytes >= function->limits.max_in_flight_bytes) return Shed::kFunctionBytes;
  return std::nullopt;
}

// Once in a turn: what is written leaves at its end.
void Admission::sweep() noexcept {
  if (std::exchange(swept_in_, core_.loop->turns()) == core_.loop->turns()) return;
  for (Link* link = core_.links; link != nullptr; link = link->next) link->release_departed();
}

detail::Permit Admission::begin(FunctionLoad& function, std::uint32_t bytes) const noexcept {
  function.held.add({1, bytes});
  return {.bytes = bytes, .started = std::max<std::uint32_t>(ticks(core_.loop->now()), 1)};
}

void Admission::end(const FunctionName& function, const detail::Permit& permit, bool dropped) noexcept {
  const auto found = functions_.find(&function);
  if (found == functions_.end()) return;
  FunctionLoad& load = found->second;
  const std::size_t in_flight = load.held.calls;
  load.held.remove({1, permit.bytes});
  if (!load.adaptive) return;
  const TimePoint now = core_.loop->now();
  const std::uint64_t took = static_cast<std::uint64_t>(ticks(now) - permit.started) << kTickBits;
  load.adaptive->record(now, Duration(static_cast<Duration::rep>(took)), in_flight, dropped);
}

bool Admission::must_pause(const LinkLoad& link) const noexcept {
  return link.held().must_pause(core_.options.per_connection) || held_.must_pause(core_.options.per_node);
}

void Admission::count_paused() noexcept {
  ++paused_;
  if (!recheck_)
    recheck_ = std::make_unique<Timer>(*core_.loop, [this] {
      resume_all();
      if (paused_ > 0) recheck_->arm(kRecheck);
    });
  if (!recheck_->armed()) recheck_->arm(kRecheck);
}

void Admission::resume_paused(Link& link) noexcept {
  link.resume_if_room();
  const LoadLimits& node = core_.options.per_node;
  const bool node_pauses = node.pause_in_flight != kNoLimit || node.pause_in_flight_bytes != kNoLimit;
  if (paused_ > 0 && node_pauses && !held_.must_pause(node)) resume_all();
}

void Admission::resume_all() const noexcept {
  for (Link* link = core_.links; link != nullptr; link = link->next) link->release_departed();
  for (Link* link = core_.links; link != nullptr && paused_ > 0; link = link->next) link->resume_if_room();
}

Message Admission::refusal(std::uint64_t call_id, const FunctionName& name, Shed why) {
  ++(why == Shed::kExpired ? expired_ : shed_);
  Buffer& body = refusals_[{&name, why}];
  if (body.empty()) {
    const Status status(code(why), text(name, why));
    body = wire::encode_error(call_id, status.with_hop({core_.options.name, name.name, ""})).payload.body;
  }
  Message message;
  message.header.kind = MessageKind::kError;
  message.header.call_id = call_id;
  message.payload.body = body;
  return message;
}

std::string Admission::text(const FunctionName& name, Shed why) const {
  const NodeOptions& options = core_.options;
  const auto requests_of = [](std::size_t limit, const std::string& whose, const std::string& key) {
    return std::to_string(limit) + " requests of " + whose + " are unanswered, which is the limit (limits." + key + ")";
  };
  const auto bytes_of = [](std::size_t limit, const std::string& whose, const std::string& key) {
    return "requests of " + whose + " with " + std::to_string(limit) +
           " bytes are unanswered, which is the limit (limits." + key + ")";
  };
  switch (why) {
    case Shed::kConnectionCalls:
      return requests_of(options.per_connection.max_in_flight, "this connection", "max_in_flight");
    case Shed::kConnectionBytes:
      return bytes_of(options.per_connection.max_in_flight_bytes, "this connection", "max_in_flight_bytes");
    case Shed::kNodeCalls:
      return requests_of(options.per_node.max_in_flight, "this node", "node_max_in_flight");
    case Shed::kNodeBytes:
      return bytes_of(options.per_node.max_in_flight_bytes, "this node", "node_max_in_flight_bytes");
    case Shed::kFunctionCalls:
      return name.name +
             " is called more than it can answer: as many calls are unanswered as may be (limits.functions)";
    case Shed::kFunctionBytes:
      return "calls of " + name.name + " hold as many bytes as they may (limits.functions)";
    case Shed::kAge:
      return "the node is busy: the request has waited for more than half of its time";
    case Shed::kWait:
      return "the node is busy: the request would have to wait for more than half of its time";
    case Shed::kExpired:
      return "its time was over before it could be run";
  }
  return {};
}

std::map<std::string, std::size_t> Admission::adaptive_limits() const {
  std::map<std::string, std::size_t> limits;
  for (const auto& [function, load] : functions_) {
    if (load.adaptive) limits.emplace(function->name, load.max_calls());
  }
  return limits;
}

}  // namespace onward
