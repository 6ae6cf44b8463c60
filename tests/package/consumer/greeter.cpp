// SPDX-License-Identifier: Apache-2.0
//
// A module, greeter.so. It is linked with nothing of Onward.
#include <string>

#include "onward/module.h"
#include "onward/typed_function.h"

namespace {

class Greeter final : public onward::Module {
 public:
  onward::Status start(onward::ModuleContext& context) override {
    greeting_ = context.arguments().get<std::string>("greeting");
    return context.functions().add("greet", [this](const std::string& name) { return greeting_ + ", " + name; });
  }

 private:
  std::string greeting_;
};

constexpr onward::Parameter kParameters[] = {
    onward::parameter("greeting", "Hello", "what stands before the name"),
};

}  // namespace

ONWARD_MODULE(greeter, .version = "1.0", .summary = "greets", .create = onward::make_module<Greeter>,
              .parameters = kParameters);
