// SPDX-License-Identifier: Apache-2.0
#include "node_core.h"

#include <pthread.h>

#include <algorithm>
#include <future>
#include <ranges>

#include "loopback.h"

namespace onward {
namespace {

// A function on its way from another thread to the loop.
class AddTask final : public LoopTask {
 public:
  AddTask(NodeCore& core, std::unique_ptr<Function> function, Future<void> added)
      : core_(core), function_(std::move(function)), added_(std::move(added)) {}

  void run() noexcept override {
    core_.add_function(std::move(function_), added_);
    pool_delete(this);
  }
  void drop() noexcept override {
    function_.reset();
    added_.try_fail(core_.has_shut_down());
    pool_delete(this);
  }

 private:
  NodeCore& core_;
  std::unique_ptr<Function> function_;
  Future<void> added_;
};

}  // namespace

NodeCore::NodeCore(Node& owner, NodeOptions node_options)
    : node(owner),
      options(std::move(node_options)),
      loop(std::make_unique<EventLoop>(options.loop, *options.clock)),
      timeout(options.timeout.count()) {
  if (options.name.empty()) throw RpcError(StatusCode::kInvalidArgument, "a node needs a name");
  if (Url::looks_like_url(options.name)) {
    throw RpcError(StatusCode::kInvalidArgument, "a node's name must not look like a URL: " + options.name);
  }
  for (auto& codec : std::exchange(options.codecs, {})) add_codec(std::move(codec)).throw_if_error();
  handle = &loop->handle();
  LoopHandle::retain(handle);
  handle->set_owner(&owner);
  pool = std::make_unique<Pool>(loop->handle(), options.name, options.pool, *options.clock);
  peers = std::make_unique<Peers>(*this);
  peers->configure(options.peers);
}

NodeCore::~NodeCore() {
  handle->set_owner(nullptr);
  LoopHandle::release(handle);
}

Status NodeCore::add_codec(std::shared_ptr<const Codec> codec) {
  if (const auto& other = codecs[codec->id()]; other) {
    return {StatusCode::kInvalidArgument,
            "codecs " + std::string(other->name()) + " and " + std::string(codec->name()) + " have the same id"};
  }
  codecs[codec->id()] = codec;
  if (codec->name() == options.codec) default_codec = codec.get();
  options.codecs.push_back(std::move(codec));
  return {};
}

bool NodeCore::begin_start() {
  const std::lock_guard lock(start_mutex_);
  return !started.exchange(true);
}

void NodeCore::add_function(std::unique_ptr<Function> function, const Future<void>& added) {
  std::unique_lock lock(start_mutex_);
  if (started && !handle->in_loop_thread()) {
    lock.unlock();
    return handle->schedule(*pool_new<AddTask>(*this, std::move(function), added));
  }
  const Status placed = stopped ? has_shut_down() : functions.place(std::move(function), nullptr);
  lock.unlock();
  if (placed.ok()) {
    added.mark_complete();
  } else {
    function.reset();  // whose end may be anything, so not under the lock
    added.try_fail(placed);
  }
}

Status NodeCore::start() {
  if (Status failed = modules_.prepare(); !failed.ok()) return failed;
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), ("onward " + options.name).substr(0, 15).c_str());
    loop->run();
  });
  return run_on_loop([this] { return start_on_loop(); });
}

Status NodeCore::run_on_loop(std::function<Status()> step) const {
  // Shared, as the step is dropped, and the promise broken, when the loop ends first.
  auto done = std::make_shared<std::promise<Status>>();
  std::future<Status> result = done->get_future();
  handle->post([step = std::move(step), done = std::exchange(done, nullptr)] {
    try {
      done->set_value(step());
    } catch (...) {
      done->set_value(status_from_current_exception());
    }
  });
  try {
    return result.get();
  } catch (const std::future_error&) {
    return has_shut_down();
  }
}

Status NodeCore::has_shut_down() const { return {StatusCode::kUnavailable, "node " + options.name + " has shut down"}; }

Status NodeCore::start_on_loop() {
  for (const TransportFactory& factory : options.transports) transports_.push_back(factory(*loop, options.limits));
  Status failed = modules_.make_transports(transports_);
  if (failed.ok()) failed = modules_.start();
  functions.freeze();
  return failed.ok() ? start_listening() : failed;
}

Status NodeCore::start_listening() {
  for (const ListenOptions& where : options.listen) {
    if (Status failed = listen(where); !failed.ok()) return failed;
  }
  return {};
}

Status NodeCore::listen(const ListenOptions& where) {
  const Result<Url> url = Url::parse(where.url);
  if (!url) return url.error();
  Transport* transport = transport_for(url->scheme);
  if (transport == nullptr) {
    return {StatusCode::kInvalidArgument, "cannot listen on " + where.url + ": this node has no transport \"" +
                                              url->scheme + "\", only " + schemes()};
  }
  if (!where.insecure && !transport->is_guarded(*url)) {
    return {StatusCode::kFailedPrecondition,
            "does not listen on " + where.url +
                ": whoever reaches this address over the network could call its functions. Listen with tls and peers' "
                "certificates, or on a loopback address; or say that it is meant: insecure = true"};
  }
  auto entrance = std::make_unique<Entrance>(*this, where);
  Result<std::unique_ptr<Listener>> listener = transport->listen(*url, *entrance);
  if (!listener) return listener.error();
  listening.push_back((*listener)->url());
  entrance->listener = std::move(*listener);
  entrances_.push_back(std::move(entrance));
  log(LogLevel::kInfo, "listens on " + listening.back().to_string());
  return {};
}

Status NodeCore::reload() {
  return run_on_loop([this] {
    Status first;
    for (const auto& transport : transports_) {
      const Status status = transport->reload();
      if (first.ok()) first = status;
    }
    return first;
  });
}

Status NodeCore::reload(const NodeOptions& changed) {
  const Status done = run_on_loop([&]() -> Status {
    options.access = changed.access;
    for (Link* link = links; link != nullptr; link = link->next) link->forget_allowed();
    options.per_connection = changed.per_connection;
    options.per_node = changed.per_node;
    options.per_function = changed.per_function;
    options.adaptive_limits = changed.adaptive_limits;
    admission.take_limits();
    options.max_waiting_calls = changed.max_waiting_calls;
    options.connect_backoff = changed.connect_backoff;
    options.connect_backoff_max = changed.connect_backoff_max;
    timeout = changed.timeout.count();
    peers->reconfigure(changed.peers);
    return {};
  });
  return done.ok() ? reload() : done;
}

void NodeCore::close_retired() const {
  for (Link* link = links; link != nullptr; link = link->next) link->close_if_retired();
}

Transport* NodeCore::transport_for(std::string_view scheme) const {
  const auto found =
      std::ranges::find_if(transports_, [&](const auto& transport) { return transport->scheme() == scheme; });
  return found == transports_.end() ? nullptr : found->get();
}

std::string NodeCore::schemes() const {
  std::string names;
  for (const auto& transport : transports_) names += (names.empty() ? "" : ", ") + std::string(transport->scheme());
  return names.empty() ? "none" : names;
}

Result<std::unique_ptr<Connection>> NodeCore::connect(const std::string& url, const std::string& expected) {
  const Result<Url> parsed = Url::parse(url);
  if (!parsed) return std::unexpected(parsed.error());
  if (Transport* transport = transport_for(parsed->scheme); transport != nullptr) {
    return expected.empty() ? transport->connect(*parsed) : transport->connect_to_node(*parsed, expected);
  }
  return fail(StatusCode::kInvalidArgument, "this node has no transport for " + url + ", only " + schemes());
}

std::unique_ptr<Connection> NodeCore::connect_to_self() {
  auto [here, there] = make_loopback(*loop);
  add_link(std::move(there), nullptr);
  return std::move(here);
}

Link& NodeCore::add_link(std::unique_ptr<Connection> connection, Peer* dialled, const ListenOptions* listener) {
  auto* link = new Link(*this, std::move(connection), dialled, listener);
  link->next = links;
  link->previous = &links;
  if (links != nullptr) links->previous = &link->next;
  links = link;
  ++link_count;
  link->start();
  return *link;
}

void NodeCore::remove_link(Link& link) noexcept {
  *link.previous = link.next;
  if (link.next != nullptr) link.next->previous = link.previous;
  --link_count;
  link.release();
  check_drained();
}

std::size_t NodeCore::requests_in_flight() const noexcept {
  std::size_t count = 0;
  for (const Link* link = links; link != nullptr; link = link->next) count += link->requests_in_flight;
  return count;
}

Node::Statistics NodeCore::statistics() {
  const Pool::Statistics jobs = pool->statistics();
  Node::Statistics result{.pool_queued = jobs.queued, .pool_refused = jobs.refused, .pool_expired = jobs.expired};
  look([&] {
    result.connections = link_count;
    result.calls_in_flight = caller.in_flight();
    result.requests_in_flight = requests_in_flight();
    result.requests_waiting = requests.size();
    for (Link* link = links; link != nullptr; link = link->next) link->release_departed();
    result.permits = admission.held().calls;
    result.permit_bytes = admission.held().bytes;
    result.connections_paused = admission.paused();
    result.shed = admission.shed();
    result.expired = admission.expired();
    result.adaptive_limits = admission.adaptive_limits();
  });
  return result;
}

std::vector<Node::PeerState> NodeCore::peer_states() {
  std::vector<Node::PeerState> result;
  look([&] { result = peers->states(); });
  return result;
}

void NodeCore::look(const std::function<void()>& step) const {
  if (!started || stopped) return;
  if (handle->in_loop_thread()) return step();
  static_cast<void>(run_on_loop([&] {
    step();
    return Status();
  }));
}

}  // namespace onward
