// SPDX-License-Identifier: Apache-2.0
#include "config_reference.h"

#include <string_view>

#include "node_parameters.h"

namespace onward {
namespace {

// A cell of a table.
std::string cell(std::string_view text) {
  std::string out;
  for (const char c : text) out += c == '|' ? std::string("\\|") : std::string(1, c);
  return out;
}

std::string rows(std::span<const Parameter> parameters) {
  std::string text = "| key | value | default | |\n|---|---|---|---|\n";
  for (const Parameter& parameter : parameters) {
    const std::string fallback = parameter.default_text();
    const bool is_literal = parameter.fallback_text.empty() && !fallback.empty();
    const std::string shown = parameter.is_required ? "required" : is_literal ? "`" + fallback + "`" : fallback;
    const std::string unit = parameter.measure.empty() ? "" : ", " + std::string(parameter.measure);
    text += "| `" + std::string(parameter.key) + "` | " + cell(parameter.expected() + unit) + " | " + cell(shown) +
            " | " + cell(parameter.documentation) + (parameter.reloads ? " ⟳" : "") + " |\n";
  }
  return text;
}

std::string section(const std::string& title, std::string_view documentation, std::span<const Parameter> parameters) {
  return "#### " + title + "\n\n" + std::string(documentation) + "\n\n" + rows(parameters) + "\n";
}

}  // namespace

std::string config_reference(std::span<const ModuleDescriptor* const> modules) {
  std::string text;
  for (const ConfigTable& table : config_tables()) {
    text += section("`[" + std::string(table.name) + "]`", table.documentation, table.parameters);
  }
  for (const ModuleDescriptor* descriptor : modules) {
    if (descriptor->create != nullptr || descriptor->parameters.empty()) continue;
    text += section("`[" + std::string(descriptor->name()) + "]`",
                    "The transport " + std::string(descriptor->summary) + ".", descriptor->parameters);
  }
  for (const ModuleDescriptor* descriptor : modules) {
    if (descriptor->create == nullptr || descriptor->parameters.empty()) continue;
    text += section("`[[modules]]` with `name = \"" + std::string(descriptor->name()) + "\"`",
                    "The module that " + std::string(descriptor->summary) + ".", descriptor->parameters);
  }
  return text;
}

}  // namespace onward
