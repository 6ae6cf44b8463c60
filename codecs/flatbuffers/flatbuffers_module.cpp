// SPDX-License-Identifier: Apache-2.0
#include "onward/flatbuffers/flatbuffers_codec.h"
#include "onward/module.h"

namespace onward {
namespace {

std::shared_ptr<const Codec> make(const Arguments& /*arguments*/) { return make_flatbuffers_codec(); }

}  // namespace

ONWARD_MODULE(flatbuffers, .version = kRelease, .summary = "tables that flatc made", .make_codec = make);

}  // namespace onward
