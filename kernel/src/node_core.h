// SPDX-License-Identifier: Apache-2.0
//
// What a Node is made of; lives from the Node's start to its stop. Loop thread only, unless said.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "admission.h"
#include "caller.h"
#include "link.h"
#include "modules.h"
#include "onward/log.h"
#include "onward/node.h"
#include "peers.h"
#include "reflection.h"

namespace onward {

class NodeCore final {
 public:
  NodeCore(Node& owner, NodeOptions node_options);
  ~NodeCore();

  // On the starting thread, as reload() is on any but the loop's.
  Status start();
  void stop(Duration drain);
  Status reload();
  Status reload(const NodeOptions& changed);
  // Any thread, as the next. False if it has begun before.
  [[nodiscard]] bool begin_start();
  void add_function(std::unique_ptr<Function> function, const Future<void>& added);

  Node& node;
  NodeOptions options;
  std::unique_ptr<EventLoop> loop;  // gone after stop()
  LoopHandle* handle;               // retained
  FunctionTable functions;
  const Reflection reflection{*this};
  std::unique_ptr<Pool> pool;
  std::array<std::shared_ptr<const Codec>, 256> codecs;
  const Codec* default_codec = nullptr;
  Caller caller{*this};
  Admission admission{*this};
  RequestQueue requests{*this, *loop};
  std::unique_ptr<Peers> peers;
  Link* links = nullptr;
  std::size_t link_count = 0;
  std::size_t retiring = 0;  // of the links
  std::vector<Url> listening;
  std::atomic<Duration::rep> timeout;
  std::atomic<bool> started{false};
  std::atomic<bool> stopped{false};
  bool draining = false;

  // Takes a connection: makes its Link and starts it. `listener` is whose it was accepted from, or null.
  Link& add_link(std::unique_ptr<Connection> connection, Peer* dialled, const ListenOptions* listener = nullptr);
  void remove_link(Link& link) noexcept;
  [[nodiscard]] Result<std::unique_ptr<Connection>> connect(const std::string& url, const std::string& expected);
  [[nodiscard]] std::unique_ptr<Connection> connect_to_self();
  // INVALID_ARGUMENT if another has its id.
  [[nodiscard]] Status add_codec(std::shared_ptr<const Codec> codec);
  // A call, a request, a link or a module has ended: a stage of stop() may be waiting for it.
  void check_drained() {
    if (stage_reached_) check_stage();
    if (retiring > 0) close_retired();
  }
  [[nodiscard]] Status has_shut_down() const;
  void log(LogLevel level, std::string_view message) const { onward::log(level, options.name, message); }
  [[nodiscard]] std::size_t requests_in_flight() const noexcept;
  // Any other thread.
  [[nodiscard]] Node::Statistics statistics();
  [[nodiscard]] std::vector<Node::PeerState> peer_states();
  // What is constant once the node has started; any thread then.
  [[nodiscard]] const Modules& modules() const noexcept { return modules_; }

 private:
  friend class Reflection;
  struct Entrance final : ListenerEvents {
    Entrance(NodeCore& owner, const ListenOptions& where) : core(owner), options(where) {}
    void on_accept(std::unique_ptr<Connection> connection) override {
      core.add_link(std::move(connection), nullptr, &options);
    }
    NodeCore& core;
    const ListenOptions& options;
    std::unique_ptr<Listener> listener;
  };
  Status run_on_loop(std::function<Status()> step) const;
  // Runs `step` on the loop, from any thread, if there is one.
  void look(const std::function<void()>& step) const;
  Status start_on_loop();
  Status start_listening();
  Status listen(const ListenOptions& where);
  [[nodiscard]] Transport* transport_for(std::string_view scheme) const;
  [[nodiscard]] std::string schemes() const;
  // How long a stage of stop() may take: until the drain's end; for two seconds; until the later of both.
  enum Stage : std::uint8_t { kDrain, kAfterDrain, kModule };
  void drain_until(Duration drain);
  void await_stage(Stage stage, const std::function<std::function<bool()>()>& begin);
  void await_stage_until(Stage stage, std::chrono::steady_clock::time_point soon);
  [[nodiscard]] bool all_acknowledged() const noexcept;
  [[nodiscard]] bool all_received() const noexcept;
  void check_stage();
  void close_retired() const;
  enum class ModuleStop : std::uint8_t { kStopping, kStopped, kOver };
  void stop_last_module(const std::shared_ptr<ModuleStop>& progress);
  void destroy_loop();

  std::vector<std::unique_ptr<Transport>> transports_;
  std::vector<std::unique_ptr<Entrance>> entrances_;
  Modules modules_{*this};
  std::thread thread_;
  std::mutex start_mutex_;  // held where `started` becomes true, and where functions are added
  std::mutex stop_mutex_;
  std::function<bool()> stage_reached_;
  std::mutex stage_mutex_;  // of what follows
  std::condition_variable stage_changed_;
  bool stage_over_ = false;
  std::chrono::steady_clock::time_point drain_end_ = std::chrono::steady_clock::time_point::max();
};

}  // namespace onward
