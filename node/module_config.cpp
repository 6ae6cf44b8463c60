// SPDX-License-Identifier: Apache-2.0
#include "module_config.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "onward/module_library.h"

namespace onward {
namespace {

using Use = NodeOptions::ModuleUse;

class ModuleReader {
 public:
  ModuleReader(ConfigReader& file, std::span<const ModuleDescriptor* const> linked, NodeConfig& config)
      : file_(file), config_(config), linked_(linked) {}

  void read() {
    read_path();
    read_chosen();
    // Transports and codecs that are linked in are always there.
    for (const ModuleDescriptor* descriptor : linked_) {
      const std::string name(descriptor->name());
      const bool chosen = std::ranges::find(config_.options.modules, name, &Use::name) != config_.options.modules.end();
      if (descriptor->create != nullptr || chosen) continue;
      ConfigReader table = file_.table(name);
      Use use{.descriptor = descriptor, .arguments = table.settings()};
      check(use, table.content().source(), "[" + name + "]");
      config_.options.modules.push_back(std::move(use));
    }
  }

 private:
  void read_path() {
    const toml::node* found = file_.find("module_path");
    if (found != nullptr) {
      if (auto names = one_or_more(*found)) {
        for (const std::string& name : *names) {
          folders_.push_back((std::filesystem::path(folder_of(found->source())) / name).lexically_normal().string());
        }
      } else {
        file_.wrong("module_path", *found, "a folder, or an array of them");
      }
    }
    folders_ = module_path(folders_);
  }

  void read_chosen() {
    const toml::node* found = file_.find("modules");
    if (found == nullptr) return;
    const toml::array* tables = found->as_array();
    if (tables == nullptr || !std::ranges::all_of(*tables, [](const toml::node& table) { return table.is_table(); })) {
      file_.wrong("modules", *found, "written as [[modules]], once for each");
      return;
    }
    for (const toml::node& table : *tables) read_module(*table.as_table());
  }

  void read_module(const toml::table& table) {
    ConfigReader reader(table, "[[modules]]", file_.errors(), file_.expanded());
    Use use;
    std::string name;
    reader.read("optional", use.optional);
    const toml::node* where = reader.require("name");
    if (where == nullptr || !reader.read("name", name)) return;
    use.arguments = reader.settings();
    if (std::ranges::find(config_.options.modules, name, &Use::name) != config_.options.modules.end()) {
      file_.errors().add(where->source(), "the module \"" + name + "\" is there twice: a node has each once");
      return;
    }
    if (const Result<FoundModule> module = find_module(name, linked_, folders_); module) {
      use.descriptor = module->descriptor;
      use.file = module->file;
      check(use, table.source(), {});
    } else if (use.optional && module.error().code() != StatusCode::kInvalidArgument) {
      use.missing = name;
      use.unusable = module.error();
    } else {
      file_.errors().add(where->source(), module.error().message());
      return;
    }
    config_.options.modules.push_back(std::move(use));
  }

  void check(const Use& use, const toml::source_region& where, const std::string& owner) {
    std::vector<SettingError> errors;
    const Arguments arguments = check_module_arguments(*use.descriptor, use.arguments, errors, owner);
    for (const SettingError& error : errors) file_.errors().add(error, where);
    const std::string prefix = (owner.empty() ? "module " + std::string(use.descriptor->name()) : owner) + " ";
    for (const Parameter& parameter : use.descriptor->parameters) {
      const auto setting = arguments.all().find(std::string(parameter.key));
      const std::string text = setting == arguments.all().end() ? "" : whole_text(setting->second);
      config_.entries[prefix + std::string(parameter.key)] = {
          .text = text, .reloads = parameter.reloads && parameter.type != Parameter::Type::kFile};
      if (parameter.type == Parameter::Type::kFile && parameter.reloads && !text.empty()) {
        config_.tls_files.push_back(arguments.get<std::string>(parameter.key));
      }
    }
  }

  ConfigReader& file_;
  NodeConfig& config_;
  std::span<const ModuleDescriptor* const> linked_;
  std::vector<std::string> folders_;
};

}  // namespace

void read_modules(ConfigReader& file, std::span<const ModuleDescriptor* const> linked, NodeConfig& config) {
  ModuleReader(file, linked, config).read();
}

}  // namespace onward
