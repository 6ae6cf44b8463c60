// SPDX-License-Identifier: Apache-2.0
#include "call_command.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <optional>
#include <vector>

#include "dynamic_call.h"
#include "json_value.h"
#include "onward/init_rpc.h"
#include "onward/log.h"
#include "onward/tls/tls_transport.h"

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

// Where the certificate cannot be used, connecting says why.
std::string node_name(const TlsOptions& tls) {
  if (tls.certificate.empty()) return "call-" + std::to_string(::getpid());
  return first_node_name(tls.certificate).value_or("call");
}

NodeOptions node_options(const TlsOptions& tls) {
  NodeOptions options;
  options.name = node_name(tls);
  options.transports = standard_transports({.tls = tls});
  options.codecs = standard_codecs();
  return options;
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
  try {
    Node node(node_options(command.tls));
    node.start().throw_if_error();
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
  }
  return kFailed;
}

}  // namespace onward
