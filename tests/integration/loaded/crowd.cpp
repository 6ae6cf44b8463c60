// SPDX-License-Identifier: Apache-2.0
//
// A second module, of another file, that uses the first.
#include <string>
#include <vector>

#include "greeter.h"
#include "onward/module.h"
#include "onward/rpc.h"

namespace {

using namespace onward;

class Crowd final : public Module {
 public:
  Status start(ModuleContext& context) override {
    greeting::Greeting& greeting = context.service<greeting::Greeting>();
    return context.functions().add("greet_all", [&greeting](const std::vector<std::string>& names) {
      std::vector<std::string> lines;
      for (const std::string& name : names) lines.push_back(greeting.greet(name));
      return lines;
    });
  }
};

}  // namespace

ONWARD_MODULE(crowd, .version = "1.0", .summary = "greets many", .create = make_module<Crowd>, .needs = {"greeting"});
