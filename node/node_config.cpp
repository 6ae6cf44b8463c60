// SPDX-License-Identifier: Apache-2.0
#include "node_config.h"

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <limits>
#include <sstream>
#include <system_error>

#include "config_reader.h"
#include "module_list.h"
#include "network_config.h"
#include "onward/init_rpc.h"
#include "tls_config.h"

namespace onward {
namespace {

constexpr Duration kMillisecond = std::chrono::milliseconds(1);
constexpr Duration kMicrosecond = std::chrono::microseconds(1);
constexpr std::int64_t kMaxInt = std::numeric_limits<std::int64_t>::max();

void read_name(ConfigReader& file, NodeOptions& options) {
  const toml::node* found = file.require("name");
  if (found == nullptr || !file.read("name", options.name)) return;
  if (options.name.empty() || Url::looks_like_url(options.name)) file.wrong("name", *found, "a name, and no URL");
}

void read_codec(ConfigReader& file, NodeOptions& options) {
  std::vector<std::string> known;
  known.reserve(options.codecs.size());
  for (const auto& codec : options.codecs) known.emplace_back(codec->name());
  if (!file.read("codec", options.codec) || std::ranges::find(known, options.codec) != known.end()) return;
  file.errors().add(file.find("codec")->source(),
                    "the codec \"" + options.codec + "\" is not known" + suggest(options.codec, known));
}

const ModuleDescriptor* find_module(std::string_view name, const toml::node& where, ConfigErrors& errors) {
  std::string known;
  std::vector<std::string> names;
  for (const ModuleDescriptor* descriptor : standard_modules()) {
    if (descriptor->name == name) return descriptor;
    names.emplace_back(descriptor->name);
    known += (known.empty() ? "" : ", ") + names.back();
  }
  const std::string near = nearest(name, names);
  errors.add(where.source(), "the module \"" + std::string(name) + "\" is not known; " +
                                 (near.empty() ? "" : "did you mean \"" + near + "\"? ") + "There are: " + known);
  return nullptr;
}

void read_module(const toml::table& table, ConfigErrors& errors, NodeOptions& options) {
  ConfigReader reader(table, "[[modules]]", errors);
  std::string name;
  const toml::node* where = reader.require("name");
  if (where == nullptr || !reader.read("name", name)) return;
  NodeOptions::ModuleUse use{.descriptor = find_module(name, *where, errors)};
  for (const auto& [key, value] : table) {
    if (key.str() != "name") reader.read_setting(key.str(), use.arguments);
  }
  if (use.descriptor != nullptr) options.modules.push_back(std::move(use));
}

void read_modules(ConfigReader& file, NodeOptions& options) {
  const toml::node* found = file.find("modules");
  if (found == nullptr) return;
  const toml::array* tables = found->as_array();
  if (tables == nullptr || !std::ranges::all_of(*tables, [](const toml::node& table) { return table.is_table(); })) {
    file.wrong("modules", *found, "written as [[modules]], once for each");
    return;
  }
  for (const toml::node& table : *tables) read_module(*table.as_table(), file.errors(), options);
}

void read_calls(ConfigReader calls, NodeOptions& options) {
  const toml::node* timeout = calls.find("timeout_ms");
  if (timeout != nullptr && timeout->is_string()) {
    if (timeout->value_exact<std::string>() == "none") {
      options.timeout = kNoTimeout;
    } else {
      calls.wrong("timeout_ms", *timeout, R"(a number of milliseconds, or "none")");
    }
  } else {
    calls.read("timeout_ms", options.timeout, kMillisecond, 1);
  }
  calls.refuse_unknown();
}

void read_pool(ConfigReader pool, NodeOptions& options) {
  constexpr std::int64_t kMaxThreads = 1024;
  constexpr std::int64_t kMaxQueue = 100'000'000;
  pool.read("threads", options.pool.threads, 1, kMaxThreads);
  pool.read("queue_limit", options.pool.queue_limit, 1, kMaxQueue);
  pool.refuse_unknown();
}

void read_limits(ConfigReader limits, NodeOptions& options) {
  MessageLimits& messages = options.limits;
  const std::size_t before = limits.errors().size();
  limits.read("max_body_bytes", messages.max_body_bytes, 1024, std::numeric_limits<std::uint32_t>::max());
  limits.read("max_message_bytes", messages.max_message_bytes, 1024, kMaxInt);
  limits.read("output_high_bytes", messages.output_high_bytes, 1, kMaxInt);
  limits.read("output_low_bytes", messages.output_low_bytes, 0, kMaxInt);
  limits.read("max_in_flight", options.max_in_flight, 1, kMaxInt);
  limits.read("max_waiting_calls", options.max_waiting_calls, 1, kMaxInt);
  limits.refuse_unknown();
  if (limits.errors().size() > before) return;
  const auto at_most = [&](const char* lower, std::uint64_t low, const char* higher, std::uint64_t high) {
    if (low <= high) return;
    limits.errors().add(limits.content().source(), "[limits]: " + std::string(lower) + " (" + std::to_string(low) +
                                                       ") must not be more than " + higher + " (" +
                                                       std::to_string(high) + ")");
  };
  at_most("output_low_bytes", messages.output_low_bytes, "output_high_bytes", messages.output_high_bytes);
  at_most("max_body_bytes", messages.max_body_bytes, "max_message_bytes", messages.max_message_bytes);
}

void read_loop(ConfigReader loop, NodeOptions& options) {
  loop.read("busy_poll_us", options.loop.busy_poll, kMicrosecond, 0);
  loop.read("slow_callback_ms", options.loop.slow_callback, kMillisecond, 0);
  loop.refuse_unknown();
}

void read_connect(ConfigReader connect, NodeOptions& options) {
  connect.read("backoff_ms", options.connect_backoff, kMillisecond, 1);
  connect.read("backoff_max_ms", options.connect_backoff_max, kMillisecond, 1);
  connect.refuse_unknown();
}

void read_log(ConfigReader log, LogLevel& level) {
  std::string text;
  if (log.read("level", text)) {
    if (const Result<LogLevel> parsed = parse_log_level(text); parsed) {
      level = *parsed;
    } else {
      log.errors().add(log.find("level")->source(), parsed.error().message());
    }
  }
  log.refuse_unknown();
}

NodeConfig read_config(const toml::table& table, const std::string& name, ConfigErrors& errors) {
  NodeConfig config;
  NodeOptions& options = config.options;
  ConfigReader file(table, "", errors);
  read_name(file, options);
  read_tls(file.table("tls"), name, config.transports.tls);
  read_transports(file, config.transports);
  options.transports = standard_transports(config.transports);
  options.codecs = standard_codecs();
  read_network(file, options);
  read_codec(file, options);
  read_modules(file, options);
  read_calls(file.table("calls"), options);
  read_pool(file.table("pool"), options);
  read_limits(file.table("limits"), options);
  read_loop(file.table("loop"), options);
  read_connect(file.table("connect"), options);
  read_log(file.table("log"), config.log_level);
  ConfigReader shutdown = file.table("shutdown");
  shutdown.read("drain_ms", config.drain, kMillisecond, 0);
  shutdown.refuse_unknown();
  file.refuse_unknown();
  return config;
}

}  // namespace

Result<NodeConfig> parse_node_config(std::string_view text, const std::string& file) {
  ConfigErrors errors(file);
  NodeConfig config;
  try {
    config = read_config(toml::parse(text, file), file, errors);
  } catch (const toml::parse_error& error) {
    errors.add(error.source(), "this is not TOML: " + std::string(error.description()));
  }
  if (!errors.empty()) return fail(StatusCode::kInvalidArgument, errors.text());
  return config;
}

Result<NodeConfig> load_node_config(const std::string& path) {
  constexpr std::size_t kMaxFileBytes = std::size_t{1} << 20;
  std::ifstream in(path, std::ios::binary);
  std::string text;
  if (in) {
    text.resize(kMaxFileBytes + 1);
    in.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(in.gcount()));
  }
  if (!in.is_open() || in.bad()) {
    const int error_number = errno;
    return fail(error_number == ENOENT ? StatusCode::kNotFound : StatusCode::kUnavailable,
                "cannot read the configuration " + path + ": " + std::generic_category().message(error_number));
  }
  if (text.size() > kMaxFileBytes) {
    return fail(StatusCode::kInvalidArgument,
                "the configuration " + path + " is larger than " + std::to_string(kMaxFileBytes) + " bytes");
  }
  return parse_node_config(text, path);
}

}  // namespace onward
