// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "client_node.h"
#include "command_list.h"
#include "json_value.h"
#include "nearest.h"
#include "node_description.h"
#include "onward/log.h"
#include "print_output.h"
#include "tls_command_options.h"

namespace onward {
namespace {

constexpr const char* kDescribe = "onward.describe";

struct ListCommand {
  ProgramOptions program;  // whose command this is
  std::string url;
  std::string function;  // empty: all
  Duration timeout = std::chrono::seconds(30);
  TlsOptions tls = {};  // with a certificate, the node that this is for asks
  bool json = false;    // print all that the node answered, on one line of strict JSON
  bool names = false;   // print the functions' names alone, one a line
};

void complain(const ListCommand& command, const std::string& what) {
  std::fprintf(stderr, "%s list: %s\n", command.program.name.c_str(), what.c_str());
}

// `rows` of cells, each column but the last as wide as its widest cell, up to a bound.
std::string table(const std::vector<std::vector<std::string>>& rows) {
  constexpr std::size_t kWidest = 72;
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) {
      if (row[i].size() <= kWidest) widths[i] = std::max(widths[i], row[i].size());
    }
  }
  std::string text;
  for (const auto& row : rows) {
    std::string line = "  ";
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += printable(row[i]);
      if (i + 1 == row.size()) break;
      line.append(row[i].size() < widths[i] ? widths[i] - row[i].size() : 0, ' ').append("  ");
    }
    text += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }
  return text;
}

std::string functions_text(const NodeDescription& node) {
  if (node.functions.empty()) return "\nNo functions that the caller may call.\n";
  std::vector<std::vector<std::string>> rows;
  std::set<std::string> structs;
  rows.reserve(node.functions.size());
  for (const FunctionDescription& function : node.functions) {
    rows.push_back({prototype(function), function.runs});
    structs.insert(function.structs.begin(), function.structs.end());
  }
  // The documentation of each stands below its row.
  constexpr std::size_t kIndent = 6;
  const std::string aligned = table(rows);
  std::string text = "\nFunctions\n";
  std::size_t at = 0;
  for (const FunctionDescription& function : node.functions) {
    const std::size_t end = aligned.find('\n', at) + 1;
    text.append(aligned, at, end - at).append(indented(function.documentation, kIndent));
    at = end;
  }
  if (!structs.empty()) text += "\nStructs\n";
  for (const std::string& one : structs) text += indented(one, 2);
  return text;
}

std::string node_text(const NodeDescription& node) {
  std::string text = printable("node " + node.node + ", onward " + node.version) + "\n" + functions_text(node);
  std::vector<std::vector<std::string>> modules;
  modules.reserve(node.modules.size());
  for (const ModuleDescription& module : node.modules) {
    modules.push_back({module.name, module.version, module.origin,
                       module.trouble.empty() ? module.summary : "not there: " + module.trouble});
  }
  if (!modules.empty()) text += "\nModules\n" + table(modules);
  std::vector<std::string> codecs;
  codecs.reserve(node.codecs.size());
  for (const CodecDescription& codec : node.codecs)
    codecs.push_back(codec.name + " (" + std::to_string(codec.id) + ")");
  text +=
      "\nReached by\n" +
      table({{"listens on", join(node.listening)}, {"transports", join(node.transports)}, {"codecs", join(codecs)}});
  std::vector<std::vector<std::string>> limits;
  limits.reserve(node.limits.size());
  for (const auto& [name, limit] : node.limits) limits.push_back({name, limit ? std::to_string(*limit) : "none"});
  if (!limits.empty()) text += "\nLimits\n" + table(limits);
  return text;
}

std::string function_text(const NodeDescription& node, const FunctionDescription& function) {
  std::string text = prototype(function) + "\n" + indented(function.documentation, 4);
  std::vector<std::vector<std::string>> facts = {{"runs", function.runs}, {"node", node.node}};
  if (!function.module.empty()) facts.push_back({"module", function.module});
  for (const std::string& one : function.structs) facts.push_back({"struct", one});
  return text + "\n" + table(facts);
}

std::string text_of(const ListCommand& command, const DynamicValue& answer, const NodeDescription& node) {
  if (command.json) return to_json(answer) + "\n";
  if (!command.names) return command.function.empty() ? node_text(node) : function_text(node, node.functions.front());
  std::string names;
  for (const FunctionDescription& function : node.functions) names += printable(function.name) + "\n";
  return names;
}

int report_unknown(const ListCommand& command, const NodeDescription& node) {
  std::vector<std::string> near;
  near.reserve(node.nearest.size());
  for (const std::string& name : node.nearest) near.push_back("\"" + printable(name) + "\"");
  const std::string hint = near.empty()
                               ? "`" + command.program.name + " list " + command.url + "` shows those that it has"
                               : "did you mean " + join(near, " or ") + "?";
  complain(command, "node " + printable(node.node) + " has no function \"" + command.function +
                        "\" that the caller may call; " + hint);
  return kFailed;
}

int report(const ListCommand& command, const Status& error) {
  const bool unknown =
      error.code() == StatusCode::kUnimplemented && error.message().find("is not registered") != std::string::npos;
  complain(command, unknown ? "the node at " + command.url + " does not say what it has: it is older than this program"
                            : error.to_string());
  return kFailed;
}

int run_list(const ListCommand& command) {
  const Result<Url> url = Url::parse(command.url);
  if (!url) {
    complain(command, "PEER_URL: " + url.error().message());
    return kWrongUsage;
  }
  std::signal(SIGPIPE, SIG_IGN);
  set_log_level(LogLevel::kOff);
  Result<NodeOptions> options = client_node_options("list", command.program, *url, command.tls);
  if (!options) return report(command, options.error());
  try {
    Node node(std::move(*options));
    node.start().throw_if_error();
    const CallOptions patience{.timeout = command.timeout, .codec = "flex", .fail_fast = true};
    const DynamicValue answer =
        ask_for_description(node, to(command.url, patience), command.function, FunctionName::intern(kDescribe)).wait();
    const Result<NodeDescription> description = read_description(answer);
    if (!description) return report(command, description.error());
    if (!command.function.empty() && description->functions.empty()) return report_unknown(command, *description);
    return print_output(text_of(command, answer, *description), command.program.name + " list");
  } catch (const RpcError& error) {
    return report(command, error.status());
  }
}

}  // namespace

// `onward list`: asks a node what it is and which functions the caller may call there.
Command list_command(const ProgramOptions& program) {
  const auto given = std::make_shared<ListCommand>();
  given->program = program;
  Command command{.name = "list", .summary = "show the functions of a node that runs, and what it is"};
  command.prose.description =
      "Asks a node what it is: its functions that the caller may call, their signatures and documentation, its "
      "modules, "
      "where it listens, codecs and limits. With FUNCTION, that one alone.";
  command.prose.exit_status = {{"0", "the node has said it"},
                               {"1", "the node could not be asked, or has no such function"},
                               {"2", "wrong usage"}};
  command.prose.examples = R"(  {program} list tcp://127.0.0.1:7000
  {program} list tcp://127.0.0.1:7000 rfc.my_add_3
  {program} list --names unix:///run/front.sock)";
  command.prose.see_also = {"{program} call", "{program} node"};
  command.flag("--names", given->names, "print the functions' names alone, one a line").excludes({"--json"});
  command.flag("--json", given->json, "print all that the node says as JSON on one line");
  command.option("--timeout", "SECONDS", given->timeout, "give up after so long; \"none\" waits for ever");
  add_tls_options(command, program, given->tls);
  command.argument("PEER_URL", given->url, "where the node listens").peer_url();
  command.argument("FUNCTION", given->function, "the name of one; else all").function().optional();
  command.run = [given](const Invocation& /*called*/) { return run_list(*given); };
  return command;
}

}  // namespace onward
