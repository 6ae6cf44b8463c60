// SPDX-License-Identifier: Apache-2.0
#include "node_command.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <thread>
#include <utility>

#include "module_list.h"
#include "node_config.h"
#include "signal_pipe.h"

namespace onward {
namespace {

constexpr int kFailed = 1;
constexpr int kWrongUsage = 2;

// Beyond the drain, for connections to flush, modules to stop and jobs on the pool to end.
constexpr Duration kStopGrace = std::chrono::seconds(5);

Result<NodeConfig> load(const std::string& config_path) {
  Result<NodeConfig> config = load_node_config(config_path, standard_modules());
  if (config) {
    set_log_level(config->log_level);
    // A connection that its peer has closed is an error to handle, not the end.
    std::signal(SIGPIPE, SIG_IGN);
    // Until there is something to reload.
    std::signal(SIGHUP, SIG_IGN);
  } else {
    std::fprintf(stderr, "%s\n", config.error().message().c_str());
  }
  return config;
}

int report_failed_start(const Node& node, const Status& error) {
  std::fprintf(stderr, "node %s cannot start: %s\n", node.name().c_str(), error.to_string().c_str());
  return kFailed;
}

void print_ready(const Node& node) {
  std::string line = "ready " + node.name();
  for (const Url& url : node.listening()) line += " " + url.to_string();
  std::printf("%s\n", line.c_str());
  std::fflush(stdout);
}

// What of `changed` differs from `running`, as messages have it: "[pool] threads, name".
std::string differences(const NodeConfig& running, const NodeConfig& changed, bool reloads) {
  std::string text;
  const auto note = [&](const std::string& key) { text += (text.empty() ? "" : ", ") + key; };
  for (const auto& [key, entry] : changed.entries) {
    const auto old = running.entries.find(key);
    if (entry.reloads == reloads && (old == running.entries.end() || old->second.text != entry.text)) note(key);
  }
  for (const auto& [key, entry] : running.entries) {
    if (entry.reloads == reloads && !changed.entries.contains(key)) note(key);
  }
  return text;
}

void reload_node(Node& node, const std::string& config_path, NodeConfig& running) {
  const auto refused = [&](const std::string& why) {
    log(LogLevel::kError, node.name(), "SIGHUP: not reloaded, goes on with what it had: " + why);
  };
  Result<NodeConfig> changed = load_node_config(config_path, standard_modules());
  if (!changed) return refused(changed.error().message());
  if (const Status failed = node.reload(changed->options); !failed.ok()) return refused(failed.message());
  set_log_level(changed->log_level);
  running.drain = changed->drain;
  const std::string taken = differences(running, *changed, true);
  const std::string left = differences(running, *changed, false);
  std::string files;
  for (const std::string& file : running.tls_files) files += (files.empty() ? "" : ", ") + file;
  const auto say = [&](LogLevel level, const std::string& what) { log(level, node.name(), "SIGHUP: " + what); };
  if (!files.empty()) say(LogLevel::kInfo, "reloaded " + files + "; connections that exist go on as they are");
  if (!taken.empty()) say(LogLevel::kInfo, "took from " + config_path + ": " + taken);
  if (files.empty() && taken.empty()) say(LogLevel::kInfo, "nothing that a running node takes has changed");
  if (!left.empty()) say(LogLevel::kWarning, "only a restart changes " + left);
  for (auto& [key, entry] : running.entries) {
    const auto now = changed->entries.find(key);
    if (entry.reloads && now != changed->entries.end()) entry.text = now->second.text;
  }
}

// Blocks until it has stopped, and ends the process where that cannot be waited for.
void stop_node(Node& node, Duration drain, SignalPipe& signals, int signal_number) {
  const auto drain_ms = std::chrono::duration_cast<std::chrono::milliseconds>(drain).count();
  log(LogLevel::kInfo, node.name(),
      std::string("SIG") + sigabbrev_np(signal_number) + ": no new calls; those in flight have " +
          std::to_string(drain_ms) + " ms to finish (a second signal ends the process at once)");
  std::thread stopper([&] {
    node.stop(drain);
    signals.wake();
  });
  std::optional<int> next = SIGHUP;
  while (next == SIGHUP) next = signals.wait(drain + kStopGrace);  // nothing is reloaded any more
  if (next == SignalPipe::kWoken) {
    stopper.join();
    return;
  }
  if (next) {
    log(LogLevel::kWarning, node.name(),
        std::string("SIG") + sigabbrev_np(*next) + " again: ends without waiting for what runs");
    ::_exit(128 + *next);
  }
  log(LogLevel::kError, node.name(),
      "has not stopped " + std::to_string(std::chrono::duration_cast<std::chrono::seconds>(kStopGrace).count()) +
          " s after its drain: a job on the pool, or a handler, does not end; ends without waiting for it");
  ::_exit(kFailed);
}

}  // namespace

int run_node(const std::string& config_path) {
  Result<NodeConfig> config = load(config_path);
  if (!config) return kWrongUsage;
  Node node(std::exchange(config->options, {}));
  if (const Status started = node.start(); !started.ok()) return report_failed_start(node, started);
  SignalPipe signals;
  print_ready(node);
  std::optional<int> signal_number = signals.wait();
  for (; signal_number == SIGHUP; signal_number = signals.wait()) reload_node(node, config_path, *config);
  stop_node(node, config->drain, signals, signal_number.value_or(SIGTERM));
  return 0;
}

int check_node(const std::string& config_path) {
  Result<NodeConfig> config = load(config_path);
  if (!config) return kWrongUsage;
  const std::size_t urls = std::exchange(config->options.listen, {}).size();
  // Transports and codecs are always there.
  const auto modules = std::ranges::count_if(config->options.modules, [](const NodeOptions::ModuleUse& use) {
    return use.descriptor == nullptr || use.descriptor->create != nullptr;
  });
  const std::size_t peers = config->options.peers.size();
  Node node(std::move(config->options));
  if (const Status started = node.start(); !started.ok()) return report_failed_start(node, started);
  node.stop(Duration::zero());
  std::printf("%s: node %s would start (URLs to listen on: %zu, peers: %zu, modules: %td)\n", config_path.c_str(),
              node.name().c_str(), urls, peers, modules);
  return 0;
}

}  // namespace onward
