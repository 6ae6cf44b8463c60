// SPDX-License-Identifier: Apache-2.0
#include "onward/flex/flex_codec.h"
#include "onward/module.h"

namespace onward {
namespace {

std::shared_ptr<const Codec> make(const Arguments& /*arguments*/) { return make_flex_codec(); }

}  // namespace

ONWARD_MODULE(flex, .version = kRelease, .summary = "any C++ arguments, as FlexBuffers", .make_codec = make);

}  // namespace onward
