// SPDX-License-Identifier: Apache-2.0
//
// Real node processes on this machine, each started from a configuration file that the test wrote into
// a folder of its own, and the test process as one more node, or as the user of `onward call`.
//
// Tests that are about more than one machine's worth of sockets run once for each of kTransports; a new
// transport is one line there.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "onward/init_rpc.h"
#include "probe.h"
#include "process.h"

namespace onward {

// How GoogleTest prints them.
inline void PrintTo(const Status& status, std::ostream* out) { *out << status.to_string(); }
template <class T>
void PrintTo(const Result<T>& result, std::ostream* out) {
  *out << (result ? testing::PrintToString(*result) : result.error().to_string());
}

}  // namespace onward

namespace onward::testing_support {

class Cluster;

// Where a node listens, and where its peers try to reach it, best first.
struct Place {
  std::vector<std::string> listen;
  std::vector<std::string> connect;
};
struct TransportKind {
  std::string name;
  // Where `node` can listen: known before it starts and nobody else's until the cluster ends.
  Place (*reserve)(Cluster& cluster, const std::string& node);
  // A bare socket can be the other end (raw_peer.h).
  bool takes_raw_peers = true;
};
inline void PrintTo(const TransportKind& kind, std::ostream* out) { *out << kind.name; }
Place reserve_tcp(Cluster& cluster, const std::string& node);
Place reserve_tls(Cluster& cluster, const std::string& node);
Place reserve_unix(Cluster& cluster, const std::string& node);
Place reserve_shm(Cluster& cluster, const std::string& node);
// Peers try shm, then tcp; every other node listens on tcp alone.
Place reserve_auto(Cluster& cluster, const std::string& node);
// Each node has another transport than the one before.
Place reserve_mixed(Cluster& cluster, const std::string& node);

inline const std::vector<TransportKind>& transport_kinds() {
  static const std::vector<TransportKind> kinds = {{"tcp", reserve_tcp},          {"tls", reserve_tls, false},
                                                   {"unix", reserve_unix},        {"shm", reserve_shm, false},
                                                   {"auto", reserve_auto, false}, {"mixed", reserve_mixed, false}};
  return kinds;
}

// Of a CA that all clusters of this process share: files for node `name`, made when they are first asked for.
TlsOptions tls_options_of(const std::string& name);

inline std::vector<TransportKind> raw_transport_kinds() {
  std::vector<TransportKind> kinds = transport_kinds();
  std::erase_if(kinds, [](const TransportKind& kind) { return !kind.takes_raw_peers; });
  return kinds;
}

// Where the program `onward` is, and custom_node.cpp's.
std::string onward_program();
std::string custom_node_program();

inline constexpr CallOptions kPatient{.timeout = kNoTimeout};
// What the program exits with.
inline constexpr int kFailed = 1;
inline constexpr int kWrongUsage = 2;

// What a node's configuration has besides its name and where it listens.
struct NodeSetup {
  std::vector<std::string> peers = {};  // names of nodes of this cluster
  std::string toml = {};                // further sections
};

// How a command line program ended and what it printed.
struct CommandResult {
  Ending ending;
  std::string output;
  std::string error;
};

class Cluster {
 public:
  explicit Cluster(const TransportKind& kind);
  // Kills what still runs. After a failure it prints the logs and leaves the folder.
  ~Cluster();
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;

  [[nodiscard]] const std::filesystem::path& folder() const noexcept { return folder_; }
  // Where `node` listens, or will, or would; the first of its URLs.
  const std::string& url(const std::string& node) { return place(node).listen.front(); }
  const Place& place(const std::string& node);
  // How many nodes have a place.
  [[nodiscard]] std::size_t size() const noexcept { return places_.size(); }
  // Where it will listen, over another transport than the cluster's. Before it is started or named as a peer.
  void place(const std::string& node, const TransportKind& kind) { places_[node] = kind.reserve(*this, node); }
  // Holds a descriptor until the cluster ends.
  void keep_open(int descriptor) { descriptors_.push_back(descriptor); }

  std::filesystem::path write(const std::string& file, std::string_view text) const;
  // "name = …", "listen = …", [peers], and what else `setup` has; where one of the URLs is tls, [tls], too.
  std::string configuration(const std::string& name, const NodeSetup& setup);

  // Starts a node, with module "probe", or the plain program. Again with the name of one that has ended: it
  // listens where that one did. Does not wait.
  Process& launch(const std::string& name, const NodeSetup& setup = {});
  Process& launch_plain(const std::string& name, const NodeSetup& setup);
  // The same, and waits for its `ready` line; a failure of the test if that does not come.
  Process& start(const std::string& name, const NodeSetup& setup = {});
  Process& start_plain(const std::string& name, const NodeSetup& setup);
  Process& node(const std::string& name) { return *processes_.at(name); }

  // A started node of this process that knows the nodes of this cluster that have a URL by now.
  std::unique_ptr<Node> client(const std::string& name = "client");
  NodeOptions client_options(const std::string& name = "client") const;

  // The same command; where a URL of the cluster is tls, with the files of `node` in its environment.
  [[nodiscard]] std::vector<std::string> command(std::vector<std::string> command,
                                                 const std::string& node = "call") const;

  // Runs `onward ARGUMENTS…` to its end.
  CommandResult run(const std::vector<std::string>& arguments);

 private:
  Process& launch(const std::string& program, const std::string& name, const NodeSetup& setup);
  Process& await_ready(const std::string& name);

  const TransportKind& kind_;
  std::filesystem::path folder_;
  std::map<std::string, Place> places_;
  std::map<std::string, std::unique_ptr<Process>> processes_;
  std::vector<std::unique_ptr<Process>> ended_;
  std::vector<int> descriptors_;
  int logs_ = 0;
};

// For TEST_P: one cluster a test.
class ClusterTest : public testing::TestWithParam<TransportKind> {
 protected:
  Cluster cluster{GetParam()};
};

#define ONWARD_ON_EVERY_TRANSPORT(Suite)                                                                       \
  INSTANTIATE_TEST_SUITE_P(Transports, Suite, testing::ValuesIn(::onward::testing_support::transport_kinds()), \
                           [](const auto& case_info) { return std::string(case_info.param.name); })

#define ONWARD_ON_EVERY_RAW_TRANSPORT(Suite)                                                                       \
  INSTANTIATE_TEST_SUITE_P(Transports, Suite, testing::ValuesIn(::onward::testing_support::raw_transport_kinds()), \
                           [](const auto& case_info) { return std::string(case_info.param.name); })

// For TEST_F, where the transport does not matter.
class TcpClusterTest : public testing::Test {
 protected:
  Cluster cluster{transport_kinds().front()};
};

// What `call` came to, as Result: waits for at most kPatience, which fails the test.
template <class T>
Result<typename Future<T>::Stored> outcome_of(const Future<T>& call) {
  try {
    return call.wait(kPatience);
  } catch (...) {
    const Status error = status_from_current_exception();
    if (!call.done()) ADD_FAILURE() << "no answer: " << error.to_string();
    return std::unexpected(error);
  }
}
// The error that `call` came to; OK if it succeeded.
template <class T>
Status error_of(const Future<T>& call) {
  const auto outcome = outcome_of(call);
  return outcome ? Status() : outcome.error();
}

// Asks again until it is so; false after kPatience.
template <class Condition>
[[nodiscard]] bool await(Condition condition) {
  const auto give_up = std::chrono::steady_clock::now() + kPatience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > give_up) return false;
    std::this_thread::yield();
  }
  return true;
}
// Until `wanted(Statistics)` holds of node `name`.
template <class Predicate>
[[nodiscard]] bool await_statistics(Node& client, const std::string& name, Predicate wanted) {
  return await([&] { return wanted(rpc_sync(client, name, probe::kStatistics)); });
}

}  // namespace onward::testing_support
