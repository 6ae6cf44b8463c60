// SPDX-License-Identifier: Apache-2.0
//
// A node: one kernel with a name. It owns its loop and the thread that runs it, the pool, transports,
// codecs, modules and peers; starts them in this order and stops them in reverse.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "onward/call.h"
#include "onward/codec.h"
#include "onward/event_loop.h"
#include "onward/export.h"
#include "onward/function.h"
#include "onward/identity.h"
#include "onward/load_limits.h"
#include "onward/module.h"
#include "onward/pool.h"
#include "onward/transport.h"

namespace onward {

using TransportFactory = std::function<std::unique_ptr<Transport>(EventLoop&, const MessageLimits&)>;

// Where a node listens, and to whom.
struct ListenOptions {
  std::string url;
  // Whose connections may call: patterns, as in AccessRules. Others are told PERMISSION_DENIED.
  std::vector<std::string> allow = {"*"};
  // Start although anybody on the network could call: see Transport::is_guarded().
  bool insecure = false;

  ListenOptions(std::string where) : url(std::move(where)) {}  // NOLINT(google-explicit-constructor): a URL says it all
  ListenOptions(const char* where) : url(where) {}             // NOLINT(google-explicit-constructor)
};

struct NodeOptions {
  std::string name;
  std::vector<ListenOptions> listen = {};
  AccessRules access = {};
  std::map<std::string, std::vector<std::string>> peers = {};  // name -> URLs, best first
  std::vector<TransportFactory> transports = {};
  std::vector<std::shared_ptr<const Codec>> codecs = {};
  std::string codec = "flex";  // for calls that name none
  struct ModuleUse {
    const ModuleDescriptor* descriptor = nullptr;
    Settings arguments = {};
    bool optional = false;  // where it does not start, the node does without
    std::string file = {};  // that it was loaded from; empty if it is linked in
    // Of one that could not be loaded, and has no descriptor: how it is called, and why.
    std::string missing = {};
    Status unusable = {};

    [[nodiscard]] std::string_view name() const noexcept {
      return descriptor == nullptr ? std::string_view(missing) : descriptor->name();
    }
  };
  std::vector<ModuleUse> modules = {};
  // Whether it answers onward.describe, as `onward list` asks: what it offers, and what it is made of. AccessRules hold
  // of that as of any function.
  bool reflection = true;
  PoolOptions pool = {};
  // Whether calls that belong to no trace begin one; see TraceContext.
  bool trace = false;
  // For tests: another time than the system's. Must outlive the node.
  Clock* clock = &Clock::steady();
  EventLoopOptions loop = {};
  MessageLimits limits = {};
  Duration timeout = std::chrono::seconds(30);  // of calls that set none
  LoadLimits per_connection = {.max_in_flight = std::size_t{1} << 20, .max_in_flight_bytes = std::size_t{512} << 20};
  LoadLimits per_node = {.max_in_flight_bytes = std::size_t{2} << 30};
  FunctionLimitRules per_function = {};
  bool adaptive_limits = false;                              // of functions whose rule does not say
  std::size_t max_waiting_calls = std::size_t{1} << 16;      // calls that wait for a peer's connection
  Duration connect_backoff = std::chrono::milliseconds(50);  // doubles up to max, with jitter
  Duration connect_backoff_max = std::chrono::seconds(5);
};

class NodeCore;

class ONWARD_API Node {
 public:
  // Throws RpcError: RESOURCE_EXHAUSTED, or INVALID_ARGUMENT for options that contradict themselves.
  explicit Node(NodeOptions options);
  // stop(0).
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  // Functions registered here, rather than by a module, are registered before start(); later ones by add_function().
  [[nodiscard]] FunctionTable& functions() noexcept;
  [[nodiscard]] const FunctionTable& functions() const noexcept;

  // Registers a function, also while the node runs. The Future completes when requests find it: at once before start()
  // and on the kernel thread, else there. Rules of access and limits hold for it as for others, and it is listed with
  // them; but name_of() knows those only that were there at the start. ALREADY_EXISTS and INVALID_ARGUMENT as
  // FunctionTable::add(); UNAVAILABLE once the node has shut down. Any thread. One that is registered is destroyed with
  // the node, another before the Future fails, on the thread on which that happens.
  Future<void> add_function(std::unique_ptr<Function> function);

  // Starts the kernel thread, the modules and the listeners; returns when the node answers. On an error
  // everything that had started has stopped. Once.
  Status start();

  // Ends it: listeners close; peers are told, and what they have sent before they knew is still served; later
  // requests are refused with UNAVAILABLE. Calls in flight finish, or at `drain` fail with UNAVAILABLE; connections
  // flush and close; modules stop; the pool joins. Every Future of this node completes. Blocks; any thread but the
  // node's own. Twice is fine; from a second thread meanwhile, the earlier end of the drain holds for both.
  void stop(Duration drain = std::chrono::seconds(5));

  [[nodiscard]] const std::string& name() const noexcept;
  // As it was made with, and reload() has left it, with the codecs of its modules. Kernel thread; any, where nobody
  // calls reload().
  [[nodiscard]] const NodeOptions& options() const noexcept;
  // Has the transports read their files again, certificates for one. Connections that exist go on. The first error;
  // a transport that fails goes on with what it had. Blocks; any thread but the node's own.
  Status reload();
  // The same, behind taking from `changed` what may change while a node runs: peers, access, timeout, per_connection,
  // per_node, per_function, adaptive_limits, max_waiting_calls and connect_backoff. What else it says is not looked at.
  // A peer that has other URLs than before is called over these from now on; the connection that it had closes when the
  // calls on it are done. Calls that wait for a peer that is gone fail with UNAVAILABLE.
  Status reload(const NodeOptions& changed);

  // Where it listens, with real ports. After start().
  [[nodiscard]] std::vector<Url> listening() const;
  [[nodiscard]] Pool& pool() noexcept;
  [[nodiscard]] LoopHandle& loop() noexcept { return *handle_; }

  // A peer by name or URL. Any thread, after start().
  [[nodiscard]] PeerHandle peer(std::string_view name);
  // For calls made from now on.
  void set_default_timeout(Duration timeout) noexcept;

  // The name under which the plain function at `address` was registered here before the node had started;
  // FAILED_PRECONDITION otherwise. Any thread, after start().
  [[nodiscard]] Result<const FunctionName*> name_of(const void* address) const;
  // The codec for a call; FAILED_PRECONDITION names those that there are. Any thread.
  [[nodiscard]] Result<const Codec*> codec(std::string_view name) const;
  // Takes a call and its encoded request. Any thread. See rpc.h.
  void start_call(OutgoingCall& call, const Destination& destination, Message&& message) noexcept;

  // What the node is doing. Any thread.
  struct Statistics {
    std::size_t connections = 0;
    std::size_t calls_in_flight = 0;     // ours, unanswered
    std::size_t requests_in_flight = 0;  // others', unanswered
    std::size_t requests_waiting = 0;    // of them: for the kernel thread, to begin
    std::size_t pool_queued = 0;
    std::uint64_t pool_refused = 0;
    std::uint64_t pool_expired = 0;
    // What requests hold until their responses have left: see LoadLimits.
    std::size_t permits = 0;
    std::uint64_t permit_bytes = 0;
    std::size_t connections_paused = 0;  // not read from until there are fewer
    std::uint64_t shed = 0;              // requests, since the start: RESOURCE_EXHAUSTED before they ran
    std::uint64_t expired = 0;           // requests, since the start: DEADLINE_EXCEEDED before they ran
    std::map<std::string, std::size_t> adaptive_limits = {};  // of calls, by function, as they are now
  };
  [[nodiscard]] Statistics statistics() const;

  // How a peer is reached, or would be.
  struct PeerState {
    std::string name;
    std::string url;  // in use, or tried next
    bool connected = false;
    std::string trouble;  // why not over a better URL, or not at all; empty where nothing failed
  };
  // Of the peers that are configured, connected, or were called. Any thread.
  [[nodiscard]] std::vector<PeerState> peers() const;

  struct ModuleState {
    std::string name;
    std::string version;
    std::string summary;
    std::string file;     // that it was loaded from; empty if it is linked in
    std::string trouble;  // why an optional one did not start; empty if it did
  };
  // In the order in which they started. Any thread, after start().
  [[nodiscard]] std::vector<ModuleState> modules() const;

  // The node whose kernel or pool thread this is, else the process's (init_rpc); null where there is none.
  [[nodiscard]] static Node* current() noexcept;

 private:
  friend class NodeCore;
  std::unique_ptr<NodeCore> core_;
  LoopHandle* handle_;
};

// Node::current()'s pool: co_await pool().run(f). Throws FAILED_PRECONDITION where there is no node.
[[nodiscard]] ONWARD_API Pool& pool();

}  // namespace onward
