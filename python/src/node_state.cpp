// SPDX-License-Identifier: Apache-2.0
#include "node_state.h"

#include <pybind11/stl.h>

#include <algorithm>
#include <future>
#include <thread>
#include <utility>

#include "errors.h"
#include "event_thread.h"
#include "module_list.h"
#include "nearest.h"
#include "node_config.h"
#include "onward/module_library.h"
#include "onward/rpc.h"
#include "pickle_codec.h"

namespace onward::python {
namespace {

// A call over shared memory and back, when its threads are awake, takes a third of this.
constexpr Duration kSpin = std::chrono::microseconds(100);

// With the GIL, but for `node`.
struct State {
  std::atomic<Node*> node{nullptr};
  Pool* pool = nullptr;
  std::string ended;  // the name of the last node that has ended
  Duration drain{};
  std::unordered_map<std::string, std::shared_ptr<Handler>> handlers;
  PyObject* peers = PyDict_New();  // what calls name, and the KnownPeer in a capsule

  // What has ended is kept: a thread may be about to use it.
  static State& instance() {
    static auto* state = new State;
    return *state;
  }
};

std::unique_ptr<Function> function_of(const std::shared_ptr<Handler>& handler, Pool& pool) {
  return std::make_unique<HandlerFunction>(FunctionName::intern(handler->name), any_signature(), handler, pool);
}

PoolOptions pool_options(const PoolOptions& configured) {
  PoolOptions options = configured;
  options.on_idle = [] { PythonThread::current().release(); };
  return options;
}

// The node that `text`, a configuration, describes. Throws RpcError.
std::string start(const std::string& text, const std::string& file, bool with_pickle) {
  State& state = State::instance();
  if (was_forked()) throw RpcError(StatusCode::kFailedPrecondition, "init_rpc() in a process that was forked");
  if (const Node* running = state.node.load(); running != nullptr) {
    throw RpcError(StatusCode::kFailedPrecondition,
                   "init_rpc(): this process has node \"" + running->name() + "\" already; call shutdown() first");
  }
  const std::vector<const ModuleDescriptor*> modules = with_builtin_modules(standard_modules());
  Result<NodeConfig> config = parse_node_config(text, file, modules);
  if (!config) throw RpcError(config.error());
  set_log_level(config->log_level);
  if (with_pickle) config->options.codecs.push_back(make_pickle_codec());
  state.drain = config->drain;
  auto node = std::make_unique<Node>(std::move(config->options));
  auto pool = std::make_unique<Pool>(node->loop(), node->name() + "-python", pool_options(node->options().pool));
  for (const auto& [name, handler] : state.handlers) {
    node->functions().insert(function_of(handler, *pool), nullptr).throw_if_error();
  }
  {
    const py::gil_scoped_release released;
    node->start().throw_if_error();
  }
  LoopHandle::set_process_default(&node->loop());
  // Where the loop polls, it has the other core, and where there is none, nobody answers meanwhile.
  const bool may_spin = node->options().loop.busy_poll == Duration::zero() && std::thread::hardware_concurrency() > 1;
  FutureCore::set_spin(may_spin ? kSpin : Duration::zero());
  state.pool = pool.release();
  state.node = node.release();
  return state.node.load()->name();
}

// Runs `function`, which may wait for code of users that never ends, and waits for it that long at most.
template <class F>
void run_for(Duration most, F function) {
  std::packaged_task<void()> task(std::move(function));
  const std::future<void> done = task.get_future();
  std::thread(std::move(task)).detach();
  done.wait_for(most);
}

void stop(std::optional<double> drain_seconds) {
  State& state = State::instance();
  Node* node = state.node.load();
  if (node == nullptr || was_forked()) return;
  const Duration drain =
      drain_seconds ? std::chrono::duration_cast<Duration>(std::chrono::duration<double>(*drain_seconds)) : state.drain;
  Pool* pool = state.pool;
  {
    const py::gil_scoped_release released;
    run_for(drain + std::chrono::seconds(5), [node, drain] { node->stop(drain); });
    run_for(std::chrono::milliseconds(500), [pool] { pool->stop(); });
  }
  if (state.node.load() != node) return;  // another thread was faster
  FutureCore::end_waits(Status(StatusCode::kUnavailable, "node \"" + node->name() + "\" has shut down"));
  state.ended = node->name();
  state.node = nullptr;
  PyDict_Clear(state.peers);
}

// A Future that is done when others find the function; None where no node runs.
py::object add_handler(const std::string& name, py::object callable, int mode, const std::string& documentation) {
  State& state = State::instance();
  std::shared_ptr<Handler>& handler = state.handlers[name];
  const bool known = handler != nullptr;
  if (!known) handler = std::make_shared<Handler>();
  handler->name = name;
  handler->documentation = documentation;
  handler->callable = std::move(callable);
  handler->mode = static_cast<Handler::Mode>(mode);
  Node* node = state.node.load();
  if (known || node == nullptr) return py::none();
  const CoreRef core(FutureCore::make(true));
  node->add_function(function_of(handler, *state.pool))
      .on_done([core, none = std::make_shared<AnyThreadRef>(py::none())](const Result<std::monostate>& added) {
        if (added) {
          core->complete(std::move(*none));
        } else {
          core->fail(added.error());
        }
      });
  return py::reinterpret_steal<py::object>(wrapper_of(*core));
}

void set_peers(const std::map<std::string, std::vector<std::string>>& peers) {
  Node* node = NodeState::require("init_rpc()");
  if (node == nullptr) throw py::error_already_set();
  const py::gil_scoped_release released;
  NodeOptions changed = node->options();
  for (const auto& [name, urls] : peers) changed.peers[name] = urls;
  node->reload(changed).throw_if_error();
}

Node& required(const char* what) {
  Node* node = NodeState::require(what);
  if (node == nullptr) throw py::error_already_set();
  return *node;
}

std::vector<std::string> listening() {
  std::vector<std::string> urls;
  for (const Url& url : required("listening()").listening()) urls.push_back(url.to_string());
  return urls;
}

py::dict statistics() {
  const Node& node = required("statistics()");
  const Node::Statistics now = node.statistics();
  const Pool::Statistics pool = State::instance().pool->statistics();
  py::dict all;
  all["connections"] = now.connections;
  all["calls_in_flight"] = now.calls_in_flight;
  all["requests_in_flight"] = now.requests_in_flight;
  all["shed"] = now.shed;
  all["expired"] = now.expired;
  all["pool_queued"] = pool.queued;
  all["pool_running"] = pool.running;
  return all;
}

py::list peer_states() {
  py::list all;
  for (const Node::PeerState& peer : required("peers()").peers()) {
    all.append(py::make_tuple(peer.name, peer.url, peer.connected, peer.trouble));
  }
  return all;
}

const KnownPeer* keep_peer(PyObject* to, const std::string& name) {
  auto* peer = new KnownPeer{.handle = NodeState::node()->peer(name), .name = name};  // as long as its node
  const py::object capsule = py::reinterpret_steal<py::object>(PyCapsule_New(peer, nullptr, nullptr));
  if (PyDict_SetItem(State::instance().peers, to, capsule.ptr()) != 0) PyErr_Clear();
  return peer;
}

std::vector<std::string> known_peers(const Node& node) {
  std::vector<std::string> names{node.name()};
  for (const Node::PeerState& peer : node.peers()) names.push_back(peer.name);
  return names;
}

}  // namespace

Node* NodeState::node() noexcept { return State::instance().node.load(std::memory_order_acquire); }

Node* NodeState::require(const char* what) {
  if (was_forked()) {
    raise_status(StatusCode::kFailedPrecondition,
                 std::string(what) +
                     ": this process was forked after init_rpc(), and a node does not live on in the "
                     "child: start processes by multiprocessing's method \"spawn\", or fork before");
    return nullptr;
  }
  if (Node* node = NodeState::node(); node != nullptr) return node;
  const std::string& ended = State::instance().ended;
  if (ended.empty()) {
    raise_status(StatusCode::kFailedPrecondition,
                 std::string(what) + ": no node runs in this process: call init_rpc() first");
  } else {
    raise_status(StatusCode::kUnavailable, std::string(what) + ": node \"" + ended + "\" has shut down");
  }
  return nullptr;
}

const KnownPeer* find_peer(PyObject* to) {
  if (PyObject* known = PyDict_GetItemWithError(State::instance().peers, to); known != nullptr) {
    return static_cast<const KnownPeer*>(PyCapsule_GetPointer(known, nullptr));
  }
  PyErr_Clear();
  py::object name = py::reinterpret_borrow<py::object>(to);
  if (!PyUnicode_Check(to)) {
    name = py::reinterpret_steal<py::object>(
        PyObject_CallMethod(py::module_::import("onward._workers").ptr(), "name_of", "(O)", to));
    if (!name) return nullptr;
  }
  const Node& node = *NodeState::node();
  const auto text = name.cast<std::string>();
  if (!text.contains("://")) {
    const std::vector<std::string> known = known_peers(node);
    if (std::ranges::find(known, text) == known.end()) {
      raise_status(StatusCode::kNotFound,
                   "node \"" + node.name() + "\" has no peer \"" + text + "\"" + suggest(text, known));
      return nullptr;
    }
  }
  return keep_peer(to, text);
}

void bind_node(py::module_& module) {
  module.def("start", &start);
  module.def("stop", &stop);
  module.def("add_handler", &add_handler);
  module.def("set_peers", &set_peers);
  module.def("listening", &listening);
  module.def("statistics", &statistics);
  module.def("peer_states", &peer_states);
  module.def("set_log_level",
             [](const std::string& level) { set_log_level(level == "error" ? LogLevel::kError : LogLevel::kWarning); });
  module.def("node_name", []() -> py::object {
    const Node* node = NodeState::node();
    return node == nullptr ? py::none() : py::object(py::str(node->name()));
  });
  module.def("set_default_timeout", [](py::handle value) {
    Timeout timeout;
    if (!parse_timeout(value.ptr(), timeout)) throw py::error_already_set();
    required("set_default_timeout()")
        .set_default_timeout(timeout.seconds
                                 ? std::chrono::duration_cast<Duration>(std::chrono::duration<double>(*timeout.seconds))
                                 : kNoTimeout);
  });
}

}  // namespace onward::python
