// SPDX-License-Identifier: Apache-2.0
//
// What a node tells about itself, onward.describe, as programs read it. docs/REFLECTION.md has what each member is.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "onward/rpc.h"
#include "onward/value_dynamic.h"

namespace onward {

struct FunctionDescription {
  std::string name;
  std::string signature;
  std::vector<std::string> structs;
  std::string runs;
  std::string documentation;
  std::string module;
};
ONWARD_MEMBERS(FunctionDescription, name, signature, structs, runs, documentation, module)

struct ModuleDescription {
  std::string name;
  std::string version;
  std::string summary;
  std::string origin;
  std::string trouble;
};
ONWARD_MEMBERS(ModuleDescription, name, version, summary, origin, trouble)

struct CodecDescription {
  std::string name;
  std::uint8_t id = 0;
};
ONWARD_MEMBERS(CodecDescription, name, id)

struct NodeDescription {
  std::string node;
  std::string version;
  std::int64_t module_abi = 0;
  std::vector<FunctionDescription> functions;
  std::vector<std::string> nearest;
  std::vector<ModuleDescription> modules;
  std::vector<std::string> transports;
  std::vector<std::string> listening;
  std::vector<CodecDescription> codecs;
  std::map<std::string, std::optional<std::int64_t>> limits;
};
ONWARD_MEMBERS(NodeDescription, node, version, module_abi, functions, nearest, modules, transports, listening, codecs,
               limits)

// Asks the node `to` about `function`, or about all for "". Errors name the call `reported_as`: who asks in order to
// call a function reports what goes wrong as that call's.
[[nodiscard]] Future<DynamicValue> ask_for_description(Node& node, const Destination& to, std::string_view function,
                                                       const FunctionName& reported_as);

// INVALID_ARGUMENT if `answer` is none. What it has besides is passed over.
[[nodiscard]] Result<NodeDescription> read_description(const DynamicValue& answer);

// Without what would steer a terminal: what a peer has sent.
[[nodiscard]] std::string printable(std::string_view text);
// "NAME(int32) -> string" of a function, printable.
[[nodiscard]] std::string prototype(const FunctionDescription& function);
// Each line of `text`, printable, with `indent` spaces in front and a newline behind; nothing for an empty text.
[[nodiscard]] std::string indented(std::string_view text, std::size_t indent);

}  // namespace onward
