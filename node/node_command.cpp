// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <utility>

#include "command_list.h"
#include "config_prose.h"
#include "config_reference.h"
#include "nearest.h"
#include "node_config.h"
#include "onward/module.h"
#include "print_output.h"
#include "service_manager.h"
#include "signal_pipe.h"

namespace onward {
namespace {

using Modules = std::span<const ModuleDescriptor* const>;

// Beyond the drain, for connections to flush, modules to stop and jobs on the pool to end.
constexpr Duration kStopGrace = std::chrono::seconds(5);

Result<NodeConfig> load(const std::string& config_path, Modules linked) {
  Result<NodeConfig> config = load_node_config(config_path, linked);
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

// False where the node goes on with what it had.
bool take_changes(Node& node, const std::string& config_path, Modules linked, NodeConfig& running) {
  const auto refused = [&](const std::string& why) {
    log(LogLevel::kError, node.name(), "SIGHUP: not reloaded, goes on with what it had: " + why);
    return false;
  };
  Result<NodeConfig> changed = load_node_config(config_path, linked);
  if (!changed) return refused(changed.error().message());
  if (const Status failed = node.reload(changed->options); !failed.ok()) return refused(failed.message());
  set_log_level(changed->log_level);
  running.drain = changed->drain;
  const std::string taken = differences(running, *changed, true);
  const std::string left = differences(running, *changed, false);
  const std::string files = join(running.tls_files);
  const auto say = [&](LogLevel level, const std::string& what) { log(level, node.name(), "SIGHUP: " + what); };
  if (!files.empty()) say(LogLevel::kInfo, "reloaded " + files + "; connections that exist go on as they are");
  if (!taken.empty()) say(LogLevel::kInfo, "took from " + config_path + ": " + taken);
  if (files.empty() && taken.empty()) say(LogLevel::kInfo, "nothing that a running node takes has changed");
  if (!left.empty()) say(LogLevel::kWarning, "only a restart changes " + left);
  for (auto& [key, entry] : running.entries) {
    const auto now = changed->entries.find(key);
    if (entry.reloads && now != changed->entries.end()) entry.text = now->second.text;
  }
  return true;
}

void reload_node(Node& node, const std::string& config_path, Modules linked, NodeConfig& running) {
  service_manager::tell_reloading(node);
  const bool reloaded = take_changes(node, config_path, linked, running);
  service_manager::tell_ready(node, reloaded ? "" : "SIGHUP: not reloaded, its log says why");
}

// The next signal, or kWoken; nothing is reloaded any more.
std::optional<int> await_end(SignalPipe& signals, Duration timeout) {
  std::optional<int> next = SIGHUP;
  while (next == SIGHUP) next = signals.wait(timeout);
  return next;
}

// Blocks until it has stopped, and ends the process where that cannot be waited for.
void stop_node(Node& node, Duration drain, SignalPipe& signals, int signal_number) {
  const auto drain_ms = std::chrono::duration_cast<std::chrono::milliseconds>(drain).count();
  log(LogLevel::kInfo, node.name(),
      std::string("SIG") + sigabbrev_np(signal_number) + ": no new calls; those in flight have " +
          std::to_string(drain_ms) + " ms to finish (a second signal fails them at once)");
  service_manager::tell_stopping(node, drain + kStopGrace);
  std::thread stopper([&] {
    node.stop(drain);
    signals.wake();
  });
  std::thread hurry;
  std::optional<int> next = await_end(signals, drain + kStopGrace);
  if (next && next != SignalPipe::kWoken) {
    log(LogLevel::kWarning, node.name(),
        std::string("SIG") + sigabbrev_np(*next) +
            " again: calls in flight fail now (a third signal ends the process at once)");
    hurry = std::thread([&node] { node.stop(Duration::zero()); });  // ends the drain of the other
    next = await_end(signals, kStopGrace);
  }
  if (next == SignalPipe::kWoken) {
    stopper.join();
    if (hurry.joinable()) hurry.join();
    return;
  }
  if (next) {
    log(LogLevel::kWarning, node.name(),
        std::string("SIG") + sigabbrev_np(*next) + " for the third time: ends without waiting for what runs");
    ::_exit(128 + *next);
  }
  log(LogLevel::kError, node.name(),
      "has not stopped " + std::to_string(std::chrono::duration_cast<std::chrono::seconds>(kStopGrace).count()) +
          " s after its drain: a job on the pool, or a handler, does not end; ends without waiting for it");
  ::_exit(kFailed);
}

int run_node(const std::string& config_path, Modules linked) {
  Result<NodeConfig> config = load(config_path, linked);
  if (!config) return kWrongUsage;
  Node node(std::exchange(config->options, {}));
  if (const Status started = node.start(); !started.ok()) return report_failed_start(node, started);
  SignalPipe signals;
  print_ready(node);
  service_manager::start_watchdog(node);
  service_manager::tell_ready(node);
  std::optional<int> signal_number = signals.wait();
  for (; signal_number == SIGHUP; signal_number = signals.wait()) reload_node(node, config_path, linked, *config);
  stop_node(node, config->drain, signals, signal_number.value_or(SIGTERM));
  return 0;
}

int check_node(const std::string& config_path, Modules linked) {
  Result<NodeConfig> config = load(config_path, linked);
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

constexpr const char* kDescription = R"(Runs a node. When it answers, it prints one line to standard output,
"ready NAME URL…", with real ports; its log goes to standard error.

SIGTERM or SIGINT let it finish the calls in flight, for at most shutdown.drain_ms; a second one fails them at once, and
a third one ends the process. SIGHUP has it read its configuration
and its certificates again; its log says what only a restart changes.)";

constexpr const char* kConfiguration = R"(A configuration:

  name = "front"
  listen = ["tcp://127.0.0.1:7000"]   # or tls://HOST:PORT, shm://@name, unix:///path; port 0: any

  [peers]
  worker-1 = "tcp://127.0.0.1:7001"   # or an array of URLs, best first

  [[modules]]
  name = "rfc"
  dst = "worker-1"                    # the module's own arguments

  [calls]
  timeout_ms = 30000                  # or "none"

What else there may be:)";

Prose node_prose(Modules modules) {
  Prose prose{.description = kDescription,
              .sections = {{.title = "Configuration", .text = kConfiguration, .list = config_tables_in_brief(modules)}},
              .manual_sections = {{.title = "Configuration keys",
                                   .text = "A running node takes new values of those that say so on SIGHUP.",
                                   .list = config_keys(modules)}},
              .environment = {{"ONWARD_MODULE_PATH",
                               "folders, with colons between them, of modules that are not in this program"},
                              {"NOTIFY_SOCKET, WATCHDOG_USEC",
                               "from systemd, which is told when the node listens, reloads and stops, and that its "
                               "kernel thread goes on"}},
              .exit_status = {{"0", "it was told to stop, and did; or the check succeeded"},
                              {"1", "it could not start, or could not stop in time"},
                              {"2", "the command line or the configuration is wrong"}},
              .examples = R"(  {program} node --config front.toml
  {program} node --config front.toml --check)",
              .see_also = {"{program} call", "{program} certs"}};
  std::vector<Definition> linked;
  for (const ModuleDescriptor* module : modules) {
    if (module->create == nullptr) continue;
    linked.push_back({.term = std::string(module->name()), .text = module->summary});
  }
  if (!linked.empty()) prose.sections.push_back({.title = "Modules in this program", .list = std::move(linked)});
  return prose;
}

}  // namespace

// `onward node`: runs the node that a file describes until SIGTERM or SIGINT, then drains it.
Command node_command(const ProgramOptions& program) {
  struct Given {
    std::string config;
    bool check = false;
    bool reference = false;
  };
  const auto given = std::make_shared<Given>();
  Command command{.name = "node", .summary = "run a node", .prose = node_prose(program.modules)};
  command.option("--config", "FILE", given->config, "what the node is, in TOML")
      .file("*.toml")
      .required_unless("--reference");
  command.flag("--check", given->check, "start its modules, but do not listen; then say whether all of this worked");
  command.flag("--reference", given->reference, "print every key that a configuration may have, as Markdown");
  command.run = [given, modules = program.modules](const Invocation& called) {
    if (given->reference) return print_output(config_reference(modules), called.called_as);
    return given->check ? check_node(given->config, modules) : run_node(given->config, modules);
  };
  return command;
}

}  // namespace onward
