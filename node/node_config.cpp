// SPDX-License-Identifier: Apache-2.0
#include "node_config.h"

#include <algorithm>
#include <utility>

#include "config_reader.h"
#include "config_source.h"
#include "module_config.h"
#include "network_config.h"
#include "node_parameters.h"

namespace onward {
namespace {

// The tables whose keys are declared in node_parameters.
class NodeReader {
 public:
  NodeReader(const ConfigSource& source, std::span<const ModuleDescriptor* const> linked, ConfigErrors& errors)
      : file_(source.table, "", errors, source.expanded), linked_(linked) {}

  NodeConfig read() {
    read_name();
    read_modules(file_, linked_, config_);
    read_calls();
    read_limits();
    read_rest();
    read_network(file_, config_.options);
    read_codec();
    file_.refuse_unknown();
    note("listen", file_.content().get("listen"), false);
    note("[peers]", file_.content().get("peers"), true);
    note("[access]", file_.content().get("access"), true);
    note("[limits.functions]", file_.content()["limits"]["functions"].node(), true);
    return std::move(config_);
  }

 private:
  // `apart` is a table in it that is read by itself.
  Arguments table(std::string_view name, std::string_view apart = {}) {
    ConfigReader reader = file_.table(name);
    if (!apart.empty()) static_cast<void>(reader.find(apart));
    Arguments arguments = reader.arguments(config_parameters(name));
    for (const Parameter& parameter : arguments.declared()) {
      const auto setting = arguments.all().find(std::string(parameter.key));
      config_.entries["[" + std::string(name) + "] " + std::string(parameter.key)] = {
          .text = setting == arguments.all().end() ? "" : whole_text(setting->second), .reloads = parameter.reloads};
    }
    return arguments;
  }

  void note(const std::string& key, const toml::node* value, bool reloads) {
    std::ostringstream text;
    if (value != nullptr) value->visit([&](const auto& content) { text << content; });
    config_.entries[key] = {.text = text.str(), .reloads = reloads};
  }

  void read_name() {
    const toml::node* found = file_.require("name");
    std::string& name = config_.options.name;
    if (found == nullptr || !file_.read("name", name)) return;
    if (name.empty() || Url::looks_like_url(name)) file_.wrong("name", *found, "a name, and no URL");
    note("name", found, false);
  }

  // After the modules, which have them.
  void read_codec() {
    NodeOptions& options = config_.options;
    std::vector<std::string> known;
    for (const NodeOptions::ModuleUse& use : options.modules) {
      if (use.descriptor == nullptr || use.descriptor->make_codec == nullptr) continue;
      std::vector<SettingError> errors;
      const Arguments arguments = check_module_arguments(*use.descriptor, use.arguments, errors);
      if (errors.empty()) known.emplace_back(use.descriptor->make_codec(arguments)->name());
    }
    if (!file_.read("codec", options.codec)) return;
    note("codec", file_.find("codec"), false);
    if (std::ranges::find(known, options.codec) != known.end()) return;
    file_.errors().add(file_.find("codec")->source(),
                       "the codec \"" + options.codec + "\" is not known" + suggest(options.codec, known));
  }

  void read_calls() {
    const Arguments calls = table("calls");
    const auto timeout_ms = calls.find<std::int64_t>("timeout_ms");
    config_.options.trace = calls.get<bool>("trace");
    config_.options.timeout = timeout_ms ? Duration(std::chrono::milliseconds(*timeout_ms)) : kNoTimeout;
  }

  void read_limits() {
    const std::size_t before = file_.errors().size();
    read_function_limits(file_.table("limits").table("functions"));
    const Arguments limits = table("limits", "functions");
    MessageLimits& messages = config_.options.limits;
    if (file_.errors().size() > before) return;
    messages.max_body_bytes = limits.get<std::uint32_t>("max_body_bytes");
    messages.max_message_bytes = limits.get<std::uint64_t>("max_message_bytes");
    messages.output_high_bytes = limits.get<std::size_t>("output_high_bytes");
    messages.output_low_bytes = limits.get<std::size_t>("output_low_bytes");
    LoadLimits& connection = config_.options.per_connection;
    connection.max_in_flight = limit(limits, "max_in_flight");
    connection.max_in_flight_bytes = limit(limits, "max_in_flight_bytes");
    connection.pause_in_flight = limit(limits, "pause_in_flight");
    connection.pause_in_flight_bytes = limit(limits, "pause_in_flight_bytes");
    LoadLimits& node = config_.options.per_node;
    node.max_in_flight = limit(limits, "node_max_in_flight");
    node.max_in_flight_bytes = limit(limits, "node_max_in_flight_bytes");
    node.pause_in_flight = limit(limits, "node_pause_in_flight");
    node.pause_in_flight_bytes = limit(limits, "node_pause_in_flight_bytes");
    config_.options.adaptive_limits = limits.get<bool>("adaptive");
    config_.options.max_waiting_calls = limits.get<std::size_t>("max_waiting_calls");
    const auto at_most = [&](const char* lower, std::uint64_t low, const char* higher, std::uint64_t high) {
      if (low <= high) return;
      file_.errors().add(file_.table("limits").content().source(),
                         "[limits]: " + std::string(lower) + " (" + std::to_string(low) + ") must not be more than " +
                             higher + " (" + std::to_string(high) + ")");
    };
    at_most("output_low_bytes", messages.output_low_bytes, "output_high_bytes", messages.output_high_bytes);
    at_most("max_body_bytes", messages.max_body_bytes, "max_message_bytes", messages.max_message_bytes);
  }

  static std::size_t limit(const Arguments& arguments, std::string_view key) {
    return arguments.find<std::size_t>(key).value_or(kNoLimit);
  }

  void read_function_limits(ConfigReader functions) {
    for (const auto& [key, value] : functions.content()) {
      std::string pattern(key.str());
      if (!value.is_table()) {
        functions.wrong(pattern, value,
                        R"(a table of limits, as [limits.functions."search.*"]; a function's name that has dots or * )"
                        "stands in quotes");
        continue;
      }
      const Arguments given = functions.table(pattern).arguments(config_parameters("limits.functions.PATTERN"));
      const FunctionLimits limits{.max_in_flight = limit(given, "max_in_flight"),
                                  .max_in_flight_bytes = limit(given, "max_in_flight_bytes"),
                                  .adaptive = given.find<bool>("adaptive")};
      static_cast<void>(config_.options.per_function.add(std::move(pattern), limits));  // TOML has no key twice
    }
  }

  void read_rest() {
    const std::size_t before = file_.errors().size();
    const Arguments pool = table("pool");
    const Arguments loop = table("loop");
    const Arguments connect = table("connect");
    const Arguments reflection = table("reflection");
    const Arguments log = table("log");
    const Arguments shutdown = table("shutdown");
    if (file_.errors().size() > before) return;
    const auto ms = [](const Arguments& arguments, std::string_view key) {
      return Duration(std::chrono::milliseconds(arguments.get<std::int64_t>(key)));
    };
    NodeOptions& options = config_.options;
    options.pool.threads = pool.get<decltype(options.pool.threads)>("threads");
    options.pool.queue_limit = pool.get<std::size_t>("queue_limit");
    options.loop.busy_poll = std::chrono::microseconds(loop.get<std::int64_t>("busy_poll_us"));
    options.loop.slow_callback = ms(loop, "slow_callback_ms");
    options.connect_backoff = ms(connect, "backoff_ms");
    options.connect_backoff_max = ms(connect, "backoff_max_ms");
    options.reflection = reflection.get<bool>("enabled");
    config_.log_level = *parse_log_level(log.get<std::string>("level"));
    config_.drain = ms(shutdown, "drain_ms");
  }

  ConfigReader file_;
  std::span<const ModuleDescriptor* const> linked_;
  NodeConfig config_;
};

Result<NodeConfig> finish(const ConfigSource& source, std::span<const ModuleDescriptor* const> linked,
                          ConfigErrors& errors) {
  if (source.table.empty() && !errors.empty()) return fail(StatusCode::kInvalidArgument, errors.text());
  NodeConfig config = NodeReader(source, linked, errors).read();
  if (!errors.empty()) return fail(StatusCode::kInvalidArgument, errors.text());
  return config;
}

}  // namespace

Result<NodeConfig> parse_node_config(std::string_view text, const std::string& file,
                                     std::span<const ModuleDescriptor* const> linked) {
  ConfigErrors errors(file);
  ConfigSource source;
  read_config_text(text, file, errors, source);
  return finish(source, linked, errors);
}

Result<NodeConfig> load_node_config(const std::string& path, std::span<const ModuleDescriptor* const> linked) {
  ConfigErrors errors(path);
  ConfigSource source;
  if (const Status unreadable = read_config_file(path, errors, source); !unreadable.ok()) {
    return std::unexpected(unreadable);
  }
  return finish(source, linked, errors);
}

}  // namespace onward
