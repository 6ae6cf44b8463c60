// SPDX-License-Identifier: Apache-2.0
//
// A module as others write it: it is linked into loading_test, and loaded by the program onward.
#include "greeter.h"

#include <string>

#include "onward/module.h"
#include "onward/rpc.h"

namespace greeting {
namespace {

using namespace onward;

class Greeter final : public Module, public Greeting {
 public:
  Status start(ModuleContext& context) override {
    word_ = context.arguments().get<std::string>("word");
    if (Status failed = context.provide<Greeting>(*this); !failed.ok()) return failed;
    return context.functions().add("greet", [this](const std::string& name) { return greet(name); }, "greets somebody");
  }
  std::string greet(const std::string& name) override {
    if (name.empty()) throw std::invalid_argument("nobody to greet");
    if (name == "bear") throw Asleep("in winter");
    return word_ + ", " + name;
  }

 private:
  std::string word_;
};

constexpr Parameter kParameters[] = {parameter("word", "Hello", "what stands before the name")};

}  // namespace

ONWARD_MODULE(greeter, .version = "1.2", .summary = "greets", .create = make_module<Greeter>, .parameters = kParameters,
              .provides = {"greeting"});

}  // namespace greeting
