// SPDX-License-Identifier: Apache-2.0
#include "call_command.h"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "argument_check.h"
#include "client_node.h"
#include "dynamic_call.h"
#include "json_value.h"
#include "node_description.h"
#include "onward/log.h"
#include "signature_type.h"

namespace onward {
namespace {

constexpr int kFailed = 1;
constexpr int kWrongUsage = 2;
constexpr std::size_t kTextWidth = 100;

std::optional<DynamicValue::Sequence> parse_arguments(const std::vector<std::string>& texts) {
  DynamicValue::Sequence arguments;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    Result<DynamicValue> argument = parse_argument(texts[i]);
    if (!argument) {
      std::fprintf(stderr, "onward call: argument %zu, %s: %s\n", i + 1, texts[i].c_str(),
                   argument.error().message().c_str());
      return std::nullopt;
    }
    arguments.push_back(*std::move(argument));
  }
  return arguments;
}

// What the node says about the function, or where it says nothing: reflection is off, not for this caller, or not
// there. Throws what the call would fail with as well, in its name: the node does not answer.
std::optional<NodeDescription> describe(Node& node, const CallCommand& command) {
  const CallOptions options{.timeout = command.timeout, .fail_fast = true};
  try {
    const DynamicValue answer =
        ask_for_description(node, to(command.url, options), command.function, FunctionName::intern(command.function))
            .wait();
    Result<NodeDescription> description = read_description(answer);
    if (description) return *std::move(description);
  } catch (const RpcError& error) {
    // What the node answered has passed it; that it knows no such function comes from nobody else.
    if (error.status().trail().empty() && error.status().code() != StatusCode::kUnimplemented) throw;
  }
  return std::nullopt;
}

// A word for the shell that is the JSON string `text`.
std::string quoted(const std::string& text) {
  std::string word = "'";
  for (const char c : to_json({text})) word += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return word + "'";
}

// True if the node would take them; else standard error has what is wrong.
bool check(const CallCommand& command, const FunctionDescription& function, const DynamicValue::Sequence& arguments) {
  const Result<FunctionSignature> signature = parse_signature(function.signature, function.structs);
  if (!signature) return true;
  const std::size_t wanted = signature->parameters.size();
  std::string wrong;
  std::string hint;
  if (arguments.size() != wanted) {
    wrong = "it takes " + std::to_string(wanted) + (wanted == 1 ? " argument, not " : " arguments, not ") +
            std::to_string(arguments.size());
  } else {
    ArgumentNotes notes;
    const auto mismatch = check_arguments(*signature, arguments, notes);
    for (const std::string& note : notes) std::fprintf(stderr, "onward call: note: %s\n", printable(note).c_str());
    if (!mismatch) return true;
    wrong = "argument " + std::to_string(mismatch->index + 1) +
            (mismatch->path.empty() ? "" : ", at " + mismatch->path + ",") + " must be " + mismatch->expected +
            ", not " + mismatch->found;
    if (mismatch->string_wanted) {
      hint = "to send it as a string, write it as a JSON string: " + quoted(command.arguments[mismatch->index]);
    }
  }
  std::string text = "onward call: " + printable(wrong) + ": " + prototype(function) + "\n";
  text += indented(function.documentation, 4);
  const std::set<std::string> structs = signature->parameter_structs();
  for (const std::string& one : function.structs) {
    if (structs.contains(one.substr(0, one.find('{')))) text += indented(one, 4);
  }
  std::fprintf(stderr, "%s%s", text.c_str(), indented(hint, 0).c_str());
  return false;
}

// Of a function that there is not.
int suggest_functions(const CallCommand& command, const NodeDescription& node) {
  std::string names;
  for (const std::string& name : node.nearest) names += (names.empty() ? "\"" : " or \"") + printable(name) + "\"";
  if (!names.empty()) std::fprintf(stderr, "did you mean %s? ", names.c_str());
  std::fprintf(stderr, "`onward list %s` shows all functions\n", command.url.c_str());
  return kWrongUsage;
}

using Milliseconds = std::chrono::duration<double, std::milli>;

struct Called {
  DynamicValue result;
  std::vector<Milliseconds> times;
};

// Calls as often as the command says, and ends with the first failure.
Called call(Node& node, const CallCommand& command, const DynamicValue::Sequence& arguments) {
  const CallOptions options{.timeout = command.timeout, .fail_fast = true};
  Called called;
  for (int i = 0; i < command.repeat; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    called.result = rpc_dynamic(node, to(command.url, options), command.function, arguments).wait();
    called.times.emplace_back(std::chrono::steady_clock::now() - begin);
  }
  return called;
}

void show_times(std::vector<Milliseconds> times) {
  if (times.size() == 1) {
    std::fprintf(stderr, "%.2f ms\n", times.front().count());
    return;
  }
  const auto median = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
  std::ranges::nth_element(times, median);
  std::fprintf(stderr, "%.3f ms, the median of %zu calls\n", median->count(), times.size());
}

}  // namespace

int run_call(const CallCommand& command) {
  if (const Result<Url> url = Url::parse(command.url); !url) {
    std::fprintf(stderr, "onward call: PEER_URL: %s\n", url.error().message().c_str());
    return kWrongUsage;
  }
  const auto arguments = parse_arguments(command.arguments);
  if (!arguments) return kWrongUsage;
  std::signal(SIGPIPE, SIG_IGN);
  // What goes wrong with the connection is in the call's own error.
  set_log_level(command.verbose ? LogLevel::kDebug : LogLevel::kOff);
  std::optional<NodeDescription> description;
  try {
    Node node(client_node_options("call", command.tls));
    node.start().throw_if_error();
    if (!command.unchecked) description = describe(node, command);
    if (description && !description->functions.empty() && !check(command, description->functions.front(), *arguments)) {
      return kWrongUsage;
    }
    const Called called = call(node, command, *arguments);
    const std::string text = command.json ? to_json(called.result) : to_text(called.result, kTextWidth);
    std::printf("%s\n", text.c_str());
    if (std::fflush(stdout) == 0) {
      if (command.show_time) show_times(called.times);
      return 0;
    }
    std::fprintf(stderr, "onward call: the result could not be printed\n");
  } catch (const RpcError& error) {
    std::fprintf(stderr, "onward call: %s\n", error.what());
    const bool unknown = description && description->functions.empty();
    if (unknown && error.status().code() == StatusCode::kUnimplemented) return suggest_functions(command, *description);
  }
  return kFailed;
}

}  // namespace onward
