// SPDX-License-Identifier: Apache-2.0
#include "config_prose.h"

#include <string>
#include <string_view>

#include "node_parameters.h"

namespace onward {
namespace {

// The program reads these without declarations.
const std::vector<Definition>& keys_of_the_program() {
  static const std::vector<Definition> keys = {
      {"name", "the node's name; required"},
      {"listen", "URLs, or tables with `url`, `allow` and `insecure`: where it listens"},
      {"codec", "of calls that name none"},
      {"include", "files that are taken in, relative to this one; patterns, too"},
      {"module_path", "folders of modules that are not in this program"},
      {"[peers]", "by name: the URL of a node that this one calls, or several, best first"},
      {"[access]", "by pattern of functions: the names of those who may call them"},
  };
  return keys;
}

Definition explained(const std::string& table, const Parameter& parameter) {
  std::string text(parameter.documentation);
  text += " (" + parameter.expected();
  if (!parameter.measure.empty()) text += ", " + std::string(parameter.measure);
  if (const std::string fallback = parameter.default_text(); !fallback.empty()) text += "; default: " + fallback;
  if (parameter.is_required) text += "; required";
  if (parameter.reloads) text += "; reloads";
  return {.term = table + " " + std::string(parameter.key), .text = text + ")"};
}

Definition in_brief(std::string_view table, std::span<const Parameter> parameters) {
  std::string keys;
  for (const Parameter& parameter : parameters) keys += (keys.empty() ? "" : ", ") + std::string(parameter.key);
  return {.term = "[" + std::string(table) + "]", .text = keys};
}

}  // namespace

std::vector<Definition> config_tables_in_brief(std::span<const ModuleDescriptor* const> modules) {
  std::vector<Definition> list = keys_of_the_program();
  for (const ConfigTable& table : config_tables()) list.push_back(in_brief(table.name, table.parameters));
  for (const ModuleDescriptor* module : modules) {
    if (module->create == nullptr && !module->parameters.empty())
      list.push_back(in_brief(module->name(), module->parameters));
  }
  return list;
}

std::vector<Definition> config_keys(std::span<const ModuleDescriptor* const> modules) {
  std::vector<Definition> list;
  const auto add = [&](const std::string& table, std::span<const Parameter> parameters) {
    for (const Parameter& parameter : parameters) list.push_back(explained(table, parameter));
  };
  for (const ConfigTable& table : config_tables()) add("[" + std::string(table.name) + "]", table.parameters);
  for (const ModuleDescriptor* module : modules) {
    const std::string name(module->name());
    add(module->create == nullptr ? "[" + name + "]" : "[[modules]] " + name, module->parameters);
  }
  return list;
}

}  // namespace onward
