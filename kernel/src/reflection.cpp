// SPDX-License-Identifier: Apache-2.0
#include "reflection.h"

#include <algorithm>

#include "map_fields.h"
#include "nearest.h"
#include "node_core.h"

namespace onward {
namespace {

constexpr std::size_t kMostNear = 3;

const Signature& describe_signature() {
  static const Signature signature("(string) -> any");
  return signature;
}

void write_function(Encoder& out, const Function& function) {
  out.begin_map(6);
  write_text(out, "name", function.name().name);
  write_text(out, "signature", function.signature().text);
  write_list(out, "structs", function.signature().structs, [&](const std::string& text) { out.string(text); });
  write_text(out, "runs", to_string(function.mode()));
  write_text(out, "documentation", function.documentation());
  write_text(out, "module", function.module());
  out.end_map();
}

}  // namespace

Reflection::Reflection(NodeCore& core)
    : Function(FunctionName::intern("onward.describe"), describe_signature(), RunMode::kDirect,
               "What this node is, and the functions that the caller may call; of a function's name, that one alone."),
      core_(core) {}

void Reflection::invoke(IncomingCall& call) const noexcept {
  const std::uint64_t call_id = call.message.header.call_id;
  try {
    std::string wanted;
    const Status decoded = call.codec.decode(call.message, [&](Decoder& decoder) {
      const std::size_t count = decoder.begin_sequence();
      if (count > 0) wanted = decoder.string();
      if (count > 1) decoder.fail(Status(StatusCode::kInvalidArgument, "it takes a function's name, or nothing"));
      decoder.end_sequence();
    });
    if (!decoded.ok()) {
      call.sink.send_error(call_id, name(),
                           decoded.with_message(name().name + signature().text + ": " + decoded.message()));
      return;
    }
    std::vector<const Function*> shown;
    std::vector<std::string> names;
    for (const auto& [id, function] : core_.functions.all()) {
      if (!call.sink.may_call(*function)) continue;
      names.push_back(function->name().name);
      if (wanted.empty() || wanted == names.back()) shown.push_back(function.get());
    }
    if (wanted == name().name) shown.push_back(this);
    std::ranges::sort(shown, {}, [](const Function* function) { return std::string_view(function->name().name); });
    if (wanted.empty() || !shown.empty()) names.clear();
    std::ranges::sort(names);
    const std::vector<std::string> near = nearest_words(wanted, names, kMostNear);
    call.sink.send_result(call_id, call.codec, name(), [&](Encoder& out) { write(out, shown, near); });
  } catch (...) {
    call.sink.send_error(call_id, name(), status_from_current_exception());
  }
}

void Reflection::write(Encoder& out, const std::vector<const Function*>& shown,
                       const std::vector<std::string>& near) const {
  const NodeOptions& options = core_.options;
  out.begin_map(10);
  write_text(out, "node", options.name);
  write_text(out, "version", kRelease);
  write_number(out, "module_abi", kModuleAbiVersion);
  write_list(out, "functions", shown, [&](const Function* function) { write_function(out, *function); });
  write_list(out, "nearest", near, [&](const std::string& text) { out.string(text); });
  write_list(out, "modules", core_.modules_.states(), [&](const Node::ModuleState& module) {
    out.begin_map(5);
    write_text(out, "name", module.name);
    write_text(out, "version", module.version);
    write_text(out, "summary", module.summary);
    write_text(out, "origin", module.file.empty() ? "linked in" : module.file);
    write_text(out, "trouble", module.trouble);
    out.end_map();
  });
  write_list(out, "transports", core_.transports_, [&](const auto& transport) { out.string(transport->scheme()); });
  write_list(out, "listening", core_.listening, [&](const Url& url) { out.string(url.to_string()); });
  write_list(out, "codecs", options.codecs, [&](const auto& codec) {
    out.begin_map(2);
    write_text(out, "name", codec->name());
    write_number(out, "id", codec->id());
    out.end_map();
  });
  out.key("limits");
  out.begin_map(7);
  write_number(out, "max_body_bytes", options.limits.max_body_bytes);
  write_number(out, "max_message_bytes", options.limits.max_message_bytes);
  write_number(out, "max_in_flight", options.per_connection.max_in_flight);
  write_number(out, "max_waiting_calls", options.max_waiting_calls);
  write_number(out, "pool_threads", options.pool.threads);
  write_number(out, "pool_queue_limit", options.pool.queue_limit);
  out.key("timeout_ms");
  const Duration timeout(core_.timeout.load());
  timeout == kNoTimeout ? out.null() : out.integer(timeout / std::chrono::milliseconds(1));
  out.end_map();
  out.end_map();
}

}  // namespace onward
