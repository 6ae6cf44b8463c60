// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "argument_check.h"
#include "client_node.h"
#include "command_list.h"
#include "dynamic_call.h"
#include "json_value.h"
#include "node_description.h"
#include "onward/log.h"
#include "print_output.h"
#include "signature_type.h"
#include "tls_command_options.h"

namespace onward {
namespace {

constexpr int kMaxRepeat = 1'000'000;
constexpr std::size_t kTextWidth = 100;

struct CallCommand {
  ProgramOptions program;  // whose command this is
  std::string url;
  std::string function;
  std::vector<std::string> arguments;  // each as json_value.h's parse_argument() takes it
  Duration timeout = std::chrono::seconds(30);
  TlsOptions tls = {};     // with a certificate, the call comes from the node that this is for
  bool json = false;       // print the result on one line of strict JSON
  bool show_time = false;  // say on standard error how long it took
  int repeat = 1;          // so many calls, one after the other; the time is then their median
  bool unchecked = false;  // do not ask the node first what the function takes
  bool verbose = false;    // log what happens on the connection
};

void complain(const CallCommand& command, const std::string& what) {
  std::fprintf(stderr, "%s call: %s\n", command.program.name.c_str(), what.c_str());
}

std::optional<DynamicValue::Sequence> parse_arguments(const CallCommand& command) {
  const std::vector<std::string>& texts = command.arguments;
  DynamicValue::Sequence arguments;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    Result<DynamicValue> argument = parse_argument(texts[i]);
    if (!argument) {
      complain(command, "argument " + std::to_string(i + 1) + ", " + texts[i] + ": " + argument.error().message());
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
  // Of a function that says nothing of what it takes, as those in Python.
  if (wanted == 1 && signature->parameters[0].text == "any...") return true;
  std::string wrong;
  std::string hint;
  if (arguments.size() != wanted) {
    wrong = "it takes " + std::to_string(wanted) + (wanted == 1 ? " argument, not " : " arguments, not ") +
            std::to_string(arguments.size());
  } else {
    ArgumentNotes notes;
    const auto mismatch = check_arguments(*signature, arguments, notes);
    for (const std::string& note : notes) complain(command, "note: " + printable(note));
    if (!mismatch) return true;
    wrong = "argument " + std::to_string(mismatch->index + 1) +
            (mismatch->path.empty() ? "" : ", at " + mismatch->path + ",") + " must be " + mismatch->expected +
            ", not " + mismatch->found;
    if (mismatch->string_wanted) {
      hint = "to send it as a string, write it as a JSON string: " + quoted(command.arguments[mismatch->index]);
    }
  }
  std::string text = command.program.name + " call: " + printable(wrong) + ": " + prototype(function) + "\n";
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
  std::fprintf(stderr, "`%s list %s` shows all functions\n", command.program.name.c_str(), command.url.c_str());
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

int run_call(const CallCommand& command) {
  const Result<Url> url = Url::parse(command.url);
  if (!url) {
    complain(command, "PEER_URL: " + url.error().message());
    return kWrongUsage;
  }
  const auto arguments = parse_arguments(command);
  if (!arguments) return kWrongUsage;
  std::signal(SIGPIPE, SIG_IGN);
  // What goes wrong with the connection is in the call's own error.
  set_log_level(command.verbose ? LogLevel::kDebug : LogLevel::kOff);
  Result<NodeOptions> options = client_node_options("call", command.program, *url, command.tls);
  if (!options) {
    complain(command, options.error().message());
    return kFailed;
  }
  std::optional<NodeDescription> description;
  try {
    Node node(std::move(*options));
    node.start().throw_if_error();
    if (!command.unchecked) description = describe(node, command);
    if (description && !description->functions.empty() && !check(command, description->functions.front(), *arguments)) {
      return kWrongUsage;
    }
    const Called called = call(node, command, *arguments);
    const std::string text = command.json ? to_json(called.result) : to_text(called.result, kTextWidth);
    const int printed = print_output(text + "\n", command.program.name + " call");
    if (printed == 0 && command.show_time) show_times(called.times);
    return printed;
  } catch (const RpcError& error) {
    complain(command, error.what());
    const bool unknown = description && description->functions.empty();
    if (unknown && error.status().code() == StatusCode::kUnimplemented) return suggest_functions(command, *description);
  }
  return kFailed;
}

constexpr const char* kArguments = R"(Arguments are JSON values. A word that is not JSON is sent as a string, so that
search needs no quotes; to send the string "1", write '"1"'. Beyond JSON:

  {"dtype": "float32", "shape": [2, 2], "data": [1, 2, 3, 4]}    a tensor, row by row
  {"bytes": "aGVsbG8="}                                          bytes, in base64
  {"float": "NaN"}                                               also "Infinity" and "-Infinity"
  {"table": "demo.Point", "bytes": "…"}                          a FlatBuffers table)";

constexpr const char* kExamples = R"(  {program} call tcp://127.0.0.1:7000 rfc.my_add_3 1 2 3
  {program} call tcp://127.0.0.1:7000 search warranty 10
  {program} call --json --timeout 2 unix:///run/front.sock search '"two words"' 10)";

Prose call_prose() {
  return {.description =
              "Calls a function of a node that runs, and prints what it returns. The options stand before "
              "PEER_URL: what comes behind it is sent, even if it begins with a dash, as -1 does.\n\n"
              "The node is asked first what the function takes, and arguments that it would refuse are not "
              "sent.",
          .sections = {{.title = "Values", .text = kArguments}},
          .exit_status = {{"0", "the function has returned"},
                          {"1", "the call failed; its error is on standard error"},
                          {"2", "wrong usage: also a function that is not there, and arguments that it does not take"}},
          .examples = kExamples,
          .see_also = {"{program} list", "{program} node", "{program} certs"}};
}

}  // namespace

// `onward call`: calls from a node of its own.
Command call_command(const ProgramOptions& program) {
  const auto given = std::make_shared<CallCommand>();
  given->program = program;
  Command command{.name = "call", .summary = "call a function of a node that runs", .prose = call_prose()};
  command.arguments_end_options = true;
  command.flag("--json", given->json, "print the result as JSON on one line");
  command.option("--timeout", "SECONDS", given->timeout, "give up after so long; \"none\" waits for ever");
  command.flag("--time", given->show_time, "say on standard error how long the call took");
  command
      .option("--repeat", "N", given->repeat,
              "call N times, one after the other, and print the last result; the time is then the median of the calls")
      .range(1, kMaxRepeat);
  command.flag("--unchecked", given->unchecked, "call at once: do not ask the node first what the function takes");
  command.flag("--verbose", given->verbose, "log what happens on the connection");
  add_tls_options(command, program, given->tls);
  command
      .argument("PEER_URL", given->url, "where the node listens: tcp://HOST:PORT, tls://…, shm://@NAME, unix:///PATH")
      .peer_url();
  command.argument("FUNCTION", given->function, "the function's name").function();
  command.argument("ARGUMENT", given->arguments, "what it is called with").optional();
  command.run = [given](const Invocation& /*called*/) { return run_call(*given); };
  return command;
}

}  // namespace onward
