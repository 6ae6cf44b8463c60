// SPDX-License-Identifier: Apache-2.0
#include "onward/module.h"
#include "onward/raw/raw_codec.h"

namespace onward {
namespace {

std::shared_ptr<const Codec> make(const Arguments& /*arguments*/) { return make_raw_codec(); }

}  // namespace

ONWARD_MODULE(raw, .version = kRelease, .summary = "bytes as they are", .make_codec = make);

}  // namespace onward
